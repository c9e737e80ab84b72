"""The one error of this package: something a person can put right."""


class LocalProblem(Exception):
    """The local system cannot start or go on; the message says why and what to do about it."""
