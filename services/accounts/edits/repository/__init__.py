"""Edits in PostgreSQL: `changing` changes and restores rows inside a transaction, `edits` has the transactions."""
