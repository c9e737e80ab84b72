"""Which tests go to one process together, where several processes share the work (`pytest -n 2`)."""

from __future__ import annotations

# What takes long to start is started once, and used by the tests of these folders and files. They are the longest pieces, and come first.
SHARED = {
    "tests/e2e/": "system",
    "tests/e2e/test_erase.py": "breakable_system",
    "tests/e2e/test_federation.py": "breakable_system",
    "tests/e2e/test_large_import.py": "breakable_system",
    "tests/chaos/test_kill_during_import.py": "breakable_system",
    "tests/chaos/test_kill_during_training.py": "breakable_system",
    "tests/accounts/partitioned/": "partitioned ledger",
}


def piece_of(nodeid: str) -> str:
    """The piece of work that a test belongs to: what it shares, otherwise its file."""
    file = nodeid.partition("::")[0]
    return SHARED.get(file) or next((shared for folder, shared in SHARED.items() if file.startswith(folder)), file)
