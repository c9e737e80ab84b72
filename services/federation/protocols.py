"""What the rules of federated learning ask of the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.federation.domain import (
    Contribution,
    DeviceIdentity,
    FederatedVersion,
    NewVersion,
    Round,
    RoundOptions,
    RoundPlan,
    RoundStage,
    Trigger,
)

Floats = NDArray[np.float32]


class RoundsRepository(Protocol):
    """Rounds. Each is one transaction when it opens and one when it ends."""

    async def open(
        self,
        round_id: UUID,
        *,
        request_id: str,
        request_hash: bytes,
        base_version: int,
        plan: RoundPlan,
        options: RoundOptions,
        trigger: Trigger,
    ) -> Round:
        """The new round, or the earlier one of that request. Raises AlreadyExists: ROUND_OPEN, REQUEST_ID_REUSED; Aborted with reason
        BASE_REPLACED where there is a newer version."""

    async def find(self, request_id: str, request_hash: bytes) -> Round | None:
        """The round of a request. Raises AlreadyExists with reason REQUEST_ID_REUSED."""

    async def get(self, round_id: UUID) -> Round | None:
        """One."""

    async def get_open(self) -> Round | None:
        """The open one."""

    async def list_rounds(self, *, limit: int, below: int | None) -> Sequence[Round]:
        """The newest first, with smaller numbers than `below`."""

    async def unpublished(self) -> Sequence[RoundPlan]:
        """Of all rounds without a model that devices have paid for."""

    async def publish(self, ended: Round, new: NewVersion) -> None:
        """The round's end and its version, both or neither. Raises Aborted where the round is not open any more."""

    async def close(self, ended: Round) -> None:
        """The end of a round without a model. Raises Aborted where it is not open any more."""

    async def close_open(self, reason: str, message: str) -> Sequence[Round]:
        """Fails what a coordinator that died has left open."""


class VersionsRepository(Protocol):
    """Versions of the model: added, never changed."""

    async def latest(self) -> FederatedVersion | None:
        """The newest."""

    async def get(self, version: int) -> FederatedVersion | None:
        """One."""

    async def head(self, version: int) -> bytes:
        """Its head, as `models.federated.head` writes it. Raises NotFound."""

    async def list_versions(self, *, limit: int, below: int | None) -> Sequence[FederatedVersion]:
        """The newest first."""

    async def add(self, new: NewVersion) -> FederatedVersion:
        """One that no round made. Raises Aborted where that number is taken."""

    async def name_in_registry(self, version: int, registry_version: str) -> None:
        """Once it is there."""


class Versions(Protocol):
    """The model as rounds need it (`versions/`)."""

    async def latest(self) -> FederatedVersion:
        """The newest; the first one is made of what answers everybody when there is none yet."""

    async def head(self, version: int) -> bytes:
        """Its head."""

    async def published(self, version: FederatedVersion, *, promote: bool) -> None:
        """After the commit: hands it to the registry, and lets it answer if `promote`. What fails is done again later; raises nothing."""


class Gate(Protocol):
    """Judges heads on rows held out (`predictor.py`)."""

    async def accuracy(self, head: Floats) -> float:
        """The share of rows held out that the model with this head answers right. `head`: [update_length]."""


class PrivacyLedger(Protocol):
    """What each device has spent (`devices/`)."""

    async def would_exceed(self, device: DeviceIdentity, noise_multiplier: float) -> bool:
        """Whether one more round with that noise is more than the device's budget, without amplification."""

    async def charge(self, device: DeviceIdentity, contribution: Contribution) -> None:
        """Once for each round, at once in the database. Raises ResourceExhausted with reason BUDGET_SPENT, Unauthenticated for a device
        that was revoked."""


class HeadCodec(Protocol):
    """The trained part of the model between its file and its numbers (`models.federated.head`)."""

    def vector(self, head: bytes) -> Floats:
        """Its numbers: [update_length]."""

    def with_vector(self, head: bytes, vector: Floats) -> bytes:
        """The same file with other numbers."""


class SilosTrained(Protocol):
    """What came of a round with silos (`silos.py`)."""

    @property
    def update(self) -> Floats:
        """[update_length], as the strategy made it of all."""

    @property
    def asked_count(self) -> int:
        """Silos that were there."""

    @property
    def contributor_count(self) -> int:
        """Silos that trained."""

    @property
    def bytes_up(self) -> int:
        """Received from them."""


class SiloRounds(Protocol):
    """Rounds with organisations instead of devices (`silos.py`)."""

    async def train(
        self, round_id: UUID, base: FederatedVersion, head: bytes, vector: Floats, plan: RoundPlan, *, timeout_s: float
    ) -> SilosTrained:
        """Has all silos that are there train from a head, whose numbers are `vector` [update_length]. Raises GivenUp below ten of them,
        Unavailable."""


class LiveRound(NamedTuple):
    """What only the coordinator that runs a round knows of it."""

    stage: RoundStage
    selected_count: int
    contributor_count: int
    dropped_count: int
    bytes_up: int


class RoundTimes(NamedTuple):
    """How long a round's stages may take, in seconds."""

    selection_s: float
    training_s: float
    stage_s: float


class Ordered(NamedTuple):
    """What a round is made by, beside its plan."""

    target_count: int
    group_count: int
    times: RoundTimes
    server_learning_rate: float
    promote: bool
    silos: bool = False


class Engine(Protocol):
    """Runs the open round (`rounds.py`)."""

    @property
    def active(self) -> bool:
        """Whether this coordinator is the one that runs rounds."""

    @property
    def available_count(self) -> int:
        """Devices that have asked for work lately and may have it."""

    async def start(self, opened: Round, base: FederatedVersion, ordered: Ordered) -> None:
        """Lets a round go on by itself, from its record to its end."""

    def live(self, round_id: UUID) -> LiveRound | None:
        """What it knows of a round; None for one that is not open here."""

    async def abort(self, round_id: UUID) -> bool:
        """Gives the round up and waits for its end; False where it is not open here."""

    async def wait_ended(self, round_id: UUID, seconds: float) -> None:
        """Returns when the round is not open here any more, or after that time."""
