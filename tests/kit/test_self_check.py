"""What a process could not start for is told before it starts: what is missing, where it is imported, and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.kit import self_check

ROOT = Path(__file__).resolve().parents[2]
PROCESS = """
from __future__ import annotations
from typing import TYPE_CHECKING
from services.kit.needs import Needs
if TYPE_CHECKING:
    import only_for_type_checkers
{imports}
def settings() -> str:
    {settings}
NEEDS = Needs(settings, modules=lambda arguments: arguments, loads=lambda settings: [settings] if settings != "broken" else [][0])
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of ours, `room`, to put a process into."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room/__init__.py").touch()
    monkeypatch.setattr(self_check, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "room"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "room"


def put(room: Path, imports: str = "", settings: str = "return 'version 1'") -> None:
    (room / "process.py").write_text(PROCESS.format(imports=imports, settings=settings), encoding="utf-8")


def test_a_process_that_has_all_is_well(room: Path) -> None:
    put(room)
    answer = self_check.check(["room.process", "json"])
    assert answer["ok"]
    assert answer["loaded"] == ["version 1"]
    assert "problems" not in answer


@pytest.mark.parametrize(
    "imports",
    [
        "def late():\n    import a_missing_library",
        "def late():\n    from . import deeper",
        "def late():\n    from room import deeper",
        "class Late:\n    async def run(self):\n        if True:\n            from room.deeper import anything",
    ],
)
def test_what_is_imported_late_and_deep_is_missed_now(room: Path, imports: str) -> None:
    put(room, imports)
    (room / "deeper.py").write_text("anything = 1\ndef later():\n    from a_missing_library.part import name\n", encoding="utf-8")
    answer = self_check.check(["room.process"])
    assert not answer["ok"]
    [problem] = answer["problems"]
    assert "a_missing_library" in problem
    assert problem.startswith("room.")
    assert "install the extra" in problem


def test_a_name_that_a_module_does_not_have_is_a_problem(room: Path) -> None:
    put(room, "def late():\n    from json import no_such_name")
    [problem] = self_check.check(["room.process"])["problems"]
    assert "json.no_such_name" in problem


def test_modules_that_are_only_named_count(room: Path) -> None:
    put(room)
    [problem] = self_check.check(["room.process", "a_missing_schedule"])["problems"]
    assert "a_missing_schedule" in problem


def test_settings_and_what_comes_with_the_code_are_read(room: Path) -> None:
    put(room, settings="raise ValueError('SCALE_X is not set')")
    [problem] = self_check.check(["room.process"])["problems"]
    assert problem.startswith("SCALE_X is not set (.env.example")
    put(room, settings="return 'broken'")
    sys.modules.pop("room.process")
    [problem] = self_check.check(["room.process"])["problems"]
    assert problem.startswith("IndexError")


def test_what_names_no_needs_is_no_process(room: Path) -> None:
    (room / "plain.py").touch()
    [problem] = self_check.check(["room.plain"])["problems"]
    assert "no process" in problem


def test_the_answer_is_one_line_and_the_exit_code() -> None:
    def asked(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "services.kit.self_check", "services.kit.beat", "services.accounts.schedule"]
        path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"}
        return subprocess.run(command, cwd=ROOT, env=path | environment, capture_output=True, text=True, check=False)

    well, ill = asked(SCALE_REDIS_URL="redis://127.0.0.1:1/0"), asked()
    assert (well.returncode, ill.returncode) == (0, 1)
    assert json.loads(well.stdout)["ok"]
    [problem] = json.loads(ill.stdout)["problems"]
    assert problem.startswith("SCALE_REDIS_URL: Field required")
