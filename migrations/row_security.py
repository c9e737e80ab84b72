"""What every table of users' data gets: forced row level security, one policy, and a grant to its service alone."""

from __future__ import annotations

from alembic import op


def protect(table: str, role: str) -> None:
    """Lets `role` see and change only the rows of the user set for the transaction; binds the table's owner as well.

    `table` carries its schema and has a `user_id uuid` column.
    """
    for statement in protection(table, role):
        op.execute(statement)


def protection(table: str, role: str) -> list[str]:
    """The statements of `protect`."""
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        # The sub-select makes PostgreSQL ask once a statement instead of once a row.
        f"""
        CREATE POLICY own_rows ON {table} FOR ALL TO {role}
        USING ((SELECT auth.uid()) = user_id) WITH CHECK ((SELECT auth.uid()) = user_id)
        """,
        f"REVOKE ALL ON {table} FROM PUBLIC",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}",
    ]
