"""House rules that ruff, mypy and bandit do not know. `python -m tests.conventions` checks the tree; `make check` runs it."""
