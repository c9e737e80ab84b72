"""The tree keeps the house rules, and each rule refuses what it is there to refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conventions import rules

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = '[tool.importlinter]\nroot_packages = ["services"]\n'


@pytest.mark.requirement("GW-09", "SEC-25")
@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


def problems_of(rule: Callable[[Path], list[str]], tree: Path, name: str, text: str) -> list[str]:
    (tree / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return rule(tree)


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (rules.long_files, "services/accounts/service.py", "x = 1\n" * 401),
        (rules.vague_names, "services/accounts/utils.py", ""),
        (rules.vague_names, "clients/helpers/__init__.py", ""),
        (rules.offset_paging, "services/accounts/repository.py", 'SQL = "SELECT 1 LIMIT 50 OFFSET $3"'),
        (rules.offset_paging, "services/accounts/repository.py", 'SQL = f"SELECT 1 offset {page * 50}"'),
        (rules.offset_paging, "migrations/versions/a.sql", "SELECT 1\nLIMIT 1 OFFSET 5;"),
        (rules.formatted_sql, "services/accounts/repository.py", 'SQL = f"SELECT * FROM {table}"'),
        (rules.formatted_sql, "services/local/postgres.py", 'SQL = f"""\n  CREATE ROLE {name}"""'),
        (rules.formatted_sql, "services/kit/postgres.py", "SQL = f\"SET LOCAL app.user = '{user}'\""),
        (rules.domain_words_in_kit, "services/kit/server.py", "def merchant_of(row): ..."),
        (rules.domain_words_in_kit, "services/kit/server.py", "class LedgerClient: ..."),
        (rules.ungoverned_packages, "models/hypcd/network.py", "import torch"),
    ],
)
def test_a_rule_refuses(rule: Callable[[Path], list[str]], name: str, text: str, tmp_path: Path) -> None:
    problems = problems_of(rule, tmp_path, name, text)
    assert problems
    assert ": " in problems[0]


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (rules.long_files, "services/accounts/service.py", "x = 1\n" * 400),
        (rules.vague_names, "services/accounts/service.py", ""),
        (rules.offset_paging, "services/local/home.py", 'TEXT = "the offset of each port"'),
        (rules.formatted_sql, "services/accounts/repository.py", 'SQL = "SELECT $1"\nLOG = f"updated {count} rows"'),
        (
            rules.formatted_sql,
            "services/local/postgres.py",
            'SQL = f"CREATE ROLE {name}"  # sql: names are constants of this file',
        ),
        (rules.formatted_sql, "services/accounts/repository.py", 'SQL = f"SELECT {_COLUMNS} FROM accounts.accounts"'),
        (rules.domain_words_in_kit, "services/kit/postgres.py", "async def transaction(): ..."),
    ],
)
def test_a_rule_lets_pass(rule: Callable[[Path], list[str]], name: str, text: str, tmp_path: Path) -> None:
    assert problems_of(rule, tmp_path, name, text) == []
