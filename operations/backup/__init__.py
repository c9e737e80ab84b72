"""Backups of the database: base backups and every segment of its log, restored to any moment, and the drill that proves it.

`python -m operations.backup` is the command; docs/backup-restore.md is the guide.
"""
