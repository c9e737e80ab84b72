"""House rules that ruff, mypy and bandit do not know; `make check` runs them as `python -m tests.conventions`."""
