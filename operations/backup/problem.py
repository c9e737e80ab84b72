"""The one error of this package: something an operator can put right."""


class BackupProblem(Exception):
    """A backup, a restore or a drill cannot go on; the message says why and what to do about it."""
