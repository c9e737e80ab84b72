"""Secrets in the tree: `python -m tests.supply_chain.secret_scan [FILE …]`, without files everything that git tracks; `--accept FILE …` for
whoever has looked at what was found there, and knows that it only looks like one.

.secrets.baseline holds what only looks like one, looked at by a person; anything else that detect-secrets finds is a problem, and so is an
entry that nobody has looked at or that is not there any more.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

from tests.supply_chain.dependencies import ROOT

BASELINE = ".secrets.baseline"
# Bytes, what is generated from texts that are looked at themselves, lists of hashes, and the published keys of the protocol's examples.
LEFT_OUT = (
    BASELINE, "*.pt", "*.gz", "*.png", "*.xls", "*.xlsx", "*.ods", "protos/gen/*", "docs/openapi.json", "docs/requirements-status.md",
    "models/*/manifest.json", "clients/device/test_vectors.json",
)  # fmt: skip
# detect-secrets looks for randomness between quotes alone: a key file's one line of hexadecimal digits, and NAME=value as a shell has it.
BARE = re.compile(
    r"^\s*(?P<line>[0-9a-fA-F]{64})\s*$"
    r"|(?i:token|secret|key|password)(?P<rest>\w*)\s*[:=]\s*(?P<value>(?=\S*\d)[A-Za-z0-9+_-][A-Za-z0-9+/_-]{31,}={0,2})\s*(?:#.*)?$"
)
HOW_TO = "if it only looks like one: python -m tests.supply_chain.secret_scan --accept FILE"


def tracked(root: Path) -> list[str]:
    """What a clone holds."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]


def scan(root: Path, names: Iterable[str], baseline: dict[str, Any]) -> dict[tuple[str, str, str], int]:
    """(file, kind, hash) → line of everything that looks like a secret."""
    looked_at = [name for name in names if (root / name).is_file() and not any(fnmatch(name, pattern) for pattern in LEFT_OUT)]
    with transient_settings({key: baseline[key] for key in ("plugins_used", "filters_used")}):
        found = SecretsCollection(root=str(root))
        found.scan_files(*looked_at, num_processors=2)
    return {(name, secret.type, secret.secret_hash): secret.line_number for name, secret in found} | dict(
        each for name in looked_at for each in _bare(root, name)
    )


def _bare(root: Path, name: str) -> Iterator[tuple[tuple[str, str, str], int]]:
    for number, line in enumerate((root / name).read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        found = BARE.search(line)
        # Where something is, and not what.
        if found and not (found["rest"] or "").upper().endswith(("_FILE", "_PATH", "_URL")):
            # As detect-secrets marks what it finds.
            digest = hashlib.sha1((found["line"] or found["value"]).encode(), usedforsecurity=False).hexdigest()
            yield (name, "Unquoted key", digest), number


def problems(root: Path, names: list[str], *, everything: bool) -> list[str]:
    """New findings and, of a run over everything, entries of the baseline that no longer stand for anything."""
    baseline = json.loads((root / BASELINE).read_text(encoding="utf-8"))
    entries = [(name, entry) for name, listed in baseline["results"].items() for entry in listed]
    # What was looked at once is known wherever it stands: tests share their secrets.
    known = {(entry["type"], entry["hashed_secret"]) for _, entry in entries}
    found = scan(root, names, baseline)
    wrong = [f"{key[0]}:{line}: {key[1]}; take it out and change it; {HOW_TO}" for key, line in found.items() if key[1:] not in known]
    wrong += [f"{BASELINE}: nobody has looked at the {e['type']} in {name}" for name, e in entries if e.get("is_secret") is not False]
    if everything:
        there = {key[1:] for key in found}
        gone = [(name, e["type"]) for name, e in entries if (e["type"], e["hashed_secret"]) not in there]
        wrong += [f"{BASELINE}: the {kind} of {name} stands nowhere any more; take the entry out" for name, kind in gone]
    return sorted(wrong)


def accept(root: Path, names: list[str]) -> list[str]:
    """Notes what looks like a secret in these files as none; what was new."""
    path = root / BASELINE
    baseline = json.loads(path.read_text(encoding="utf-8"))
    known = {(entry["type"], entry["hashed_secret"]) for listed in baseline["results"].values() for entry in listed}
    new = {key: line for key, line in scan(root, names, baseline).items() if key[1:] not in known}
    for (name, kind, digest), line in new.items():
        entry = {"type": kind, "filename": name, "hashed_secret": digest, "is_verified": False, "line_number": line, "is_secret": False}
        baseline["results"].setdefault(name, []).append(entry)
    path.write_text(json.dumps(baseline, indent=2) + "\n", encoding="utf-8")
    return [f"{name}:{line}: {kind}" for (name, kind, _), line in new.items()]


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--accept"]:
        sys.stdout.writelines(f"{one}\n" for one in accept(ROOT, arguments[1:]))
        return 0
    wrong = problems(ROOT, arguments or tracked(ROOT), everything=not arguments)
    sys.stderr.writelines(f"{problem}\n" for problem in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
