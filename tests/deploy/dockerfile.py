"""deploy/Dockerfile as stages: what each begins with, does and starts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
# What every target begins with.
RUNTIME = "runtime"
_ENV = re.compile(r'([A-Z][A-Z0-9_]*)=("[^"]*"|\S+)')


@dataclass(frozen=True)
class Stage:
    """One FROM with what follows; `base` is an image or another stage."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """What stands after each of these instructions."""
        return [text for name, text in self.instructions if name == instruction]


@dataclass(frozen=True)
class Target:
    """A stage that is built into an image, with what it has from those below it."""

    name: str
    stages: list[Stage]

    def last(self, instruction: str) -> str:
        """The one that holds."""
        found = [text for stage in self.stages for text in stage.all(instruction)]
        assert found, f"{self.name} has no {instruction}"
        return found[-1]

    @property
    def command(self) -> list[str]:
        """What is executed: exec form, so that signals reach the process."""
        return [*json.loads(self.last("ENTRYPOINT")), *json.loads(self.last("CMD"))]

    @property
    def process(self) -> list[str]:
        """What `python -m` is given."""
        assert self.command[:2] == ["python", "-m"]
        return self.command[2:]

    @property
    def environment(self) -> dict[str, str]:
        return {name: value.strip('"') for stage in self.stages for text in stage.all("ENV") for name, value in _ENV.findall(text)}

    @property
    def copied(self) -> list[tuple[str, str]]:
        """From which stage ("" for the context), and what after it."""
        found = [re.fullmatch(r"(?:--from=(\S+) )?(.+)", text) for stage in self.stages for text in stage.all("COPY")]
        return [(match[1] or "", match[2]) for match in found if match]

    @property
    def extra(self) -> str:
        """The extra of pyproject.toml whose virtual environment it has."""
        [venv] = [source for source, _ in self.copied if source.startswith("venv-")]
        return venv.removeprefix("venv-")


@cache
def stages() -> dict[str, Stage]:
    """All of them, in order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.M).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = found[name] = Stage(name, base)
        elif found:
            stage.instructions.append((instruction, re.sub(r"\s+", " ", rest)))
    return found


@cache
def targets() -> dict[str, Target]:
    """Every stage above `runtime`."""
    found = {}
    for name in stages():
        chain, stage = list[Stage](), stages().get(name)
        while stage is not None:
            chain.insert(0, stage)
            stage = stages().get(stage.base)
        if RUNTIME in [one.name for one in chain[:-1]]:
            found[name] = Target(name, chain)
    return found
