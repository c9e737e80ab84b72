"""`python -m services.kit.self_check services.accounts`: whether a process could start here, asked before it does.

It imports whatever the process may ever import, from within functions too; reads its settings; and loads the models that come with it. It
connects to nothing. One line of JSON says what was found; the exit status is 0, or 1 with each problem and what to do about it. What the
process is given after its name is given here as well: `... services.kit.self_check services.kit.beat services.accounts.schedule`.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from services.kit.needs import Needs

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTION = "scale-finance"
_INSTALL = "install the extra of pyproject.toml that belongs to this process (docs/containers.md)"


@dataclass(frozen=True)
class Import:
    """One import statement: the module, what is taken out of it, and where that stands."""

    module: str
    names: tuple[str, ...]
    place: str


def check(command: Sequence[str]) -> dict[str, Any]:
    """What is to be said of the process that this command line starts."""
    started = time.monotonic()
    answer: dict[str, Any] = {"process": command[0], "ok": False}
    problems: list[str] = []
    # What is imported may say something; the answer is one line.
    with redirect_stdout(sys.stderr):
        seen, own = set[str](), own_packages()
        problems += _import_all([entry_of(command[0])], own, seen)
        needs = getattr(sys.modules.get(entry_of(command[0])), "NEEDS", None)
        if not problems and not isinstance(needs, Needs):
            problems.append(f"{command[0]} names no NEEDS: it is no process")
        if isinstance(needs, Needs) and not problems:
            try:
                problems += _import_all(needs.modules(command[1:]), own, seen)
            except ValueError as error:
                problems.append(str(error))
        if isinstance(needs, Needs) and not problems:
            answer["loaded"], found = _read(needs)
            problems += found
    answer |= {"ok": not problems, "modules": len(seen), "seconds": round(time.monotonic() - started, 1)}
    return answer | ({"problems": problems} if problems else {})


def _read(needs: Needs[Any]) -> tuple[list[str], list[str]]:
    """What was loaded, and the problems."""
    try:
        settings = needs.settings()
    except ValueError as error:
        return [], [f"{problem} (.env.example describes each variable)" for problem in getattr(error, "problems", (str(error),))]
    try:
        return list(needs.loads(settings)), []
    except Exception as error:
        return [], [f"{type(error).__name__}: {error}"]


def entry_of(process: str) -> str:
    """The module that `python -m process` runs."""
    return f"{process}.__main__" if (ROOT.joinpath(*process.split(".")) / "__main__.py").exists() else process


def _import_all(modules: Iterable[str], own: Mapping[str, Path], seen: set[str]) -> list[str]:
    """Imports modules, and what they may import, as deep as the code is ours. Returns the problems."""
    problems: list[str] = []
    waiting = [Import(module, (), "the process") for module in modules]
    asked: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        wanted = waiting.pop()
        if (wanted.module, wanted.names) in asked:
            continue
        asked.add((wanted.module, wanted.names))
        problem = _import(wanted)
        if problem is not None:
            if problem not in problems:
                problems.append(problem)
            continue
        for module in (wanted.module, *(f"{wanted.module}.{name}" for name in wanted.names)):
            path = source_of(module, own)
            if path is not None and module not in seen:
                seen.add(module)
                waiting += imports_of(module, path)
    return problems


def _import(wanted: Import) -> str | None:
    try:
        module = importlib.import_module(wanted.module)
        for name in wanted.names:
            if not hasattr(module, name):
                importlib.import_module(f"{wanted.module}.{name}")
    except ModuleNotFoundError as error:
        if error.name and wanted.module.startswith(error.name.partition(".")[0]):
            return f"{wanted.place} imports {error.name}, which is not there: {_INSTALL}"
        return f"{wanted.place} imports {wanted.module}, and that {error.name}, which is not there: {_INSTALL}"
    except Exception as error:
        return f"{wanted.place} imports {wanted.module}, which fails: {type(error).__name__}: {error}; {_INSTALL}"
    return None


def own_packages() -> dict[str, Path]:
    """The top level packages that are SCALE's, whose imports are followed."""
    names = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    if ROOT.name == "site-packages":
        # There lies everybody else's too.
        names &= {file.parts[0] for file in metadata.files(DISTRIBUTION) or ()}
    return {name: ROOT / name for name in names}


def source_of(module: str, own: Mapping[str, Path]) -> Path | None:
    """The file of a module of ours."""
    top, *rest = module.split(".")
    if top not in own:
        return None
    path = own[top].joinpath(*rest)
    if (path / "__init__.py").exists():
        return path / "__init__.py"
    return path.with_suffix(".py") if rest and path.with_suffix(".py").exists() else None


def imports_of(module: str, path: Path) -> list[Import]:
    """What a module may ever import: at its top, within functions, wherever; but for what is for type checkers alone."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: list[Import] = []
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
        place = f"{module}:{node.lineno}"
        if isinstance(node, ast.Import):
            found += [Import(alias.name, (), place) for alias in node.names]
        else:
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            wanted = ".".join([*above, *([node.module] if node.module else [])])
            found.append(Import(wanted, tuple(alias.name for alias in node.names if alias.name != "*"), place))
    return found


def _statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for other in child.orelse:
                yield from _statements(other)
        else:
            yield from _statements(child)


def main(command: Sequence[str]) -> int:
    """Writes the line; returns the exit code."""
    if not command:
        sys.stderr.write("usage: python -m services.kit.self_check services.accounts\n")
        return 2
    answer = check(command)
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
