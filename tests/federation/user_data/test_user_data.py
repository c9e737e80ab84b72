"""What federation holds about a user, handed over, brought back and erased."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import uuid_utils.compat

from scale.federation.v1 import user_data_service_pb2 as pb
from scale.federation.v1.user_data_service_pb2_grpc import UserDataServiceStub, add_UserDataServiceServicer_to_server
from services.federation.devices.budgets import DeviceBudget
from services.federation.devices.ledger import DeviceLedger
from services.federation.devices.repository import PostgresDevicesRepository, PostgresLedgerRepository
from services.federation.devices.service import DevicesService
from services.federation.domain import Device
from services.federation.user_data.repository import PostgresFederationUserData
from services.federation.user_data.service import FederationUserDataService
from services.federation.user_data.servicer import FederationUserDataServicer
from services.kit.auth import mint_token
from services.kit.errors import FailedPrecondition, InvalidArgument, Unauthenticated
from services.kit.handover import ErasedTable
from services.kit.postgres import Database
from services.kit.server import Server
from services.kit.settings import DatabaseSettings, ProcessSettings
from services.local import LocalSystem
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.federation_devices import SigningDevice, contribution, identity_of
from tests.support.federation_rows import fill
from tests.support.user_files import KeptFiles, as_incoming

Files = dict[str, bytes]
_ROWS = "SELECT to_jsonb(t) - 'user_id' AS row FROM federation.{} AS t WHERE user_id = $1 ORDER BY 1"


class Known:
    """What the process knows of devices."""

    def __init__(self) -> None:
        self.forgotten: list[UUID] = []

    def forget_user(self, user_id: UUID) -> None:
        self.forgotten.append(user_id)


class Stack:
    """The rules on the real database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.known = Known()
        self.service = FederationUserDataService(PostgresFederationUserData(database, statement_timeout_s=30), self.known, max_exports=2)
        self.devices = DevicesService(PostgresDevicesRepository(database), listeners=[])
        self.ledger = PostgresLedgerRepository(database)

    async def fill(self, user_id: UUID) -> dict[str, int]:
        async with self.database.transaction(user_id) as connection:
            return await fill(connection, user_id)

    async def export(self, user_id: UUID) -> Files:
        sink = KeptFiles()
        await self.service.export_user(user_id, sink)
        return sink.files

    async def restore(self, user_id: UUID, files: Files) -> dict[str, int]:
        return {one.table: one.restored_count for one in await self.service.restore_user(user_id, as_incoming(files))}

    async def rows(self, user_id: UUID, table: str) -> list[dict[str, object]]:
        async with self.database.transaction(user_id, read_only=True) as connection:
            return [json.loads(record["row"]) for record in await connection.fetch(_ROWS.format(table), user_id)]

    async def enrolled(self, user_id: UUID, signer: SigningDevice, *noise: float) -> Device:
        device = await self.devices.enroll_device(user_id, signer.new(user_id))
        for one in noise:
            await self.ledger.charge(identity_of(device), contribution(one), lambda _: None)
        return device

    async def list_devices(self, user_id: UUID) -> list[Device]:
        return list((await self.devices.list_devices(user_id, limit=100, after=None))[0])


@pytest.fixture
async def stack(servers: LocalSystem) -> AsyncIterator[Stack]:
    opened = Database(servers.service_url("federation"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4))
    await opened.open()
    yield Stack(opened)
    await opened.close()


def changed(files: Files, name: str, **fields: object) -> Files:
    """The same export, with other values in each line of a file."""
    lines = [json.dumps(json.loads(line) | fields).encode() for line in files[name].splitlines()]
    return {**files, name: b"\n".join(lines) + b"\n"}


async def test_an_export_brings_back_what_there_was_but_the_right_to_sign(stack: Stack, user_id: UUID, other_user_id: UUID) -> None:
    counts = await stack.fill(user_id)
    files = await stack.export(user_id)
    assert {name: content.count(b"\n") for name, content in files.items()} == {"devices.jsonl": 2, "contributions.jsonl": 4}
    assert await stack.restore(other_user_id, files) == counts
    assert await stack.rows(other_user_id, "contributions") == await stack.rows(user_id, "contributions")
    assert await stack.rows(other_user_id, "devices") == [{**row, "enrolled_at": None} for row in await stack.rows(user_id, "devices")]
    assert set((await stack.restore(other_user_id, files)).values()) == {0}


async def test_a_restored_device_takes_part_after_another_enrolment_with_what_it_had_spent(stack: Stack, user_id: UUID) -> None:
    signer = SigningDevice()
    before = await stack.enrolled(user_id, signer, 3.0, 4.0)
    files = await stack.export(user_id)
    await stack.service.erase_user(user_id)
    await stack.restore(user_id, files)
    with pytest.raises(Unauthenticated, match="enrol it again"):
        await stack.ledger.charge(identity_of(before), contribution(5.0), lambda _: None)
    after = await stack.enrolled(user_id, signer)
    assert after.noise_multipliers == (3.0, 4.0)
    # The same export once more finds the key under its new id.
    assert await stack.restore(user_id, files) == {"devices": 0, "contributions": 0}
    assert [one.noise_multipliers for one in await stack.list_devices(user_id)] == [(3.0, 4.0)]


async def test_what_a_key_had_spent_comes_back_to_it_though_it_was_enrolled_anew_meanwhile(stack: Stack, user_id: UUID) -> None:
    signer = SigningDevice()
    await stack.enrolled(user_id, signer, 3.0, 4.0)
    files = await stack.export(user_id)
    await stack.service.erase_user(user_id)
    new = await stack.enrolled(user_id, signer, 5.0)
    assert await stack.restore(user_id, files) == {"devices": 0, "contributions": 2}
    (found,) = await stack.list_devices(user_id)
    assert found.id == new.id
    assert found.enrolled_at is not None
    assert sorted(found.noise_multipliers) == [3.0, 4.0, 5.0]


async def test_a_restore_never_takes_away_what_was_spent(stack: Stack, user_id: UUID) -> None:
    device = await stack.enrolled(user_id, SigningDevice(), 3.0)
    files = await stack.export(user_id)
    await stack.ledger.charge(identity_of(device), contribution(4.0), lambda _: None)
    for older in (files, changed(files, "contributions.jsonl", noise_multiplier=1e9), {**files, "contributions.jsonl": b""}):
        assert set((await stack.restore(user_id, older)).values()) == {0}
        assert [one.noise_multipliers for one in await stack.list_devices(user_id)] == [(3.0, 4.0)]


async def test_a_file_alone_comes_back_alone(stack: Stack, user_id: UUID, other_user_id: UUID) -> None:
    await stack.enrolled(user_id, SigningDevice(), 3.0)
    files = await stack.export(user_id)
    assert await stack.restore(other_user_id, {"devices.jsonl": files["devices.jsonl"]}) == {"devices": 1, "contributions": 0}
    given = {"contributions.jsonl": files["contributions.jsonl"]}
    assert await stack.restore(other_user_id, given) == {"devices": 0, "contributions": 1}


async def test_what_was_revoked_stays_so(stack: Stack, user_id: UUID) -> None:
    signer = SigningDevice()
    device = await stack.enrolled(user_id, signer)
    while_allowed = await stack.export(user_id)
    await stack.devices.revoke_device(user_id, device.id)
    await stack.restore(user_id, while_allowed)
    with pytest.raises(FailedPrecondition, match="revoked"):
        await stack.enrolled(user_id, signer)
    revoked = await stack.export(user_id)
    await stack.service.erase_user(user_id)
    await stack.restore(user_id, revoked)
    with pytest.raises(FailedPrecondition, match="revoked"):
        await stack.enrolled(user_id, signer)


async def test_an_export_that_names_anothers_device_gives_no_right_over_it(stack: Stack, user_id: UUID, other_user_id: UUID) -> None:
    mine = await stack.enrolled(user_id, SigningDevice())
    files = await stack.export(user_id)
    signer = SigningDevice()
    forged = changed(files, "devices.jsonl", public_key="\\x" + signer.public_key.hex())
    assert await stack.restore(other_user_id, forged) == {"devices": 1, "contributions": 0}
    assert (await stack.enrolled(other_user_id, signer)).id != mine.id
    assert [one.public_key for one in await stack.list_devices(user_id)] == [mine.public_key]


@pytest.mark.parametrize(
    ("file", "fields", "said"),
    [
        ("devices.jsonl", {"public_key": "\\x00"}, r"devices\.jsonl, line 1: public_key: does not satisfy"),
        ("devices.jsonl", {"display_name": "x" * 101}, r"devices\.jsonl, line 1: display_name"),
        ("contributions.jsonl", {"noise_multiplier": -1}, r"contributions\.jsonl, line 1: noise_multiplier"),
        ("contributions.jsonl", {"noise_multiplier": "NaN"}, r"contributions\.jsonl, line 1: noise_multiplier"),
        ("contributions.jsonl", {"device_id": str(UUID(int=1))}, r"contributions\.jsonl, line 1: device_id: names none of the devices"),
        ("contributions.jsonl", {"epsilon": 0}, r"contributions\.jsonl, line 1: epsilon: is no column"),
    ],
)
async def test_what_is_wrong_with_a_file_is_said_and_nothing_is_stored(
    stack: Stack, user_id: UUID, other_user_id: UUID, file: str, fields: dict[str, object], said: str
) -> None:
    await stack.enrolled(user_id, SigningDevice(), 3.0)
    files = await stack.export(user_id)
    with pytest.raises(InvalidArgument, match=said):
        await stack.restore(other_user_id, changed(files, file, **fields))
    assert await stack.list_devices(other_user_id) == []


async def test_a_ledger_counts_what_a_restore_has_brought(stack: Stack, user_id: UUID) -> None:
    signer = SigningDevice()
    await stack.enrolled(user_id, signer, 0.5, 0.5)
    files = await stack.export(user_id)
    await stack.service.erase_user(user_id)
    await stack.restore(user_id, files)
    device = identity_of(await stack.enrolled(user_id, signer))
    assert await DeviceLedger(stack.ledger, DeviceBudget(8.0)).would_exceed(device, 10.0)


async def test_an_erasure_takes_everything_of_the_user_and_nothing_of_others(stack: Stack, user_id: UUID, other_user_id: UUID) -> None:
    await stack.fill(user_id)
    counts = await stack.fill(other_user_id)
    wanted = [ErasedTable("devices", 2), ErasedTable("contributions", 4)]
    by_name = {one.table: one.row_count for one in wanted}
    assert {one.table: one.row_count for one in await stack.service.count_user(user_id)} == by_name
    assert {one.table: one.row_count for one in await stack.service.erase_user(user_id)} == by_name
    assert stack.known.forgotten == [user_id]
    assert await stack.rows(user_id, "devices") == await stack.rows(user_id, "contributions") == []
    for table, count in counts.items():
        assert len(await stack.rows(other_user_id, table)) == count
    assert {one.row_count for one in await stack.service.erase_user(user_id)} == {0}


async def test_over_the_wire_only_the_callers_own_goes_out_comes_in_and_ends(stack: Stack, user_id: UUID) -> None:
    await stack.fill(user_id)
    servicer = FederationUserDataServicer(stack.service, idle_timeout_s=5)
    server = Server(
        ProcessSettings(**process_settings()),
        name="federation",
        services=["scale.federation.v1.UserDataService"],
        register=lambda raw: add_UserDataServiceServicer_to_server(servicer, raw),
    )
    async with serving(server) as channel:
        stub = UserDataServiceStub(channel)
        parts = [part async for part in stub.ExportUser(pb.ExportUserRequest(), **_as(user_id))]
        assert [(one.file_name, one.row_count) for one in parts[-1].end.files] == [("devices.jsonl", 2), ("contributions.jsonl", 4)]
        erased = await stub.EraseUser(pb.EraseUserRequest(validate_only=True), **_as(user_id))
        assert {one.table: one.row_count for one in erased.tables} == {"devices": 2, "contributions": 4}
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.EraseUser(pb.EraseUserRequest(), timeout=5)
        assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED
        erased = await stub.EraseUser(pb.EraseUserRequest(), **_as(uuid_utils.compat.uuid7()))
        assert {one.row_count for one in erased.tables} == {0}
        again = [pb.RestoreUserRequest(**{part.WhichOneof("payload"): getattr(part, part.WhichOneof("payload"))}) for part in parts[:-1]]
        again.append(pb.RestoreUserRequest(end=pb.RestoreUserEnd(file_count=2)))
        restored = await stub.RestoreUser(again, **_as(uuid_utils.compat.uuid7()))
        assert [(one.table, one.restored_count) for one in restored.tables] == [("devices", 2), ("contributions", 4)]


def _as(user_id: UUID) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {mint_token(SECRET, user_id=user_id)}"),), "timeout": 30}
