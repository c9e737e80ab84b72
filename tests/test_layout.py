"""The tree is what README and docs/architecture.md say it is."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Services that exist (ARC-02, ARC-09). The others join this list in the change that builds them.
GRPC_SERVICES = ("accounts", "categorization", "ingestion", "training")
SERVICE_FILES = ("__main__", "app", "domain", "repository", "service", "servicer", "settings")


def tracked() -> list[str]:
    """The files that git knows, or those that lie here in an unpacked archive."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() or [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if ".venv" not in path.parts]


@pytest.mark.parametrize(
    "path",
    [
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "NOTICE", "Makefile", "pyproject.toml", "constraints.txt", "buf.yaml",
        ".ci/run", ".github/workflows/ci.yml", ".github/PULL_REQUEST_TEMPLATE.md", ".github/CODEOWNERS", ".env.example", ".dockerignore",
        "docs/architecture.md", "docs/database.md", "docs/openapi.json", "docs/adr/README.md",
        "protos/generate.py", "protos/google/type/money.proto", "protos/gen/scale",
        "services/kit", "services/local", "services/gateway", "clients/cli", "migrations/versions",
        "benchmarks/import_csv.py", "benchmarks/list_transactions.py",
        "tests/support", "tests/contracts", "tests/e2e", "tests/chaos",
    ],
)  # fmt: skip
def test_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("service", GRPC_SERVICES)
def test_every_service_has_the_same_files(service: str) -> None:
    folder = ROOT / "services" / service
    missing = [name for name in SERVICE_FILES if not (folder / f"{name}.py").exists() and not (folder / name / "__init__.py").exists()]
    assert missing == []
    assert (ROOT / "protos/scale" / service / "v1" / f"{service}_service.proto").exists()
    assert list((ROOT / "tests" / service).rglob("test_*.py")), f"{service} has no tests of its own"


def test_every_service_folder_is_on_the_list() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")} - {"gateway", "local"}
    assert folders == set(GRPC_SERVICES)


def test_the_first_screen_of_the_readme_holds_both_commands_and_one_picture() -> None:
    screen = "\n".join(README.splitlines()[:25])
    assert re.search(r"^make run\b", screen, re.M)
    assert re.search(r"^make test\b", screen, re.M)
    assert "──►" in screen


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_adrs_have_one_form_and_one_page() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    records = sorted((ROOT / "docs/adr").glob("0*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert record.name in index, f"docs/adr/README.md does not list {record.name}"
        assert re.search(r"^Status: (accepted|superseded by \[\d{4}\])", text, re.M), record.name
        headings = re.findall(r"^## (.+)$", text, re.M)
        assert headings[:4] == ["Context", "Decision", "Consequences", "Alternatives"], record.name
        assert len(text.splitlines()) <= 60, f"{record.name} is longer than a page"


def test_there_is_one_definition_of_dependencies() -> None:
    """ARC-15, ARC-14."""
    names = {Path(name).name for name in tracked()}
    assert not names & {"setup.py", "setup.cfg", "Pipfile", "poetry.lock", "uv.lock", "environment.yml"}
    assert not [name for name in names if re.match(r"requirements.*\.(txt|in)$", name)]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    assert "google-generativeai" not in pins
    assert "google-generativeai" not in str(PYPROJECT)


def test_every_dependency_is_pinned_once() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", line)] == []
    pinned = [re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines]
    assert len(pinned) == len(set(pinned))
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *(entry for extra in project["optional-dependencies"].values() for entry in extra)]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", entry)[0]).lower() for entry in wanted}
    assert names - set(pinned) == set(), "pin in constraints.txt"


def test_secrets_and_local_state_are_ignored() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".env", ".scale/", ".venv/"} <= set(ignored)
    assert [name for name in tracked() if name.startswith((".scale/", ".venv/")) or name.endswith(".env")] == []


def test_docker_context_is_small() -> None:
    """CI-06."""
    excluded = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {".git", "node_modules", ".venv", ".next", "**/__pycache__", "apps/web/"} <= set(excluded)


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("install", "run", "test", "check", "stubs", "openapi", "coverage", "bench"):
        assert f"make {target} " in done.stdout
        assert re.search(rf"^{target}:", makefile, re.M)
