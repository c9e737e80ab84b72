"""The database's history: one linear Alembic history, plain SQL inside. Run it with `python -m migrations upgrade`."""
