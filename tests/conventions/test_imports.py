"""Each import contract of pyproject.toml really refuses what its line in docs/architecture.md forbids.

The contracts run on a small stand-in tree, so that a test can break one rule at a time.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
NAMES = [contract["name"] for contract in tomllib.loads(PYPROJECT)["tool"]["importlinter"]["contracts"]]

INDEPENDENT = "One service imports no other service"
KIT = "kit knows no service, no contract and no model"
GATEWAY = "The gateway opens no database and runs no model"
DOMAIN = "domain.py: the standard library and kit.errors, nothing else"
FLWR = "flwr: in the services only where its own tests hold it"
SECAGG = "secagg: the standard library, numpy and cryptography; devices use it too"
SERVICE = "service.py: rules know neither wire, database, queue nor network"
SERVICER = "servicer.py: no SQL, no network"
REPOSITORY = "repository.py: SQL without rules and without the wire"
NETWORK = "predictor.py and trainers: the network, without wire and without SQL"
TASKS = "tasks.py: unwraps ids and calls the service, nothing else"
KNOWLEDGE = "models.knowledge, models.tda: what the world knows, and shapes of series, need no network"
MODELS = "models: networks know no service, contract, wire or database"

# What a well-behaved service imports: must pass.
CLEAN = {
    "kit/errors.py": "import dataclasses",
    "kit/postgres.py": "import asyncpg",
    "kit/client.py": "import grpc",
    "kit/money.py": "from google.type import money_pb2",
    "accounts/domain.py": "import decimal\nfrom services.kit.errors import x",
    "accounts/service.py": "from services.accounts import domain\nfrom services.kit import errors",
    "accounts/servicer.py": (
        "import grpc\nfrom scale.accounts.v1 import x\nfrom services.accounts import service, domain\nfrom services.kit import money"
    ),
    "accounts/repository.py": "import asyncpg\nfrom services.accounts import domain\nfrom services.kit import postgres",
    "accounts/app.py": "from services.accounts import repository, service, servicer\nfrom services.kit import client",
    "ingestion/service.py": "import polars",
    "ingestion/app.py": "import scale",
    "ingestion/tasks.py": "import celery\nfrom services.ingestion import app",
    "federation/grid.py": "import flwr",
    "federation/silos.py": "import flwr\nfrom services.federation import grid",
    "federation/running.py": "from services.federation import grid",
    "federation/secagg/masks.py": "import numpy\nimport cryptography\nfrom services.federation.secagg import shares",
    "federation/secagg/shares.py": "import secrets",
    "forecasting/predictor.py": "import torch\nimport models",
    "training/domain.py": "import dataclasses",
    "training/trainers/categorizer.py": "import torch\nimport models",
    "training/trainers/sources.py": "import scale\nfrom services.kit import client",
    "gateway/app.py": "import fastapi\nfrom scale.accounts.v1 import x\nfrom services.kit import client",
    "models/network.py": "import torch\nfrom models import features",
    "models/features.py": "import numpy",
    "models/knowledge/rules.py": "import numpy\nfrom models import features",
    "models/tda/scores.py": "import numpy",
}


def lint(tree: Path, files: dict[str, str]) -> dict[str, bool]:
    """Writes the stand-in services and models and runs import-linter with the project's own contracts; contract name → kept."""
    for name, text in files.items():
        path = tree / (name if name.startswith("models/") else f"services/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    for folder in {tree / "services", *(path.parent for path in tree.rglob("*.py"))}:
        (folder / "__init__.py").touch()
    (tree / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    kept = {}
    for name in NAMES:
        found = re.search(rf"{re.escape(name)}\s+(KEPT|BROKEN)", re.sub(r"\s+", " ", output))
        assert found, f"{name}: no verdict in\n{output}\n{done.stderr}"
        kept[name] = found.group(1) == "KEPT"
    assert (done.returncode == 0) == all(kept.values())
    return kept


def test_a_well_behaved_tree_passes(tmp_path: Path) -> None:
    assert lint(tmp_path, CLEAN) == dict.fromkeys(NAMES, True)


@pytest.mark.requirement("ARC-04")
@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [
        (INDEPENDENT, "ingestion/app.py", "import services.accounts.domain"),
        (INDEPENDENT, "gateway/app.py", "import services.accounts.domain"),
        (KIT, "kit/client.py", "import services.ingestion"),
        (KIT, "kit/client.py", "import scale.accounts.v1"),
        (KIT, "kit/client.py", "import models"),
        (GATEWAY, "gateway/app.py", "import asyncpg"),
        (GATEWAY, "gateway/app.py", "import torch"),
        (GATEWAY, "gateway/app.py", "import services.kit.postgres"),
        (DOMAIN, "accounts/domain.py", "import grpc"),
        (DOMAIN, "accounts/domain.py", "import pydantic"),
        (DOMAIN, "accounts/domain.py", "import services.kit.money"),
        (DOMAIN, "accounts/domain.py", "import services.accounts.repository"),
        (SECAGG, "federation/secagg/masks.py", "import grpc"),
        (SECAGG, "federation/secagg/masks.py", "import services.kit.errors"),
        (FLWR, "federation/running.py", "import flwr"),
        (FLWR, "models/network.py", "import flwr"),
        (SERVICE, "accounts/service.py", "import grpc"),
        (SERVICE, "accounts/service.py", "import scale.accounts.v1"),
        (SERVICE, "accounts/service.py", "from google.type import money_pb2"),
        (SERVICE, "accounts/service.py", "import asyncpg"),
        (SERVICE, "accounts/service.py", "import celery"),
        (SERVICE, "accounts/service.py", "import torch"),
        (SERVICE, "accounts/service.py", "import services.accounts.repository"),
        (SERVICER, "accounts/servicer.py", "import asyncpg"),
        (SERVICER, "accounts/servicer.py", "import torch"),
        (SERVICER, "accounts/servicer.py", "import services.accounts.repository"),
        (REPOSITORY, "accounts/repository.py", "import grpc"),
        (REPOSITORY, "accounts/repository.py", "import scale.accounts.v1"),
        (REPOSITORY, "accounts/repository.py", "import services.accounts.service"),
        (NETWORK, "forecasting/predictor.py", "import grpc"),
        (NETWORK, "training/trainers/categorizer.py", "import asyncpg"),
        (NETWORK, "training/trainers/categorizer.py", "import grpc"),
        (TASKS, "ingestion/tasks.py", "import grpc"),
        (TASKS, "ingestion/tasks.py", "import asyncpg"),
        (KNOWLEDGE, "models/knowledge/rules.py", "import torch"),
        (KNOWLEDGE, "models/knowledge/rules.py", "import models.network"),
        (KNOWLEDGE, "models/tda/scores.py", "import torch"),
        (MODELS, "models/network.py", "import services.kit.money"),
        (MODELS, "models/network.py", "import scale.accounts.v1"),
        (MODELS, "models/features.py", "import asyncpg"),
        (MODELS, "models/features.py", "import grpc"),
    ],
)
def test_each_contract_refuses(tmp_path: Path, contract: str, file: str, line: str) -> None:
    kept = lint(tmp_path, {**CLEAN, file: f"{CLEAN[file]}\n{line}"})
    assert kept[contract] is False
