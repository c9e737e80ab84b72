"""Which tests carry `@pytest.mark.requirement(…)`, read from their text: nothing is imported or run."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Proof:
    """A test, a class of tests, or a whole file (`name` is empty)."""

    path: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}::{self.name}" if self.name else self.path


def find(root: Path) -> tuple[dict[str, list[Proof]], list[str]]:
    """The proofs of each id in `tests/`, and the markers that nobody would see."""
    proofs: dict[str, set[Proof]] = defaultdict(set)
    problems: list[str] = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.requirement" not in text:
            continue
        place = path.relative_to(root).as_posix()
        for owner, call in _calls(ast.parse(text), ""):
            ids = [part.value for part in call.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if call.keywords or not ids or len(ids) != len(call.args):
                problems.append(f'{place}:{call.lineno}: a requirement is named by a literal: requirement("ING-05")')
            elif not all(part.startswith(("test", "Test")) for part in owner.split("::") if part):
                problems.append(f"{place}:{call.lineno}: {owner} is no test, so its marker proves nothing")
            for id in ids:
                proofs[id].add(Proof(place, owner))
    return {id: sorted(found) for id, found in proofs.items()}, problems


def _calls(node: ast.AST, owner: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of the marker with the test or class whose decorators, or body, it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _calls(child, f"{owner}::{child.name}" if owner else child.name)
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func).endswith("mark.requirement"):
            yield owner, child
        yield from _calls(child, owner)
