"""`scale db`: what an operator asks of the database itself, with the migrator's URL."""

from clients.cli.database.commands import app

__all__ = ["app"]
