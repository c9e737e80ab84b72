"""Runs the open round: devices come and go, stages begin and end, and of what they sent one version is made, or none."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from services.federation.cohort import Availability, asked_for
from services.federation.domain import (
    MAX_UPDATE_BYTES,
    Contribution,
    DeviceIdentity,
    FederatedVersion,
    Round,
    RoundStage,
    RoundState,
    round_open,
    round_over,
    stage_over,
    standby,
    version_mismatch,
)
from services.federation.ending import charged_noise
from services.federation.members import Group, Member
from services.federation.metrics import ACTIVE, ROUNDS
from services.federation.protocols import LiveRound, Ordered, PrivacyLedger, RoundsRepository
from services.federation.running import Runner
from services.federation.secagg import Advert, EncryptedShare, UnmaskShare
from services.federation.stages import OpenRound
from services.federation.sums import MaskedSums
from services.federation.views import Assignment, RoundView, UpdateHeader, Wait, WaitReason
from services.kit.errors import DeadlineExceeded, InvalidArgument, invalid

log = structlog.get_logger()

RESTARTED = "COORDINATOR_RESTARTED"
_STOPPED = "The coordinator was stopped, or lost its place, while the round was open."
_MAX_CHUNK_BYTES = 1024 * 1024
_UPLOAD_S = 120.0
_KEPT_ROUNDS = 16
"""Of those that ended last: their devices may still ask how."""


class Patience(Protocol):
    """How patient the coordinator is (`RoundSettings`)."""

    silence_s: float
    check_in_s: float
    available_s: float


class RoundEngine:
    """`Engine`, and what devices ask. One round at a time."""

    def __init__(
        self,
        rounds: RoundsRepository,
        ledger: PrivacyLedger,
        runner: Runner,
        patience: Patience,
        *,
        usual_noise: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`usual_noise`: the noise multiplier of rounds about which nobody says anything else; who cannot spend that is not available."""
        self._rounds = rounds
        self._ledger = ledger
        self._runner = runner
        self._patience = patience
        self._usual_noise = usual_noise
        self._clock = clock
        self._availability = Availability(patience.available_s, clock)
        self._active = False
        self._closing = False
        self._open: OpenRound | None = None
        self._running: asyncio.Task[None] | None = None
        self._ended: dict[UUID, OpenRound] = {}

    # The life of the coordinator.

    @property
    def active(self) -> bool:
        """See `Engine`."""
        return self._active

    async def activate(self) -> None:
        """This coordinator runs rounds from now on; what another has left open is closed. Raises ScaleError while that cannot be done."""
        for left in await self._rounds.close_open(RESTARTED, _STOPPED):
            log.warning("a round was left open; it is closed", round_id=str(left.id), number=left.number)
            ROUNDS.labels(RoundState.FAILED.value, RESTARTED).inc()
        self._active = True
        ACTIVE.set(1)

    async def deactivate(self) -> None:
        """It no longer does: its round is over, and what becomes of the record is for the next one to say."""
        self._active = False
        ACTIVE.set(0)
        if self._open is not None:
            self._open.give_up(RoundState.FAILED, RESTARTED, _STOPPED)
        if self._running is not None:
            await asyncio.wait([self._running])

    async def close(self) -> None:
        """Ends the open round, on record, and opens no other. Harmless to repeat."""
        self._closing = True
        if self._open is not None:
            self._open.give_up(RoundState.FAILED, RESTARTED, _STOPPED)
        if self._running is not None:
            await asyncio.wait([self._running])

    # What administrators ask.

    @property
    def available_count(self) -> int:
        """See `Engine`."""
        return self._availability.count

    async def start(self, opened: Round, base: FederatedVersion, ordered: Ordered) -> None:
        """See `Engine`. Raises Unavailable on a coordinator that stands by, AlreadyExists while another round is open here."""
        self._check_active()
        if self._open is not None:
            raise round_open(self._open.record.id)
        self._open = OpenRound(
            opened,
            base,
            ordered,
            most=0 if ordered.silos else asked_for(ordered.target_count),
            available=self._availability.asking_count,
            silence_s=self._patience.silence_s,
            clock=self._clock,
        )
        log.info("round opened", round_id=str(opened.id), number=opened.number, version=base.version)
        self._running = asyncio.create_task(self._run(self._open))

    def live(self, round_id: UUID) -> LiveRound | None:
        """See `Engine`."""
        return self._open.live if self._open is not None and self._open.record.id == round_id else None

    async def abort(self, round_id: UUID) -> bool:
        """See `Engine`."""
        if self._open is None or self._open.record.id != round_id:
            return False
        self._open.give_up(RoundState.ABORTED, "", "Somebody gave it up.")
        if self._running is not None:
            await asyncio.wait([self._running])
        return True

    async def wait_ended(self, round_id: UUID, seconds: float) -> None:
        """See `Engine`."""
        if self._open is not None and self._open.record.id == round_id:
            await self._open.wait_over(seconds)

    def forget(self, user_id: UUID, device_id: UUID) -> None:
        """A device is shut out: it leaves the open round, and is not waited for in the next one."""
        self._availability.forget(user_id)
        if self._open is not None:
            self._open.leave(device_id)

    # What devices ask.

    async def check_in(self, device: DeviceIdentity, *, encoder_hash: str) -> Assignment | Wait:
        """Asks for work. Raises Unavailable on a coordinator that stands by."""
        self._check_active()
        found = self._open
        noise = charged_noise(found.record.plan) if found is not None else self._usual_noise
        known = found is not None and device.device_id in found.members
        if not known and await self._ledger.would_exceed(device, noise):
            self._availability.note(device, spent=True)
            if found is not None:
                found.turn_away(device)
            return Wait(self._patience.check_in_s, WaitReason.BUDGET_SPENT)
        self._availability.note(device)
        found = self._open  # it may have ended while the ledger was asked
        if found is None:
            return Wait(self._patience.check_in_s, WaitReason.NO_ROUND)
        if found.join(device) is None:
            return Wait(self._patience.check_in_s, WaitReason.NOT_SELECTED)
        return Assignment(found.record.id, found.base, found.record.plan, found.at(found.train_deadline))

    async def poll(self, device: DeviceIdentity, round_id: UUID, *, known: RoundStage | None, wait_s: float) -> RoundView:
        """Where the round stands, as soon as its stage is another than `known`."""
        return await self._find(round_id, ended=True).view(device, known, wait_s)

    async def heartbeat(self, device: DeviceIdentity, round_id: UUID) -> RoundState:
        """Still at work."""
        found = self._find(round_id, ended=True)
        found.member(device)
        return found.state

    async def advertise(self, device: DeviceIdentity, round_id: UUID, advert: Advert) -> None:
        """The device's keys."""
        parts = (advert.device_id.bytes, advert.identity_key, advert.cipher_key, advert.mask_key, advert.signature)
        await self._do(
            device,
            round_id,
            RoundStage.ADVERTISING,
            _digest(*parts),
            lambda member, sums: sums.add_advert(device.device_id, device.public_key, advert),
        )

    async def share(self, device: DeviceIdentity, round_id: UUID, shares: Sequence[EncryptedShare]) -> None:
        """For its neighbours."""
        parts = [part for share in shares for part in (share.from_device_id.bytes, share.to_device_id.bytes, share.ciphertext)]
        await self._do(
            device, round_id, RoundStage.SHARING, _digest(*parts), lambda member, sums: sums.add_shares(device.device_id, shares)
        )

    async def confirm(self, device: DeviceIdentity, round_id: UUID, signature: bytes) -> None:
        """Its word on who has contributed."""
        await self._do(
            device,
            round_id,
            RoundStage.CONFIRMING,
            _digest(signature),
            lambda member, sums: sums.add_confirmation(device.device_id, signature),
        )

    async def unmask(self, device: DeviceIdentity, round_id: UUID, shares: Sequence[UnmaskShare]) -> None:
        """What takes the masks off."""
        parts = [part for share in shares for part in (share.device_id.bytes, share.kind.value.encode(), share.value)]
        await self._do(
            device, round_id, RoundStage.UNMASKING, _digest(*parts), lambda member, sums: sums.add_unmask(device.device_id, shares)
        )

    async def upload(self, device: DeviceIdentity, header: UpdateHeader, chunks: AsyncIterator[bytes]) -> int:
        """The update; returns how many bytes of it came. What it costs is charged before it counts, and once. Raises ResourceExhausted with
        reason BUDGET_SPENT."""
        found = self._find(header.round_id)
        member = found.member(device)
        if header.model_version != found.record.base_version:
            raise version_mismatch(header.model_version, found.record.base_version)
        if not 0 < header.size_bytes <= MAX_UPDATE_BYTES:
            raise invalid("header.size_bytes", f"{header.size_bytes} bytes; an update has at most {MAX_UPDATE_BYTES}")
        if member.group is not None:
            _check_size(member.group, header)
        elif found.record.plan.secure_aggregation is not None:
            raise stage_over(RoundStage.UPLOADING)
        with member.uploading():
            await self._take(found, device, header, await _read(header, chunks))
        return header.size_bytes

    async def _take(self, found: OpenRound, device: DeviceIdentity, header: UpdateHeader, payload: bytes) -> None:
        async def take(member: Member) -> None:
            group = member.group
            if group is None:
                raise round_over(header.round_id)
            _check_size(group, header)
            noise = charged_noise(found.record.plan)
            found.paid = True  # also where the answer is lost, or comes too late for the sum
            await self._ledger.charge(device, Contribution(header.round_id, header.model_version, noise, len(payload)))
            found.check_stage(member, RoundStage.UPLOADING)
            group.sums.add(device.device_id, member.node_id, header, payload)

        await found.do(device, RoundStage.UPLOADING, _digest(bytes.fromhex(header.content_hash), header.encoding.value.encode()), take)

    def received(self, round_id: UUID, size: int) -> None:
        """Bytes of a device's message."""
        if self._open is not None and self._open.record.id == round_id:
            self._open.received(size)

    async def _do(
        self, device: DeviceIdentity, round_id: UUID, stage: RoundStage, digest: bytes, add: Callable[[Member, MaskedSums], None]
    ) -> None:
        async def take(member: Member) -> None:
            sums = member.group.sums if member.group is not None else None
            if not isinstance(sums, MaskedSums):
                raise InvalidArgument("Updates of this round are not masked.", reason="NOT_MASKED")
            add(member, sums)

        await self._find(round_id).do(device, stage, digest, take)

    def _find(self, round_id: UUID, *, ended: bool = False) -> OpenRound:
        self._check_active()
        if self._open is not None and self._open.record.id == round_id:
            return self._open
        if ended and round_id in self._ended:
            return self._ended[round_id]
        raise round_over(round_id)

    def _check_active(self) -> None:
        if not self._active or self._closing:
            raise standby()

    async def _run(self, found: OpenRound) -> None:
        try:
            ended = await self._runner.run(found, lambda: self._active)
        finally:
            self._open = None
            self._ended[found.record.id] = found
            while len(self._ended) > _KEPT_ROUNDS:
                del self._ended[next(iter(self._ended))]
        found.finish(ended.state, ended.reason)
        await self._runner.hand_on(found, ended)


def _digest(*parts: bytes) -> bytes:
    """Of what a device said; lengths keep parts apart."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.digest()


def _check_size(group: Group, header: UpdateHeader) -> None:
    """Before anything of it is kept: a device must not fill the memory with what no round takes."""
    wanted = group.sums.size_of(header)
    if header.size_bytes != wanted:
        raise invalid("header.size_bytes", f"{header.size_bytes} bytes; updates of this round have {wanted}")


async def _read(header: UpdateHeader, chunks: AsyncIterator[bytes]) -> bytes:
    """The whole, as announced. Raises InvalidArgument for anything else, DeadlineExceeded for what does not come to an end."""
    payload = bytearray()
    try:
        async with asyncio.timeout(_UPLOAD_S):
            async for chunk in chunks:
                if len(chunk) > _MAX_CHUNK_BYTES:
                    raise invalid("chunk", f"has {len(chunk)} bytes; at most {_MAX_CHUNK_BYTES} are allowed")
                payload += chunk
                if len(payload) > header.size_bytes:
                    raise invalid("chunk", f"more came than the {header.size_bytes} bytes that were announced")
    except TimeoutError:
        raise DeadlineExceeded(f"The update has not come within {_UPLOAD_S:.0f} s.", reason="UPLOAD_TOO_SLOW") from None
    if len(payload) != header.size_bytes:
        raise invalid("chunk", f"{len(payload)} bytes came of {header.size_bytes}")
    if not hmac.compare_digest(hashlib.sha256(payload).hexdigest(), header.content_hash):
        raise InvalidArgument("The update is not what its hash says; send it again.", reason="CONTENT_HASH_MISMATCH")
    return bytes(payload)
