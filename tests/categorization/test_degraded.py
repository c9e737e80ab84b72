"""The service without its model, without Redis, without the ledger's rules: it answers all the same, and says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from models.hypcd import personal_weights
from models.knowledge import pooling
from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.app import SERVICE
from services.categorization.predictor import load_hypcd
from services.categorization.settings import MODELS_DIR
from services.kit.errors import FailedPrecondition, Unavailable
from services.kit.server import FIGURES_KEY
from services.local import LocalSystem
from tests.categorization.conftest import Ledger, Stack, categorization, ledger_service, payment
from tests.support.ports import free_port

FALLBACK, MODEL = pb.CLASSIFICATION_SOURCE_FALLBACK, pb.CLASSIFICATION_SOURCE_MODEL


@pytest.fixture
async def ledger(servers: LocalSystem) -> AsyncIterator[Ledger]:
    async with ledger_service(servers) as running:
        yield running


async def figures(stack: Stack) -> dict[str, object]:
    stub = health_pb2_grpc.HealthStub(stack.channel)
    call = stub.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
    await call
    return {key: json.loads(value) for key, value in await call.trailing_metadata() or () if key == FIGURES_KEY}[FIGURES_KEY]


@pytest.mark.requirement("CAT-09", "CAT-10", "REL-06")
@pytest.mark.parametrize("content", [None, b"{}", b'{"format": 1, "version": "1", "files": {}}'])
async def test_classify_works_with_an_empty_or_corrupt_folder(
    servers: LocalSystem, ledger: Ledger, tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """CAT-09, CAT-10."""
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    async with categorization(servers, ledger, tmp_path, load=load_hypcd) as stack:
        answer = await stack.classify("REWE SAGT DANKE")
        assert (answer.category, answer.source, answer.degraded) == ("groceries_supermarket", FALLBACK, True)
        assert (answer.model_version, answer.abstained) == ("rules-1", False)
        assert "rewe" in answer.reasons[0].lower()
        assert (await stack.classify("qwertz")).abstained
        info = (await stack.call("GetModelInfo", pb.GetModelInfoRequest())).model
        assert (info.version, info.degraded) == ("rules-1", True)
        assert "manifest.json" in info.reason or "hypcd_model.pt" in info.reason
        assert (await figures(stack))["model"] == "fallback"
        # What the user says counts with and without a model.
        await stack.correct("qwertz", "housing")
        assert (await stack.classify("qwertz")).source == pb.CLASSIFICATION_SOURCE_USER
    assert "no model: the rules answer" in capfd.readouterr().out


@pytest.mark.parametrize("weights", [personal_weights, pooling])
async def test_corrections_count_while_what_weighs_evidence_is_broken(
    servers: LocalSystem, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: ModuleType
) -> None:
    whole, file = weights.FILE.read_bytes(), tmp_path / weights.FILE.name
    file.write_text("{}")
    monkeypatch.setattr(weights, "FILE", file)
    async with categorization(servers, ledger, MODELS_DIR, load=load_hypcd) as stack:
        info = (await stack.call("GetModelInfo", pb.GetModelInfoRequest())).model
        assert info.degraded
        assert file.name in info.reason
        await stack.correct("REWE", "housing")
        answer = await stack.classify("REWE")
        assert (answer.category, answer.source, answer.degraded) == ("housing", pb.CLASSIFICATION_SOURCE_USER, True)
        assert (await stack.classify("LIDL")).category == "groceries_supermarket"
        file.write_bytes(whole)
        await stack.app.predictor.look()
        assert not (await stack.call("GetModelInfo", pb.GetModelInfoRequest())).model.degraded
        assert not (await stack.classify("LIDL")).degraded


async def test_the_model_comes_back_without_a_restart(servers: LocalSystem, ledger: Ledger, models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(models_dir, folder)
    async with categorization(servers, ledger, folder) as stack:
        assert (await figures(stack))["model"] == "hypcd-test+1"
        kept = (folder / "version.json").read_bytes()
        (folder / "version.json").unlink()
        await stack.app.predictor.look()
        await stack.app.predictor.look()
        assert (await stack.classify("REWE")).source == FALLBACK
        (folder / "version.json").write_bytes(kept)
        await stack.app.predictor.look()
        answer = await stack.classify("REWE")
        assert (answer.source, answer.degraded) == (MODEL, False)


async def test_without_redis_nothing_is_missing_but_the_background(servers: LocalSystem, ledger: Ledger, models_dir: Path) -> None:
    gone: dict[str, Any] = {"SCALE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    async with categorization(servers, ledger, models_dir, **gone) as stack:
        await stack.correct("cafe", "dining")
        assert (await stack.classify("cafe")).category == "dining"
        # It is recorded, and goes into the queue once that is back.
        job = (await stack.call("StartRecategorization", pb.StartRecategorizationRequest(request_id="1"))).job
        assert job.state == pb.CATEGORIZATION_JOB_STATE_PENDING
    async with categorization(servers, ledger, models_dir) as stack:
        with pytest.raises(FailedPrecondition) as caught:
            await stack.call("StartDiscovery", pb.StartDiscoveryRequest(request_id="1"))
        assert caught.value.reason == "QUEUE_NOT_CONFIGURED"


async def test_rules_that_cannot_be_asked_cost_no_answer(servers: LocalSystem, ledger: Ledger, models_dir: Path, redis_url: str) -> None:
    async with categorization(servers, ledger, models_dir, SCALE_REDIS_URL=redis_url, SCALE_CACHE_KEY="k") as stack:
        await stack.classify("REWE")
        away = Ledger(ledger.accounts, ledger.rules, free_port())
        async with categorization(servers, away, models_dir, SCALE_REDIS_URL=redis_url, SCALE_CACHE_KEY="k") as cut_off:
            cut_off.user_id = stack.user_id
            answer = await cut_off.classify("REWE")
            assert answer.category == "groceries_supermarket"
            assert answer.reasons[-1] == "Your rules could not be asked just now."
            # Nobody has kept the categories of this one.
            with pytest.raises(Unavailable):
                await cut_off.other_user().classify("REWE")
            stranger = cut_off.other_user()
            inputs = pb.ClassifyStreamRequest(inputs=pb.ClassifyInputs(inputs=[payment("REWE")]))
            with pytest.raises(grpc.aio.AioRpcError):
                async for _ in stranger.stub.ClassifyStream(iter([inputs]), metadata=stranger.metadata, timeout=30):
                    pass
