"""What a silo does with a round: the same as a device, but that it adds all of the noise itself, for the coordinator sees its update."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from clients.device.files import private_folder
from clients.device.ledger_export import LabelledRow
from clients.device.policy import LEAST_DEVICES, Policy
from clients.device.problem import DeviceProblem, PolicyRefused
from clients.device.protection import Protection
from clients.device.trainer import HeadTrainer, Parts, Trainer
from models.federated.ledger import AlreadyCharged, BudgetSpent, LedgerDamaged, PrivacyLedgerFile
from scale.federation.v1 import participation_service_pb2 as pb

MODEL = Path(__file__).parents[3] / "models" / "hypcd"
"""The categorizer of this installation, whose encoder it is."""
LEDGER = "privacy-ledger.json"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SiloPolicy(Policy):
    """A device's limits, for one that nobody masks."""

    def check(self, assignment: pb.Assignment) -> None:
        """Raises PolicyRefused for a round that the silo takes no part in, also one whose noise it would have others add."""
        plan = assignment.plan
        if plan.HasField("privacy") and plan.privacy.noise_contributor_count != 1:
            raise PolicyRefused(
                "NOISE_SHARED",
                f"noise of {plan.privacy.noise_contributor_count} silos; a silo's update is seen, so it adds all of it itself",
            )
        if plan.HasField("secure_aggregation"):
            raise PolicyRefused("PLAN_INVALID", "silos are not masked")
        # All else is as it is for devices, which share the noise.
        of_devices = pb.Assignment()
        of_devices.CopyFrom(assignment)
        if plan.HasField("privacy"):
            of_devices.plan.privacy.noise_contributor_count = LEAST_DEVICES
        limits = Policy(
            budget_epsilon=self.budget_epsilon,
            delta=self.delta,
            least_noise_multiplier=self.least_noise_multiplier,
            most_clip_norm=self.most_clip_norm,
            without_secure_aggregation=True,
        )
        limits.check(of_devices)


class Silo:
    """Keeps its privacy ledger in `folder`, which is this silo's alone; `rows` gives what it trains on."""

    def __init__(
        self,
        folder: Path,
        rows: Callable[[], Sequence[LabelledRow]],
        *,
        policy: SiloPolicy | None = None,
        trainer: Trainer | None = None,
        encoder: Callable[[], tuple[bytes, str]] | None = None,
    ) -> None:
        """Of a folder that `create` made. `encoder`: gives its bytes and their SHA-256; default: that of this installation. Raises
        DeviceProblem where nobody knows what the silo has spent."""
        self._rows = rows
        self._policy = policy or SiloPolicy()
        self._trainer = trainer or HeadTrainer()
        self._encoder = encoder or _installed_encoder
        path = private_folder(folder) / LEDGER
        try:
            self._ledger = PrivacyLedgerFile(path, budget_epsilon=self._policy.budget_epsilon, delta=self._policy.delta)
        except LedgerDamaged as error:
            raise DeviceProblem(f"{error}.") from error

    @staticmethod
    def create(folder: Path) -> None:
        """A silo that has spent nothing. Raises DeviceProblem where there is one: it is never begun anew."""
        try:
            PrivacyLedgerFile.create(private_folder(folder) / LEDGER)
        except OSError as error:
            raise DeviceProblem(f"{error}.") from error

    @property
    def spent_epsilon(self) -> float:
        """In the silo's life, without amplification."""
        return self._ledger.epsilon

    def train(self, assignment: bytes, head: bytes) -> Floats:
        """The update [update_length], clipped and noised: it may be seen. The privacy that it costs is on the disk when this returns.

        Raises PolicyRefused, and DeviceProblem where there is nothing to train on.
        """
        asked = self._asked(assignment)
        plan, private = asked.plan, asked.plan.privacy
        self._policy.check(asked)
        if self._ledger.would_exceed(private.noise_multiplier):
            raise PolicyRefused("BUDGET_SPENT", f"one more round would cost more than an epsilon of {self._policy.budget_epsilon}")
        rows = self._rows()
        if not rows:
            raise DeviceProblem("There is no labelled transaction to train on.")
        trained = self._trainer.train(self._parts(asked, head), rows, plan)
        protected = Protection().protect(trained, plan)
        try:
            self._ledger.charge(UUID(asked.round_id), protected.noise_multiplier, trained.example_steps)
        except BudgetSpent as error:
            raise PolicyRefused("BUDGET_SPENT", f"{error}") from error
        except AlreadyCharged as error:
            raise PolicyRefused("BEGUN_BEFORE", f"{error}") from error
        except (LedgerDamaged, OSError) as error:
            raise DeviceProblem(f"Nothing is sent that cannot be written down: {error}") from error
        return (protected.values * protected.step).astype(np.float32)

    def _asked(self, assignment: bytes) -> pb.Assignment:
        try:
            asked = pb.Assignment.FromString(assignment)
            UUID(asked.round_id)
        except (DecodeError, ValueError) as error:
            raise PolicyRefused("MALFORMED", "what came is no assignment of this protocol") from error
        return asked

    def _parts(self, asked: pb.Assignment, head: bytes) -> Parts:
        wanted = {part.name: part.content_hash for part in asked.model_parts}
        if hashlib.sha256(head).hexdigest() != wanted["head"]:
            raise PolicyRefused("MODEL_MISMATCH", f"the head of version {asked.model_version} is not what was announced: its hash differs")
        encoder, encoder_hash = self._encoder()
        if encoder_hash != wanted["encoder"]:
            raise PolicyRefused(
                "MODEL_MISMATCH",
                f"the round has the encoder {wanted['encoder']}, this installation {encoder_hash}: install the same version",
            )
        return Parts(encoder, encoder_hash, head)


def _installed_encoder() -> tuple[bytes, str]:
    from models.artifact import ArtifactError
    from models.federated.head import encoder_bytes

    try:
        return encoder_bytes(MODEL)
    except ArtifactError as error:
        raise DeviceProblem(f"{MODEL} holds no model: {error}") from error
