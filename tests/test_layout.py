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
GRPC_SERVICES = ("accounts", "categorization", "federation", "forecasting", "ingestion", "training")
SERVICE_FILES = ("__main__", "app", "domain", "repository", "service", "servicer", "settings")


def tracked() -> list[str]:
    """The files that git knows, or those that lie here in an unpacked archive."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() or [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if ".venv" not in path.parts]


@pytest.mark.requirement("ARC-02")
@pytest.mark.parametrize(
    "path",
    [
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "NOTICE", "Makefile", "pyproject.toml", "constraints.txt", "buf.yaml",
        ".ci/run", ".github/workflows/ci.yml", ".github/PULL_REQUEST_TEMPLATE.md", ".github/CODEOWNERS", ".env.example", ".dockerignore",
        "docs/architecture.md", "docs/database.md", "docs/openapi.json", "docs/adr/README.md",
        "protos/generate.py", "protos/google/type/money.proto", "protos/gen/scale",
        "services/kit", "services/local", "services/gateway", "clients/cli", "clients/device", "migrations/versions",
        "services/ingestion", "services/categorization", "services/forecasting", "services/training", "models", "deploy/k8s",
        "benchmarks/import_csv.py", "benchmarks/list_transactions.py",
        "tests/support", "tests/contracts", "tests/e2e", "tests/chaos",
    ],
)  # fmt: skip
def test_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.requirement("ARC-03", "ARC-09")
@pytest.mark.parametrize("service", GRPC_SERVICES)
def test_every_service_has_the_same_files(service: str) -> None:
    folder = ROOT / "services" / service
    missing = [name for name in SERVICE_FILES if not (folder / f"{name}.py").exists() and not (folder / name / "__init__.py").exists()]
    assert missing == []
    assert list((ROOT / "protos/scale" / service / "v1").glob("*_service.proto"))
    assert list((ROOT / "tests" / service).rglob("test_*.py")), f"{service} has no tests of its own"


@pytest.mark.requirement("ARC-05")
@pytest.mark.requirement("ANO-01", "ARC-09")
def test_anomalies_are_a_domain_of_their_own() -> None:
    """Served by the process of forecasting."""
    folder = ROOT / "services/forecasting/anomaly"
    assert [name for name in ("domain", "repository", "service", "servicer") if not (folder / f"{name}.py").exists()] == []
    assert list((ROOT / "protos/scale/anomaly/v1").glob("*_service.proto"))
    assert list((ROOT / "tests/forecasting/anomaly").glob("test_*.py"))


# What the requirements name, and where it must really be used: grpcio-tools makes the stubs, pytest runs the tests.
NAMED_LIBRARIES = {
    "grpcio": ("grpc", "services"), "grpcio-tools": ("grpc_tools", "protos"), "protobuf": ("google.protobuf", "services"),
    "asyncpg": ("asyncpg", "services"), "redis": ("redis", "services"), "celery": ("celery", "services"), "flwr": ("flwr", "services"),
    "opacus": ("opacus", "models"), "torch": ("torch", "models"), "pytest": ("pytest", "tests"),
}  # fmt: skip


@pytest.mark.requirement("ARC-01")
@pytest.mark.parametrize(("library", "module", "room"), [(name, *where) for name, where in NAMED_LIBRARIES.items()])
def test_a_named_library_is_pinned_and_imported(library: str, module: str, room: str) -> None:
    assert re.search(rf"^{library}==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    sources = (path for path in (ROOT / room).rglob("*.py") if "gen" not in path.relative_to(ROOT).parts)
    assert any(re.search(rf"^ *(import|from) {re.escape(module)}\b", path.read_text(encoding="utf-8"), re.M) for path in sources)


def modules_with(text: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / "services").rglob("*.py") if text in path.read_text(encoding="utf-8")}


@pytest.mark.requirement("ARC-10", "ING-01")
def test_what_is_to_be_there_once_is_there_once() -> None:
    for name in ("auth", "errors", "logging", "settings", "pagination", "context", "status"):
        assert (ROOT / f"services/kit/{name}.py").exists()
    # Tokens of access are decoded in the kit alone; the gateway reads back the confirmations that it has signed itself.
    assert modules_with("jwt.decode(") == {"services/kit/auth.py", "services/gateway/confirmations.py"}
    assert modules_with("def to_status(") | modules_with("def from_rpc_error(") == {"services/kit/status.py"}
    assert modules_with("def generate_fingerprint(") == {"services/ingestion/fingerprint.py"}


NAMED_FILES = """
    test_fingerprint_consistency test_import_endpoint test_singleton_classifier test_classify_single test_classify_batch
    test_classify_feedback test_forecast_preserves_metadata test_forecast test_training_status_update test_auth_bypass
"""
NAMED_TESTS = """
    test_fingerprint_deterministic test_fingerprint_canonical_fields test_fingerprint_ignores_whitespace test_import_valid_csv
    test_import_dedup_skips test_import_zero_amount_skipped test_import_pydantic_validation test_classifier_singleton test_classify_single
    test_classify_batch_no_n_plus_1 test_classify_feedback_updates_db test_error_handler_rfc7807 test_error_includes_request_id
    test_auth_valid_jwt test_auth_expired_jwt test_auth_missing_jwt test_rate_limiter_allows_under_limit test_rate_limiter_blocks_over_limit
    test_cors_allows_configured_origin test_cors_blocks_unknown_origin test_health_liveness test_health_readiness_all_up
    test_health_readiness_redis_down
"""


@pytest.mark.requirement("CAT-20", "CI-12", "FCT-03")
def test_the_tests_that_the_requirements_name_are_there() -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    assert set(NAMED_FILES.split()) - {path.stem for path in files} == set()
    defined = {name for path in files for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.M)}
    assert set(NAMED_TESTS.split()) - defined == set()


def test_every_service_folder_is_on_the_list() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")} - {"gateway", "local"}
    assert folders == set(GRPC_SERVICES)


@pytest.mark.requirement("DOC-14")
def test_the_first_screen_of_the_readme_holds_both_commands_and_one_picture() -> None:
    screen = "\n".join(README.splitlines()[:25])
    assert re.search(r"^make run\b", screen, re.M)
    assert re.search(r"^make test\b", screen, re.M)
    assert "──►" in screen


@pytest.mark.requirement("DOC-14")
@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.requirement("DOC-20")
def test_the_changelog_has_a_place_for_what_comes_and_says_something() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[Unreleased\]$", text, re.M)
    assert len(re.findall(r"^- ", text, re.M)) > 20


@pytest.mark.requirement("DOC-14")
def test_the_architecture_has_a_picture_the_services_and_the_way_of_a_request() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert "```" in text
    assert [service for service in (*GRPC_SERVICES, "gateway") if f"| `{service}` |" not in text] == []
    assert re.search(r"POST /api/v1/imports", text)


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


@pytest.mark.requirement("ARC-14", "ARC-15")
def test_there_is_one_definition_of_dependencies() -> None:
    """ARC-15, ARC-14."""
    names = {Path(name).name for name in tracked()}
    assert not names & {"setup.py", "setup.cfg", "Pipfile", "poetry.lock", "uv.lock", "environment.yml"}
    assert not [name for name in names if re.match(r"requirements.*\.(txt|in)$", name)]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    assert "google-generativeai" not in pins
    assert "google-generativeai" not in str(PYPROJECT)


@pytest.mark.requirement("ARC-15", "CI-15")
def test_every_dependency_is_pinned_once() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", line)] == []
    pinned = [re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines]
    assert len(pinned) == len(set(pinned))
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *(entry for extra in project["optional-dependencies"].values() for entry in extra)]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", entry)[0]).lower() for entry in wanted}
    names.discard(project["name"])  # an extra names others
    assert names - set(pinned) == set(), "pin in constraints.txt"


@pytest.mark.requirement("SEC-29")
def test_secrets_and_local_state_are_ignored() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".env", ".scale/", ".venv/"} <= set(ignored)
    # Settings of the cluster are no secrets; `make check-secrets` reads them like all else.
    settings = re.compile(r"deploy/k8s/.+\.env")
    assert [n for n in tracked() if n.startswith((".scale/", ".venv/")) or (n.endswith(".env") and not settings.fullmatch(n))] == []


@pytest.mark.requirement("CI-06")
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
