"""The live model of a registry: taken up, kept while the registry is away, given back; never anything that is damaged."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.kit.errors import ScaleError, Unavailable
from services.kit.live_model import MAX_BYTES, LiveModel, LiveVersion, SignedAddress, read_address

SHIPPED = b"shipped"


@dataclass
class FakeRegistry:
    """`ModelRegistry` with one model, or none."""

    content: bytes | None = None
    error: ScaleError | None = None
    sent: bytes | None = None
    """What comes of it, if not all."""
    size: int | None = None
    reads: int = 0

    async def live(self) -> LiveVersion | None:
        if self.error is not None:
            raise self.error
        if self.content is None:
            return None
        size = self.size if self.size is not None else len(self.content)
        return LiveVersion("1-abc", hashlib.sha256(self.content).hexdigest(), size, "here")

    async def read(self, live: LiveVersion) -> bytes:
        self.reads += 1
        assert self.content is not None
        return self.sent if self.sent is not None else self.content


@dataclass
class FakeAnswers:
    """`Replaceable`: a content is a model, unless it says otherwise."""

    content: bytes = SHIPPED
    full: bool = False

    async def replace(self, content: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        if content.startswith(b"broken"):
            raise ValueError("is broken")
        self.content = content

    async def give_back(self) -> None:
        self.content = SHIPPED


@dataclass
class Bench:
    """What answers, and what looks after it."""

    registry: FakeRegistry = field(default_factory=FakeRegistry)
    answers: FakeAnswers = field(default_factory=FakeAnswers)

    def live(self, **changes: Any) -> LiveModel:
        return LiveModel(self.registry, self.answers, **{"every_s": 3600, **changes})


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_live_model_answers_until_another_one_or_none_is_live(bench: Bench) -> None:
    live = bench.live()
    await live.look()
    assert bench.answers.content == SHIPPED
    bench.registry.content = b"one"
    for _ in range(3):
        await live.look()
    assert (bench.answers.content, bench.registry.reads) == (b"one", 1)
    bench.registry.content = b"two"
    await live.look()
    assert bench.answers.content == b"two"
    bench.registry.content = None
    for _ in range(2):
        await live.look()
    assert bench.answers.content == SHIPPED


async def test_while_the_registry_is_away_what_answers_goes_on(bench: Bench) -> None:
    bench.registry.content = b"one"
    live = bench.live(every_s=0.01)
    await live.start()
    assert bench.answers.content == b"one"
    bench.registry.error = Unavailable("away")
    await asyncio.sleep(0.05)
    assert bench.answers.content == b"one"
    bench.registry.error, bench.registry.content = None, b"two"
    async with asyncio.timeout(5):
        while bench.answers.content != b"two":
            await asyncio.sleep(0.01)
    await live.close()


def cut(bench: Bench) -> None:
    bench.registry.content = b"one"
    bench.registry.sent = bench.registry.content[:-1]


def too_large(bench: Bench) -> None:
    bench.registry.content, bench.registry.size = b"one", MAX_BYTES + 1


def does_not_load(bench: Bench) -> None:
    bench.registry.content = b"broken"


@pytest.mark.parametrize(("spoil", "reads"), [(cut, 3), (too_large, 0), (does_not_load, 1)])
async def test_a_model_that_cannot_be_used_changes_nothing(bench: Bench, spoil: Callable[[Bench], None], reads: int) -> None:
    """What was cut on the way is fetched again; what is broken where it lies is not."""
    live = bench.live()
    spoil(bench)
    for _ in range(3):
        await live.look()
    assert (bench.answers.content, bench.registry.reads) == (SHIPPED, reads)
    bench.registry.content, bench.registry.sent, bench.registry.size = b"two", None, None
    await live.look()
    assert bench.answers.content == b"two"


async def test_without_room_it_is_tried_again(bench: Bench) -> None:
    bench.registry.content = b"one"
    live, bench.answers.full = bench.live(), True
    await live.look()
    bench.answers.full = False
    await live.look()
    assert (bench.answers.content, bench.registry.reads) == (b"one", 2)


async def test_a_start_without_the_registry_goes_on_with_what_was_live(bench: Bench, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for content in (b"one", b"two"):
        bench.registry.content = content
        await bench.live(cache=cache).look()
    assert len(list(cache.iterdir())) == 1
    await bench.answers.give_back()
    assert bench.answers.content == SHIPPED
    bench.registry.error = Unavailable("away")
    started = bench.live(cache=cache)
    await started.start()
    await started.close()
    assert bench.answers.content == b"two"
    # Nor is it fetched again; and what somebody has changed there is not taken.
    bench.registry.error, bench.registry.reads = None, 0
    again = bench.live(cache=cache)
    await again.start()
    await again.close()
    assert bench.registry.reads == 0
    (kept,) = cache.iterdir()
    kept.write_bytes(b"forged")
    bench.registry.error = Unavailable("away")
    await bench.answers.give_back()
    forged = bench.live(cache=cache)
    await forged.start()
    await forged.close()
    assert bench.answers.content == SHIPPED
    # None is live any more.
    bench.registry.error, bench.registry.content = None, b"three"
    last = bench.live(cache=cache)
    await last.look()
    bench.registry.content = None
    await last.look()
    assert list(cache.iterdir()) == []


async def test_a_folder_in_which_nothing_can_be_kept_is_no_failure(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    bench.registry.content = b"one"
    live = bench.live(cache=tmp_path / "file")
    await live.start()
    await live.close()
    assert bench.answers.content == b"one"


def test_the_parts_of_a_signed_address() -> None:
    found = read_address("/api/v1/artifacts/somebody/some%20model/1-abc?expires=17&signature=k.a-_b")
    assert found == SignedAddress("somebody/some model/1-abc", 17, "k.a-_b")


@pytest.mark.parametrize(
    "address",
    ["", "https://bucket/x?signature=1", "/api/v1/artifacts/x?expires=soon&signature=1", "/elsewhere/x?expires=1&signature=1"],
)
def test_an_address_of_another_make_is_none(address: str) -> None:
    with pytest.raises(Unavailable):
        read_address(address)
