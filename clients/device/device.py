"""`DeviceClient`: one device in one folder. It asks for work, trains on its own ledger, and gives what it has learned to a sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from uuid import UUID

import grpc.aio

from clients.device import enrolment as enrolments
from clients.device.download import SignedAddresses
from clients.device.enrolment import Enrolment
from clients.device.files import private_folder
from clients.device.keys import load_or_make_key
from clients.device.ledger_export import LabelledRow
from clients.device.model_cache import ModelCache
from clients.device.outcome import Done, Outcome
from clients.device.pins import PinsFile
from clients.device.policy import Policy
from clients.device.problem import CoordinatorRefused, DeviceProblem, PolicyRefused
from clients.device.protection import Protection
from clients.device.session import Begun, RoundSession, Stop
from clients.device.trainer import HeadTrainer, Trainer
from clients.device.transport import Coordinator, Tls, open_channel
from models.federated.ledger import LedgerDamaged, PrivacyLedgerFile

Rows = Callable[[], Sequence[LabelledRow]]

KEY, ENROLMENT, LEDGER, PINS, BEGUN = "device-key.pem", "device.json", "privacy-ledger.json", "pins.json", "round.json"


class DeviceClient:
    """Keeps key, enrolment, privacy ledger, pins and model in `folder`, which is the device's alone; `rows` gives what it trains on.

    A process may be killed at any point: what was charged stays charged, and the next process joins the next round. `address` is host:port.
    Close it, or use it as a context manager.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        rows: Rows,
        *,
        tls: Tls | None = None,
        policy: Policy | None = None,
        trainer: Trainer | None = None,
        protection: Protection | None = None,
        models_folder: Path | None = None,
        gateway: str | None = None,
        executor: Executor | None = None,
        before: Stop | None = None,
    ) -> None:
        """`models_folder`: shared with other devices of a simulation. `gateway`: where signed addresses of the model's parts lead; without
        it, parts come from the coordinator. `executor`: where training runs. `before`: see `RoundSession`."""
        self._folder = private_folder(folder)
        self._rows = rows
        self._policy = policy or Policy()
        self._trainer = trainer or HeadTrainer()
        self._protection = protection or Protection()
        self._executor = executor
        self._before = before
        is_new = not (self._folder / KEY).exists()
        self._ledger = _ledger(self._folder / LEDGER, self._policy, is_new)
        self._key = load_or_make_key(self._folder / KEY)
        self._models = ModelCache(models_folder or self._folder / "model", SignedAddresses(gateway) if gateway else None)
        self._pins = PinsFile(self._folder / PINS)
        self._begun = Begun(self._folder / BEGUN)
        self._channel: grpc.aio.Channel = open_channel(address, tls)
        self._enrolment = Enrolment.read(self._folder / ENROLMENT)

    @property
    def enrolment(self) -> Enrolment | None:
        """None before `enroll`."""
        return self._enrolment

    @property
    def spent_epsilon(self) -> float:
        """In the device's life, without amplification."""
        return self._ledger.epsilon

    async def enroll(self, token: str, *, display_name: str = "", platform: str = "") -> Enrolment:
        """Binds the device's key to the bearer of `token`. Harmless to repeat. Raises CoordinatorRefused, DeviceProblem."""
        found = await enrolments.enroll(self._channel, self._key, token, display_name=display_name, platform=platform)
        found.write(self._folder / ENROLMENT)
        self._enrolment = found
        return found

    async def run_once(self) -> Outcome:
        """Asks for work, and does it to the end of the round. Raises DeviceProblem for what a person has to put right."""
        enrolled = self._enrolment
        if enrolled is None:
            raise DeviceProblem("This device is not enrolled yet.")
        coordinator = Coordinator(self._channel, self._key, enrolled.credential)
        answer = await coordinator.check_in(self._models.encoder_hash)
        if not answer.HasField("assignment"):
            done = Done.BUDGET_SPENT if answer.wait.reason == "BUDGET_SPENT" else Done.WAIT
            return Outcome(
                done, answer.wait.reason, retry_after_seconds=max(1, answer.wait.retry_after_seconds), epsilon=self.spent_epsilon
            )
        assignment = answer.assignment
        session = RoundSession(
            coordinator,
            assignment,
            device_id=UUID(enrolled.device_id),
            key=self._key,
            policy=self._policy,
            pins=self._pins,
            ledger=self._ledger,
            begun=self._begun,
            models=self._models,
            rows=self._rows,
            trainer=self._trainer,
            protection=self._protection,
            executor=self._executor,
            before=self._before,
        )
        return await session.take_part()

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def __aenter__(self) -> DeviceClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def _ledger(path: Path, policy: Policy, is_new: bool) -> PrivacyLedgerFile:
    """What the device has spent. A device that has a key and no ledger has lost it, and nobody knows what it has spent."""
    try:
        if is_new and not path.exists():
            return PrivacyLedgerFile.create(path, budget_epsilon=policy.budget_epsilon, delta=policy.delta)
        return PrivacyLedgerFile(path, budget_epsilon=policy.budget_epsilon, delta=policy.delta)
    except LedgerDamaged as error:
        raise DeviceProblem(f"{error}.") from error


__all__ = ["CoordinatorRefused", "DeviceClient", "DeviceProblem", "Done", "Outcome", "PolicyRefused"]
