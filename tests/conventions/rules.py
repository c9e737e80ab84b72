"""The rules. Each maps the repository root to its problems: `path:line: what is wrong and what to do`."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

ROOMS = ("services", "models", "clients", "benchmarks", "migrations")
MAX_LINES = 400
VAGUE_NAMES = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"})
SQL_START = re.compile(r"\s*(?:--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP|GRANT|COPY|SET|MERGE)\s")
SQL_EXCUSE = re.compile(r"# (sql: \S|nosec B608)")
OFFSET_CLAUSE = re.compile(r"\bOFFSET\s+(\$\d+|%s|:\w+|\d+)", re.I)
# Words of the trade, which kit must not know. Those that plumbing shares (transaction, account) are not here.
DOMAIN_WORDS = re.compile(
    r"(merchant|ledger|budget|iban|fingerprint|categor(y|ies|iz)|forecast|anomal|bank_?statement|import_?statement)",
    re.I,
)


def python_files(root: Path, *rooms: str) -> Iterator[Path]:
    """Every Python file of the rooms that exist, in a stable order."""
    for room in rooms or ROOMS:
        yield from sorted((root / room).rglob("*.py"))


def _place(root: Path, path: Path, line: int = 1) -> str:
    return f"{path.relative_to(root).as_posix()}:{line}"


def long_files(root: Path) -> list[str]:
    """A file that passes 400 lines asks to be split by job."""
    problems = []
    for path in python_files(root):
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > MAX_LINES:
            problems.append(f"{_place(root, path)}: {count} lines; split it by job (at most {MAX_LINES})")
    return problems


def vague_names(root: Path) -> list[str]:
    """A module is named after its job."""
    return [
        f"{_place(root, path)}: '{part}' says nothing about the job; name the module after what it does"
        for path in python_files(root, *ROOMS, "tests")
        for part in [path.stem if path.stem != "__init__" else path.parent.name]
        if part in VAGUE_NAMES
    ]


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string of a module with its line; a placeholder of an f-string reads as `$1`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "$1" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def offset_paging(root: Path) -> list[str]:
    """GW-09: keyset pages only. OFFSET reads and throws away every row before the page; benchmarks may, as a yardstick."""
    problems = []
    for path in python_files(root):
        if path.is_relative_to(root / "benchmarks"):
            continue
        for line, text in _strings(ast.parse(path.read_text(encoding="utf-8"))):
            if OFFSET_CLAUSE.search(text):
                problems.append(f"{_place(root, path, line)}: OFFSET in SQL; page by key (services/kit/pagination.py)")
    for path in sorted((root / "migrations").rglob("*.sql")):
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if OFFSET_CLAUSE.search(text):
                problems.append(f"{_place(root, path, number)}: OFFSET in SQL; page by key")
    return problems


def _is_constant(part: ast.expr) -> bool:
    """Text, or a placeholder that names a constant of the module (_COLUMNS)."""
    if isinstance(part, ast.FormattedValue):
        return isinstance(part.value, ast.Name) and part.value.id.isupper()
    return isinstance(part, ast.Constant)


def formatted_sql(root: Path) -> list[str]:
    """SQL is fixed text with parameters. bandit (B608) sees queries; this also sees DDL, SET and COPY.

    Migrations are exempt: DDL takes no parameters, and nothing from outside reaches them.
    A statement that truly needs an identifier says so: `# sql: <why it is safe>`, or `# nosec B608` where bandit asks.
    """
    problems = []
    for path in python_files(root, *(room for room in ROOMS if room != "migrations")):
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if not isinstance(node, ast.JoinedStr) or all(_is_constant(part) for part in node.values):
                continue
            head = node.values[0]
            if not (isinstance(head, ast.Constant) and SQL_START.match(str(head.value))):
                continue
            around = lines[node.lineno - 1 : (node.end_lineno or node.lineno) + 1]
            if not any(SQL_EXCUSE.search(text) for text in around):
                problems.append(
                    f"{_place(root, path, node.lineno)}: SQL put together from an f-string; pass parameters, or say "
                    "on that line `# sql: <why it is safe>`"
                )
    return problems


def domain_words_in_kit(root: Path) -> list[str]:
    """services/kit is plumbing that knows no domain word; a name with one belongs in a service."""
    problems = []
    for path in python_files(root, "services/kit"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = next((found for field in ("name", "attr", "id", "arg") if (found := getattr(node, field, None))), None)
            if isinstance(name, str) and DOMAIN_WORDS.search(name):
                place = _place(root, path, getattr(node, "lineno", 1))
                problems.append(f"{place}: '{name}' is a domain word; move it to the service")
    return problems


def ungoverned_packages(root: Path) -> list[str]:
    """models/ needs its own import contract from the day it holds code."""
    with (root / "pyproject.toml").open("rb") as file:
        governed = tomllib.load(file)["tool"]["importlinter"]["root_packages"]
    if any(python_files(root, "models")) and "models" not in governed:
        return [
            "pyproject.toml:1: models/ holds code; add it to [tool.importlinter] root_packages, with a contract "
            "(no services, scale, grpc or asyncpg)"
        ]
    return []


RULES: tuple[Callable[[Path], list[str]], ...] = (
    long_files,
    vague_names,
    offset_paging,
    formatted_sql,
    domain_words_in_kit,
    ungoverned_packages,
)
