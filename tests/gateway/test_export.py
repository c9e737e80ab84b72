"""The zip of a user's data: made while it is sent, never whole when it is not, and read back only when every byte is right."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import socket
import struct
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.gateway.restore_zip import is_export
from services.gateway.server import GatewayServer
from services.kit.errors import AlreadyExists, ResourceExhausted, Unavailable
from tests.support.gateway_app import Gateway, StartGateway, assert_problem, bearer

LEDGER = b'date,amount,description\n2026-01-01,-1.2500,"a ""b"", c"\n' + b"2026-01-02,5.0000,x\n" * 20_000
ACCOUNTS = {"transactions.csv": LEDGER, "rules.jsonl": b""}
INGESTION = {"imports.jsonl": b'{"id":"1"}\n'}
CATEGORIZATION = {"anchors.jsonl": b'{"subject":"1"}\n'}
FORECASTING = {"anomalies.jsonl": b'{"id":"1"}\n'}
TRAINING = {"training_jobs.jsonl": b'{"id":"1"}\n'}
FEDERATION = {"devices.jsonl": b'{"id":"1"}\n'}


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Gateway:
    started = await start_gateway()
    started.user_data["accounts"].files = ACCOUNTS
    started.user_data["ingestion"].files = INGESTION
    started.user_data["categorization"].files = CATEGORIZATION
    started.user_data["forecasting"].files = FORECASTING
    started.user_data["training"].files = TRAINING
    started.user_data["federation"].files = FEDERATION
    return started


async def exported(gateway: Gateway) -> bytes:
    response = await gateway.get("/api/v1/export")
    assert response.status_code == 200, response.text
    return response.content


async def restore(gateway: Gateway, content: bytes, *, path: str = "restore", **form: str) -> httpx.Response:
    return await gateway.post(f"/api/v1/{path}", data=form, files={"file": ("export.zip", content, "application/zip")})


async def test_export_holds_every_file_and_says_what_is_in_it(gateway: Gateway) -> None:
    response = await gateway.get("/api/v1/export")
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(response.content)) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        files = ["accounts/transactions.csv", "accounts/rules.jsonl", "ingestion/imports.jsonl"]
        files += ["categorization/anchors.jsonl", "forecasting/anomalies.jsonl", "training/training_jobs.jsonl"]
        files += ["federation/devices.jsonl"]
        assert names == ["README.txt", *files, "manifest.json"]
        assert opened.read("accounts/transactions.csv") == LEDGER
        manifest = json.loads(opened.read("manifest.json"))
    assert (manifest["format"], manifest["version"]) == ("scale-export", 1)
    first = manifest["services"][0]["files"][0]
    digest = hashlib.sha256(LEDGER).hexdigest()
    assert first == {"name": "transactions.csv", "rows": LEDGER.count(b"\n"), "size_bytes": len(LEDGER), "sha256": digest}


async def test_head_asks_no_service(gateway: Gateway) -> None:
    for fake in gateway.user_data.values():
        fake.error = Unavailable("down")
    response = await gateway.request("HEAD", "/api/v1/export")
    assert (response.status_code, response.content, response.headers["content-type"]) == (200, b"", "application/zip")


async def test_what_is_down_is_said_before_the_zip_begins(gateway: Gateway) -> None:
    gateway.user_data["ingestion"].error = Unavailable("down", reason="DB_UNAVAILABLE")
    assert_problem(await gateway.get("/api/v1/export"), 503, "DB_UNAVAILABLE")
    gateway.user_data["ingestion"].error = None
    gateway.user_data["accounts"].error = ResourceExhausted("many", reason="TOO_MANY_EXPORTS", retry_after_s=60)
    assert_problem(await gateway.get("/api/v1/export"), 429, "TOO_MANY_EXPORTS")


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[str]:
    """On a real port: how a connection ends can be seen there only."""
    server = GatewayServer(gateway.app, gateway.settings)
    server.config.lifespan = "off"
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def test_a_service_that_dies_breaks_the_connection(gateway: Gateway) -> None:
    for name in ("accounts", "ingestion", "categorization", "forecasting", "training", "federation"):
        fake = gateway.user_data[name]
        fake.broken_off = Unavailable("gone")
        async with served(gateway) as url, httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"{url}/api/v1/export", headers=bearer(gateway.user_id))
        fake.broken_off = None


async def test_who_goes_away_stops_the_work(gateway: Gateway) -> None:
    fake = gateway.user_data["accounts"]
    fake.endless = True
    async with served(gateway) as url, httpx.AsyncClient(trust_env=False) as client:
        async with client.stream("GET", f"{url}/api/v1/export", headers=bearer(gateway.user_id)) as response:
            async for _ in response.aiter_raw(1000):
                break
        async with asyncio.timeout(5):
            await fake.cancelled.wait()


async def test_restore_gives_each_service_its_files_and_notes_it_as_an_import(gateway: Gateway) -> None:
    content = await exported(gateway)
    for path in ("restore", "imports"):
        response = await restore(gateway, content, path=path)
        assert response.status_code == 201, response.text
        assert response.headers["location"] == f"/api/v1/imports/{response.json()['id']}"
        assert gateway.user_data["accounts"].restored == ACCOUNTS
        assert gateway.user_data["ingestion"].restored == INGESTION
        assert gateway.user_data["categorization"].restored == CATEGORIZATION
        assert gateway.user_data["forecasting"].restored == FORECASTING
        assert gateway.user_data["training"].restored == TRAINING
        assert gateway.user_data["federation"].restored == FEDERATION
        assert gateway.user_data["accounts"].ended
        begun, finished = gateway.ingestion.requests[-2:]
        assert begun.file_hash == hashlib.sha256(content).hexdigest()
        assert begun.size_bytes == len(content)
        assert (finished.success.row_count, finished.success.inserted_count) == (3, 2)
        assert [one.table for one in finished.success.tables] == [
            "accounts.transactions", "accounts.rules", "ingestion.imports", "categorization.anchors",
            "forecasting.anomalies", "training.training_jobs", "federation.devices",
        ]  # fmt: skip


async def test_a_refusal_is_noted_and_told(gateway: Gateway) -> None:
    content = await exported(gateway)
    gateway.user_data["ingestion"].error = AlreadyExists("accounts.jsonl, line 1: there.", reason="RESTORE_CONFLICT")
    assert_problem(await restore(gateway, content), 409, "RESTORE_CONFLICT")
    assert gateway.ingestion.requests[-1].failure_reason.startswith("accounts.jsonl, line 1: there.")


async def test_a_repeat_does_nothing_again(gateway: Gateway) -> None:
    content = await exported(gateway)
    gateway.ingestion.repeated = True
    response = await restore(gateway, content)
    assert (response.status_code, response.headers["idempotency-replayed"]) == (201, "true")
    assert gateway.user_data["accounts"].restored == {}


def repacked(content: bytes, change: Callable[[dict[str, bytes], Any], object], *, twice: str = "") -> bytes:
    """The same zip with other files or another manifest."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    change(files, manifest)
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as made:
        for name, body in files.items():
            made.writestr(name, body)
        if twice:
            with pytest.warns(UserWarning, match="Duplicate"):
                made.writestr(twice, b"")
        made.writestr("manifest.json", json.dumps(manifest))
    return kept.getvalue()


def first_file(manifest: Any) -> Any:
    return manifest["services"][0]["files"][0]


def bomb(files: dict[str, bytes], manifest: Any) -> None:
    files["accounts/transactions.csv"] = bytes(30_000_000)
    first_file(manifest)["size_bytes"] = 30_000_000


TAMPERED: dict[str, tuple[Callable[[dict[str, bytes], Any], object], str]] = {
    "wrong sha": (lambda files, manifest: files.update({"accounts/transactions.csv": LEDGER.replace(b"5.0", b"6.0")}), "SHA-256"),
    "wrong size": (lambda files, manifest: files.update({"accounts/transactions.csv": LEDGER[:-1]}), "bytes"),
    "no such file": (lambda files, manifest: files.pop("accounts/transactions.csv"), "is missing"),
    "a file too many": (lambda files, manifest: files.update({"accounts/more.csv": b""}), "not in the manifest"),
    "a path upwards": (lambda files, manifest: files.update({"../../etc/passwd": b""}), "not in the manifest"),
    "a path in the manifest": (lambda files, manifest: first_file(manifest).update(name="../x.csv"), "manifest.json"),
    "an unknown service": (lambda files, manifest: manifest["services"][0].update(name="federation"), "federation"),
    "a service twice": (lambda files, manifest: manifest["services"].append(manifest["services"][0]), "twice"),
    "a file twice": (lambda files, manifest: manifest["services"][0]["files"].append(first_file(manifest)), "twice"),
    "another version": (lambda files, manifest: manifest.update(version=2), "version 2"),
    "another format": (lambda files, manifest: manifest.update(format="other"), "other"),
    "no services": (lambda files, manifest: manifest.pop("services"), "services"),
}


async def test_what_is_not_as_it_was_exported_is_refused_before_anything_is_stored(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(max_restored_bytes=20_000_000)
    gateway.user_data["accounts"].files = ACCOUNTS
    content = await exported(gateway)
    for name, (change, said) in TAMPERED.items():
        body = assert_problem(await restore(gateway, repacked(content, change)), 422, "EXPORT_INVALID")
        assert said in body["detail"], (name, body["detail"])
    doubled = repacked(content, lambda files, manifest: None, twice="accounts/transactions.csv")
    assert "two files with one name" in assert_problem(await restore(gateway, doubled), 422, "EXPORT_INVALID")["detail"]
    for cut in (len(content) - 1, len(content) // 2, 60):
        assert "cut short" in assert_problem(await restore(gateway, content[:cut]), 422, "EXPORT_INVALID")["detail"]
    broken = bytearray(content)
    broken[len(broken) // 3] ^= 0xFF
    assert_problem(await restore(gateway, bytes(broken)), 422, "EXPORT_INVALID")
    assert_problem(await restore(gateway, repacked(content, bomb)), 413, "FILE_TOO_LARGE")
    # A directory that says that it is small is read no further; one that says that it is large, not at all.
    crowded = bytearray(content)
    crowded[-14:-10] = struct.pack("<HH", 60_000, 60_000)
    assert "more files" in assert_problem(await restore(gateway, bytes(crowded)), 422, "EXPORT_INVALID")["detail"]
    assert_problem(await restore(gateway, b"date,amount\n2026-01-01,1\n"), 422, "INVALID_ARGUMENT")
    assert_problem(await restore(gateway, content, currency="EUR"), 422, "INVALID_ARGUMENT")
    assert gateway.user_data["accounts"].restored == {}
    assert not gateway.ingestion.requests


async def test_other_zips_are_no_exports(gateway: Gateway) -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as made:
        made.writestr("[Content_Types].xml", "")
    assert not is_export(kept.getvalue()[:256])
    assert (await restore(gateway, kept.getvalue(), path="imports")).status_code == 201
    assert gateway.ingestion.content == kept.getvalue()
