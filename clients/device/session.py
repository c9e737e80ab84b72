"""One round on the device, from the assignment to its end: train, then the five stages of docs/secure-aggregation.md by long polling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.device import messages
from clients.device.files import write_private
from clients.device.ledger_export import LabelledRow
from clients.device.model_cache import ModelCache
from clients.device.outcome import Done, Outcome
from clients.device.pins import PinsFile
from clients.device.policy import LEAST_DEVICES, Policy
from clients.device.problem import CoordinatorRefused, DeviceProblem, PolicyRefused
from clients.device.protection import Protected, Protection
from clients.device.trainer import Parts, Trained, Trainer
from clients.device.transport import Coordinator
from models.federated.ledger import AlreadyCharged, BudgetSpent, LedgerDamaged, PrivacyLedgerFile
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2
from services.federation.secagg import DeviceSession, Parameters, Refused

HEARTBEAT_S = 3.0
_LONGEST_STAGE_S = 3600
_GONE_S = 30
"""So long it says nothing that has no part in a round any more: nobody shall wait for it."""
_LEFT_OUT = ("ROUND_OVER", "STAGE_OVER", "STAGE_DONE", "NOT_SELECTED", "VERSION_MISMATCH", "DEVICE_REVOKED")
_NAMES = {
    round_pb2.ROUND_STAGE_ADVERTISING: "advertising",
    round_pb2.ROUND_STAGE_SHARING: "sharing",
    round_pb2.ROUND_STAGE_UPLOADING: "uploading",
    round_pb2.ROUND_STAGE_CONFIRMING: "confirming",
    round_pb2.ROUND_STAGE_UNMASKING: "unmasking",
}

Stop = Callable[[str], Awaitable[None]]
"""Called with the name of each stage before the device does its part; what it raises ends the session at once, as a dead battery would."""


class LeftOut(Exception):
    """The round goes on, or is over, without this device."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Over(Exception):
    """The round has ended before the device was through."""

    def __init__(self, found: pb.PollRoundResponse) -> None:
        super().__init__(found.reason)
        self.found = found


class Begun:
    """The round that was begun last, on disk before anything of it is said: another process has other keys and must not go on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def holds(self, round_id: UUID) -> bool:
        """Whether it is this one."""
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            return bool(json.loads(self._path.read_text(encoding="utf-8"))["round_id"] == str(round_id))
        return False

    def write(self, round_id: UUID) -> None:
        """Before the device advertises its keys."""
        write_private(self._path, json.dumps({"round_id": str(round_id)}).encode())


class RoundSession:
    """For one assignment, once."""

    def __init__(
        self,
        coordinator: Coordinator,
        assignment: pb.Assignment,
        *,
        device_id: UUID,
        key: Ed25519PrivateKey,
        policy: Policy,
        pins: PinsFile,
        ledger: PrivacyLedgerFile,
        begun: Begun,
        models: ModelCache,
        rows: Callable[[], Sequence[LabelledRow]],
        trainer: Trainer,
        protection: Protection,
        executor: Executor | None = None,
        before: Stop | None = None,
    ) -> None:
        self._coordinator = coordinator
        self._assignment = assignment
        self._plan = assignment.plan
        self._device_id = device_id
        self._key = key
        self._policy = policy
        self._pins = pins
        self._ledger = ledger
        self._begun = begun
        self._models = models
        self._rows = rows
        self._trainer = trainer
        self._protection = protection
        self._executor = executor
        self._before = before
        self._trained: Trained | None = None

    async def take_part(self) -> Outcome:
        """To the end of the round, or of the device's part in it. Raises DeviceProblem, and CoordinatorRefused for the rest."""
        try:
            round_id = UUID(self._assignment.round_id)
            self._policy.check(self._assignment)
            self._check_budget()
            if self._begun.holds(round_id):
                return self._outcome(Done.LEFT_OUT, "BEGUN_BEFORE", "An earlier process of this device was in this round.", retry=_GONE_S)
            alive = asyncio.create_task(self._stay_alive(round_id))
            try:
                ended = await self._through(round_id)
            finally:
                alive.cancel()
                with suppress(asyncio.CancelledError):
                    await alive
                self._pins.save()
        except PolicyRefused as error:
            done = Done.BUDGET_SPENT if error.reason == "BUDGET_SPENT" else Done.REFUSED
            return self._outcome(done, error.reason, str(error), retry=_GONE_S)
        except Refused as error:
            return self._outcome(Done.REFUSED, error.reason, str(error), retry=_GONE_S)
        except LeftOut as error:
            return self._outcome(Done.LEFT_OUT, error.reason, str(error), retry=_GONE_S)
        except _Over as error:
            if error.found.state == round_pb2.ROUND_STATE_PUBLISHED:
                return self._outcome(Done.LEFT_OUT, "STAGE_OVER", "The round ended without this device.")
            return self._failed(error.found)
        except CoordinatorRefused as error:
            if error.reason == "BUDGET_SPENT":
                return self._outcome(Done.BUDGET_SPENT, error.reason, str(error), retry=_GONE_S)
            if error.reason not in _LEFT_OUT:
                raise
            return self._outcome(Done.LEFT_OUT, error.reason, str(error), retry=1)
        if ended.state == round_pb2.ROUND_STATE_PUBLISHED:
            return self._outcome(Done.PUBLISHED)
        return self._failed(ended)

    async def _through(self, round_id: UUID) -> pb.PollRoundResponse:
        protected = await self._train()
        # Others may still be looked for.
        if (found := await self._poll_past(round_id, round_pb2.ROUND_STAGE_SELECTING)).state != round_pb2.ROUND_STATE_OPEN:
            raise _Over(found)
        if not self._plan.HasField("secure_aggregation"):
            await self._reach("uploading")
            self._begun.write(round_id)
            await self._upload(round_id, protected, protected.plain(), protected.plain_encoding)
            return await self._end(round_id, round_pb2.ROUND_STAGE_UPLOADING)
        secure = self._plan.secure_aggregation
        parameters = Parameters(
            round_id=round_id,
            word_bits=secure.word_bits,
            length=self._plan.update_length + 1,
            complete_graph_limit=secure.complete_graph_limit,
            neighbor_count=secure.neighbor_count,
            # The device's own word: the noise that was promised is there when so many have added to it.
            least_contributors=max(LEAST_DEVICES, self._plan.privacy.noise_contributor_count),
            terms=messages.terms(self._assignment),
        )
        session = DeviceSession(parameters, self._device_id, self._key, self._pins)
        await self._reach("advertising")
        self._begun.write(round_id)
        await self._coordinator.advertise(round_id, messages.advert_message(session.advertise()))

        found = await self._stage(round_id, round_pb2.ROUND_STAGE_ADVERTISING, round_pb2.ROUND_STAGE_SHARING)
        shares = session.share([messages.advert(one) for one in found.adverts], found.threshold)
        await self._coordinator.share(round_id, [messages.shares_message(one) for one in shares])

        found = await self._stage(round_id, round_pb2.ROUND_STAGE_SHARING, round_pb2.ROUND_STAGE_UPLOADING)
        masked = session.mask([messages.shares(one) for one in found.shares], protected.words(secure.word_bits))
        await self._upload(round_id, protected, masked, pb.UPDATE_ENCODING_MASKED)

        found = await self._stage(round_id, round_pb2.ROUND_STAGE_UPLOADING, round_pb2.ROUND_STAGE_CONFIRMING)
        signature = session.confirm([messages.device_id(text) for text in found.contributor_ids])
        await self._coordinator.confirm(round_id, signature)

        found = await self._stage(round_id, round_pb2.ROUND_STAGE_CONFIRMING, round_pb2.ROUND_STAGE_UNMASKING)
        unmasking = session.unmask({messages.device_id(one.device_id): one.signature for one in found.confirmations})
        await self._coordinator.unmask(round_id, [messages.unmask_message(one) for one in unmasking])
        return await self._end(round_id, round_pb2.ROUND_STAGE_UNMASKING)

    def _check_budget(self) -> None:
        """Raises PolicyRefused: checked again, and charged, when the update is about to leave."""
        if self._plan.HasField("privacy") and self._ledger.would_exceed(self._plan.privacy.noise_multiplier):
            raise PolicyRefused("BUDGET_SPENT", f"one more round would cost more than an epsilon of {self._policy.budget_epsilon}")

    async def _train(self) -> Protected:
        parts = {part.name: part for part in self._assignment.model_parts}
        version = self._assignment.model_version
        encoder = await self._models.fetch(self._coordinator, version, parts["encoder"])
        head = await self._models.fetch(self._coordinator, version, parts["head"])
        loop = asyncio.get_running_loop()

        def work() -> tuple[Trained, Protected]:
            rows = self._rows()
            if not rows:
                raise DeviceProblem("There is no labelled transaction to train on.")
            trained = self._trainer.train(Parts(encoder, parts["encoder"].content_hash, head), rows, self._plan)
            return trained, self._protection.protect(trained, self._plan)

        self._trained, protected = await loop.run_in_executor(self._executor, work)
        return protected

    async def _upload(self, round_id: UUID, protected: Protected, payload: bytes, encoding: pb.UpdateEncoding) -> None:
        if self._plan.HasField("privacy"):
            self._charge(round_id, protected)
        told = protected.weight if self._plan.weight_cap and encoding != pb.UPDATE_ENCODING_MASKED else 0
        header = messages.header(round_id, self._assignment.model_version, payload, encoding, told)
        await self._coordinator.upload(header, payload)

    def _charge(self, round_id: UUID, protected: Protected) -> None:
        """Before the first byte leaves, so that a killed process has not spent what nobody has counted."""
        steps = self._trained.example_steps if self._trained else ()
        try:
            self._ledger.charge(round_id, protected.noise_multiplier, steps)
        except BudgetSpent as error:
            raise PolicyRefused("BUDGET_SPENT", f"{error}") from error
        except AlreadyCharged as error:
            raise LeftOut("BEGUN_BEFORE", f"{error}") from error
        except (LedgerDamaged, OSError) as error:
            raise DeviceProblem(f"Nothing is uploaded that cannot be written down: {error}") from error

    async def _stage(self, round_id: UUID, known: round_pb2.RoundStage, wanted: round_pb2.RoundStage) -> pb.PollRoundResponse:
        """What the coordinator says of the stage after `known`. Raises LeftOut."""
        found = await self._poll_past(round_id, known)
        if found.state != round_pb2.ROUND_STATE_OPEN:
            raise _Over(found)
        if found.stage != wanted:
            raise LeftOut("STAGE_OVER", f"The round is {_NAMES.get(found.stage, 'elsewhere')} already.")
        await self._reach(_NAMES[wanted])
        return found

    async def _end(self, round_id: UUID, known: round_pb2.RoundStage) -> pb.PollRoundResponse:
        """How the round ended."""
        while (found := await self._poll_past(round_id, known)).state == round_pb2.ROUND_STATE_OPEN:
            known = found.stage
        return found

    async def _poll_past(self, round_id: UUID, known: round_pb2.RoundStage) -> pb.PollRoundResponse:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            found = await self._coordinator.poll(round_id, known)
            if found.state != round_pb2.ROUND_STATE_OPEN or found.stage != known:
                return found
            if loop.time() - began > _LONGEST_STAGE_S:
                raise LeftOut("ROUND_STUCK", "The coordinator has let a stage stand still for an hour.")

    async def _reach(self, stage: str) -> None:
        if self._before is not None:
            await self._before(stage)

    async def _stay_alive(self, round_id: UUID) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            with suppress(CoordinatorRefused):  # what matters is said to the stages themselves
                await self._coordinator.heartbeat(round_id)

    def _failed(self, ended: pb.PollRoundResponse) -> Outcome:
        why = ended.reason or "somebody gave it up"
        return self._outcome(Done.FAILED, ended.reason or "ABORTED", f"The round made no model: {why}.")

    def _outcome(self, done: Done, reason: str = "", message: str = "", *, retry: int = 0) -> Outcome:
        trained = self._trained
        return Outcome(
            done,
            reason,
            message,
            retry_after_seconds=retry,
            round_id=self._assignment.round_id,
            model_version=self._assignment.model_version,
            example_count=trained.example_count if trained else 0,
            bytes_up=self._coordinator.sent_bytes,
            loss=trained.loss if trained else 0.0,
            epsilon=self._ledger.epsilon,
            example_epsilon=trained.example_epsilon if trained else 0.0,
        )
