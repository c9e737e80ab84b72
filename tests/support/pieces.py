"""Which tests go to one process together, where several processes share the work (`pytest -n 2`)."""

from __future__ import annotations

# Tests that share what takes long to start, a whole system or a second ledger: they are the longest pieces, and come first.
TOGETHER = ("tests/e2e/", "tests/accounts/partitioned/")
# In those folders, but with a system of their own.
APART = ("tests/e2e/test_erase.py", "tests/e2e/test_large_import.py", "tests/e2e/test_local.py")


def piece_of(nodeid: str) -> str:
    """The piece of work that a test belongs to: a folder of TOGETHER, otherwise its file."""
    file = nodeid.partition("::")[0]
    return file if file in APART else next((folder for folder in TOGETHER if file.startswith(folder)), file)
