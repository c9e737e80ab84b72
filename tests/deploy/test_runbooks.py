"""Runbooks can be followed: what they name is there, and their SQL runs as the role that they name."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import asyncpg
import pytest
import typer.main
import yaml

from clients.cli.__main__ import app
from operations.backup.commands import build_parser
from services.local import LocalSystem
from services.local.postgres import BACKUP_ROLE
from tests.deploy.commands import DOCUMENTS, ROOT, Command, kubectl_problems, settings_named, shell_commands, sql_blocks
from tests.deploy.rendered import OVERLAYS, Rendered, render
from tests.test_env_example import documented

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
SECTIONS = ["Symptom", "Check", "Mitigate", "Escalate", "Verify", "On one machine"]
SQL = list(sql_blocks(RUNBOOKS))


@pytest.mark.requirement("DOC-01", "DOC-02", "DOC-03", "DOC-04", "DOC-05", "DOC-06", "DOC-07", "DOC-08")
@pytest.mark.parametrize(
    "name",
    [
        "api-503",
        "training-stuck",
        "redis-down",
        "db-pool-exhausted",
        "db-slow-queries",
        "db-connection-errors",
        "db-index-not-used",
        "high-memory",
    ],
)
def test_a_runbook_of_the_catalogue_is_there(name: str) -> None:
    assert ROOT / "docs" / "runbooks" / f"{name}.md" in RUNBOOKS


@pytest.mark.requirement("C-55", "REL-23")
@pytest.mark.parametrize("path", [path for path in RUNBOOKS if path.stem != "README"], ids=lambda path: path.stem)
def test_every_runbook_goes_from_symptom_to_proof_and_leads_with_kubectl(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    assert "15 minutes" in text.partition("## Escalate")[2].partition("##")[0]
    assert text.index("kubectl") < text.index("## On one machine")
    assert f"({path.name})" in (path.parent / "README.md").read_text(encoding="utf-8")
    assert any(list(shell_commands("kubectl", [path])))


@pytest.fixture(scope="module")
def overlays() -> list[Rendered]:
    return [render(name) for name in OVERLAYS]


@pytest.mark.requirement("K8S-19", "ARC-07", "REL-23")
def test_every_kubectl_command_of_the_documents_names_what_is_there(overlays: list[Rendered]) -> None:
    commands = list(shell_commands("kubectl"))
    assert len(commands) > 80
    assert any("undo" in command.words for command in commands)
    assert [f"{command}: {'; '.join(problems)}" for command in commands if (problems := kubectl_problems(command, overlays))] == []
    unknown = {name: str(command) for command in commands for name in settings_named(command) if name not in documented()}
    assert unknown == {}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("kubectl get pods", "-n scale"),
        ("kubectl -n other get pods", "-n scale"),
        ("kubectl -n scale logs deploy/account", "no Deployment account"),
        ("kubectl -n scale logs deploy/accounts -c account", "no container account"),
        ("kubectl -n scale get pods -l app.kubernetes.io/name=acounts", "nothing has the labels"),
        ("kubectl -n scale rollout undo deploy/gatway", "no Deployment gatway"),
        ("kubectl -n scale exec postgress-0 -- psql", "no pod"),
        ("kubectl -n scale exec postgres-0 psql", "without --"),
        ("kubectl -n scale create job x --from=cronjob/backup-basis", "no CronJob backup-basis"),
        ("kubectl -n scale wait --for=condition=complete job/backup-last", "no Job backup-last"),
        ("kubectl -n scale set env deploy/acounts DB_POOL_SIZE=1", "no Deployment acounts"),
        ("kubectl -n scale get deploy acounts", "no Deployment acounts"),
        ("kubectl apply -k deploy/k8s/overlays/p9", "no kustomization"),
    ],
)
def test_a_command_that_names_what_is_not_there_is_found(overlays: list[Rendered], line: str, problem: str) -> None:
    (found,) = kubectl_problems(Command("test", 1, tuple(line.split())), overlays)
    assert problem in found


def test_every_other_command_of_the_runbooks_is_one() -> None:
    for command in shell_commands("python", RUNBOOKS):
        if "-m" in command.words:
            module, *arguments = command.words[command.words.index("-m") + 1 :]
            assert importlib.util.find_spec(module), command
            if module == "operations.backup":
                build_parser().parse_args(arguments)
    tree = typer.main.get_command(app)
    for command in shell_commands("scale", RUNBOOKS):
        found = tree
        for word in command.words[1:]:
            if word.startswith("-"):
                assert any(word in parameter.opts for parameter in found.params), command
            elif children := getattr(found, "commands", None):
                assert word in children, command
                found = children[word]


@pytest.mark.requirement("DOC-17")
def test_every_command_of_the_guide_to_backups_is_one() -> None:
    guide = [path for path in DOCUMENTS if path.name == "backup-restore.md"]
    commands = [command.words for command in shell_commands("python", guide) if "operations.backup" in command.words]
    assert {words[words.index("operations.backup") + 1] for words in commands} >= {"base", "list", "prune", "restore", "drill", "status"}
    for words in commands:
        build_parser().parse_args(list(words[words.index("operations.backup") + 1 :]))


@pytest.mark.requirement("DOC-02", "DOC-04", "DOC-05", "DOC-06", "DOC-07", "DOC-08", "DB-09")
@pytest.mark.parametrize(("place", "role", "sql"), SQL, ids=[place for place, _, _ in SQL])
async def test_the_sql_of_a_runbook_runs_as_the_role_that_it_names(servers: LocalSystem, place: str, role: str, sql: str) -> None:
    assert role, f"{place} begins with no line such as -- as scale_migrator"
    connection = await asyncpg.connect(servers.superuser_url if role == BACKUP_ROLE else _url(servers, role))
    try:
        transaction = connection.transaction()
        await transaction.start()
        if role == BACKUP_ROLE:
            # It has a password, and REPLICATION, only where backups are switched on.
            await connection.execute("SET LOCAL ROLE scale_backup")
        await connection.execute(re.sub(r"^\s*(BEGIN|COMMIT|ROLLBACK);", "", sql, flags=re.M))
        await transaction.rollback()
    finally:
        await connection.close()


def test_every_alert_and_its_runbook_know_each_other() -> None:
    rules = sorted((ROOT / "deploy" / "monitoring").rglob("rules/*.yaml"))
    annotations = [rule.get("annotations", {}) for path in rules for group in _groups(path) for rule in group["rules"] if "alert" in rule]
    pages = {annotation.get("runbook", "docs/none").partition("#")[0] for annotation in annotations}
    assert {page for page in pages if not (ROOT / page).is_file()} == set()
    named = {name for path in RUNBOOKS for name in re.findall(r"`(Scale[A-Z]\w+)`", path.read_text(encoding="utf-8"))}
    assert named - {rule["alert"] for path in rules for group in _groups(path) for rule in group["rules"] if "alert" in rule} == set()


def _groups(path: Path) -> list[dict[str, list[dict[str, dict[str, str]]]]]:
    return list((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("groups", []))


def _url(servers: LocalSystem, role: str) -> str:
    return servers.migrator_url if role == "scale_migrator" else servers.service_url(role.removeprefix("scale_"))
