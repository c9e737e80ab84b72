"""The files of a version: the same bytes for ever behind its address, read once, looked at, and not handed out when they are damaged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from models.federated.head import Head
from services.federation.domain import FederatedVersion
from services.federation.versions.domain import ENCODER, HEAD, LINKS_PURPOSE, Part
from services.federation.versions.parts import MODELS_PATH, ModelParts
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from services.kit.signed_links import SignedLinks
from services.local import LocalSystem
from tests.federation.versions.conftest import KEY, Line


async def followed(line: Line, found: FederatedVersion, place: int, **changes: object) -> Part:
    """What is behind an address of encoder (0) or head (1)."""
    address = line.parts.addresses(found)[place]
    parts = urlsplit(address.url)
    query = parse_qs(parts.query)
    number, name = parts.path.removeprefix(MODELS_PATH).split("/")
    asked = {"version": int(number), "name": name, "expires": int(query["expires"][0]), "signature": query["signature"][0]}
    return await line.parts.read_signed(**{**asked, **changes})  # type: ignore[arg-type]


@pytest.mark.requirement("FED-02", "FED-16")
async def test_an_address_names_the_version_and_goes_on_to_give_its_bytes(line: Line) -> None:
    """FED-16, FED-02."""
    two = await line.publish()
    encoder, head = line.parts.addresses(two)
    assert urlsplit(encoder.url).path == "/api/v1/federation/models/2/encoder"
    assert urlsplit(head.url).path == "/api/v1/federation/models/2/head"
    assert (encoder.content_hash, encoder.size_bytes) == (two.encoder_hash, two.encoder_size_bytes)
    assert (head.content_hash, head.size_bytes) == (two.head_hash, two.head_size_bytes)
    assert abs(head.expires_at.timestamp() - two.created_at.timestamp() - 900) < 60
    before = await followed(line, two, 1)
    assert before == Part(await line.service.head(2), two.head_hash)
    await line.publish(step=0.5)
    await line.service.roll_back(1)
    assert await followed(line, two, 1) == before
    assert (await followed(line, two, 0)).content_hash == two.encoder_hash
    assert Head.load(before.content).length == Head.load(await line.service.head(4)).length


@pytest.mark.requirement("FED-02")
async def test_addresses_that_were_not_handed_out(line: Line) -> None:
    two = await line.publish()
    for changes in ({"version": 1}, {"name": ENCODER}, {"expires": 2**40}, {"signature": "x"}, {"name": "../2/head"}):
        with pytest.raises(PermissionDenied) as caught:
            await followed(line, two, 1, **changes)
        assert caught.value.reason == "SIGNATURE_INVALID", changes
    expires, old = SignedLinks([KEY], purpose=LINKS_PURPOSE, lifetime_s=-1).sign("2/head")
    with pytest.raises(PermissionDenied) as caught:
        await followed(line, two, 1, expires=expires, signature=old)
    assert caught.value.reason == "SIGNATURE_EXPIRED"
    # Signed with the same key for something else.
    expires, other = SignedLinks([KEY], purpose="artifact", lifetime_s=900).sign("2/head")
    with pytest.raises(PermissionDenied):
        await followed(line, two, 1, expires=expires, signature=other)


async def test_parts_that_there_are_not(line: Line) -> None:
    await line.service.latest()
    for name in ("", "manifest", "x" * 1000):
        with pytest.raises(InvalidArgument) as caught:
            await line.parts.read(1, name)
        assert [one.field for one in caught.value.fields] == ["name"]
    for version in (0, 2, 2**62):
        with pytest.raises(NotFound):
            await line.parts.read(version, HEAD)


async def test_an_encoder_is_read_once(line: Line) -> None:
    one = await line.service.latest()
    first = await line.parts.read(1, ENCODER)
    (line.folder / f"federation/encoder/{one.encoder_hash}").unlink()
    assert (await line.parts.read(1, ENCODER)).content is first.content
    with pytest.raises(NotFound) as caught:
        await line.again().parts.read(1, ENCODER)
    assert caught.value.reason == "MODEL_PART_GONE"


async def test_a_lost_encoder_is_put_back_where_it_is_the_shipped_one(line: Line) -> None:
    one = await line.service.latest()
    path = line.folder / f"federation/encoder/{one.encoder_hash}"

    def parts(spare: Callable[[], Awaitable[bytes]]) -> ModelParts:
        return ModelParts(line.repository, line.storage, line.links, spare)

    async def another() -> bytes:
        return b"another"

    async def broken() -> bytes:
        raise FailedPrecondition("it cannot be read")

    path.unlink()
    for spare in (another, broken):
        with pytest.raises(NotFound) as caught:
            await parts(spare).read(1, ENCODER)
        assert caught.value.reason == "MODEL_PART_GONE"
    found = await parts(line.categorizers.shipped_encoder).read(1, ENCODER)
    assert found.content_hash == one.encoder_hash
    assert path.read_bytes() == found.content


async def test_what_is_damaged_is_not_handed_out(line: Line, servers: LocalSystem) -> None:
    one = await line.service.latest()
    path = line.folder / f"federation/encoder/{one.encoder_hash}"
    path.chmod(0o600)
    for content in (b"x" * one.encoder_size_bytes, path.read_bytes() + b"x", b""):
        path.write_bytes(content)
        with pytest.raises(NotFound) as caught:
            await line.again().parts.read(1, ENCODER)
        assert caught.value.reason == "MODEL_PART_GONE", len(content)
    connection = await asyncpg.connect(servers.migrator_url)
    await connection.execute("ALTER TABLE federation.model_versions DISABLE TRIGGER keep_version")
    await connection.execute("UPDATE federation.model_versions SET head = 'damaged'")
    await connection.execute("ALTER TABLE federation.model_versions ENABLE TRIGGER keep_version")
    await connection.close()
    with pytest.raises(NotFound) as caught:
        await line.parts.read(1, HEAD)
    assert caught.value.reason == "MODEL_PART_GONE"
