"""CI-08: .env.example names every variable that the code reads, each with a description, and none that nobody reads."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / ".env.example"
QUOTED = re.compile(r"""["'](SCALE_[A-Z0-9_]*[A-Z0-9])["']""")
ASSIGNMENT = re.compile(r"^#?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
# Set by one of our processes for another, never by a person.
INTERNAL = {"SCALE_SUPERVISED", "SCALE_MIGRATOR", "SCALE_MIGRATOR_VERIFIER", "SCALE_DATABASE", "SCALE_ROLE", "SCALE_ROLE_VERIFIER"}


class Documented(NamedTuple):
    """What .env.example says of one variable."""

    value: str
    comment: str


def documented() -> dict[str, Documented]:
    """Every variable with its value and the comment directly above it."""
    found: dict[str, Documented] = {}
    comment = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if match := ASSIGNMENT.match(line):
            found[match["name"]] = Documented(match["value"], comment.strip())
            comment = ""
        elif line.startswith("# "):
            comment += line[2:] + " "
        else:
            comment = ""
    return found


def settings_classes() -> Iterator[type[BaseSettings]]:
    for path in sorted([*ROOT.glob("services/*/settings.py"), *ROOT.glob("operations/*/settings.py")]):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, BaseSettings) and found.__module__ == module.__name__ and path.parent.name != "kit":
                yield found


def variables(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The first name of each field: the one to document; further aliases are for compatibility."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            alias = alias.choices[0]
        assert not isinstance(alias, AliasPath)
        yield alias or f"{prefix}{name}".upper(), field


@pytest.mark.requirement("CI-08", "SEC-29")
def test_every_setting_is_listed() -> None:
    listed = documented()
    missing = {name for settings in settings_classes() for name, _ in variables(settings) if name not in listed}
    assert not missing, f"add to .env.example: {sorted(missing)}"


@pytest.mark.requirement("CI-08")
def test_every_setting_has_a_description_in_both_places() -> None:
    assert [name for name, entry in documented().items() if len(entry.comment) < 10] == []
    assert [name for settings in settings_classes() for name, field in variables(settings) if not field.description] == []


def as_written(value: object) -> str:
    """A default as it would be written in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def test_the_defaults_are_the_real_ones() -> None:
    listed = documented()
    wrong = {
        name: (listed[name].value, field.default)
        for settings in settings_classes()
        for name, field in variables(settings)
        if name in listed and not field.is_required() and field.default is not None and listed[name].value != as_written(field.default)
    }
    assert not wrong


def test_variables_read_past_the_settings_classes_are_listed() -> None:
    listed = documented()
    sources = [path for room in ("services", "clients", "migrations") for path in (ROOT / room).rglob("*.py")]
    read = {name for path in sources for name in QUOTED.findall(path.read_text(encoding="utf-8"))}
    assert not (read - listed.keys() - INTERNAL), "add to .env.example"


@pytest.mark.requirement("CI-08")
def test_nothing_listed_is_unknown() -> None:
    known = {name for settings in settings_classes() for name, _ in variables(settings)}
    code = "\n".join(path.read_text(encoding="utf-8") for room in ("services", "clients") for path in (ROOT / room).rglob("*.py"))
    unknown = {name for name in documented() if name not in known and f'"{name}"' not in code}
    assert not unknown, f"nobody reads {sorted(unknown)}"
