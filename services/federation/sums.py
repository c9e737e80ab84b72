"""What devices have sent, as far as it is kept: running sums under masks, or single updates where nothing is masked (development)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray

from services.federation.domain import LEAST_CONTRIBUTORS, Algorithm, FederatedVersion, RoundPlan, RoundStage, RoundState
from services.federation.grid import Reply
from services.federation.metrics import MISFITS, REFUSED
from services.federation.secagg import Advert, EncryptedShare, GroupAggregation, Parameters, Refused, UnmaskShare, terms_hash
from services.federation.views import RoundView, UpdateEncoding, UpdateHeader
from services.kit.errors import FailedPrecondition, InvalidArgument, invalid

log = structlog.get_logger()

_PLAIN_ENCODINGS = (UpdateEncoding.INT8, UpdateEncoding.FLOAT32)


class Sums(Protocol):
    """Of one group of devices."""

    def size_of(self, header: UpdateHeader) -> int:
        """Bytes that such an update has. Raises InvalidArgument for one that this round does not take."""

    def add(self, device_id: UUID, node_id: int, header: UpdateHeader, payload: bytes) -> None:
        """An update. Raises InvalidArgument for what is none."""

    def view(self, stage: RoundStage, deadline: datetime, device_id: UUID) -> RoundView:
        """What one device needs for a stage."""


def parameters_of(round_id: UUID, base: FederatedVersion, plan: RoundPlan) -> Parameters:
    """Of a round's secure aggregation, as its devices work them out, too."""
    secure, privacy = plan.secure_aggregation, plan.privacy
    assert secure is not None  # nosec B101
    return Parameters(
        round_id=round_id,
        word_bits=secure.word_bits,
        length=plan.update_length + 1,
        complete_graph_limit=secure.complete_graph_limit,
        neighbor_count=secure.neighbor_count,
        least_contributors=max(LEAST_CONTRIBUTORS, privacy.noise_contributor_count if privacy else 0),
        terms=terms_hash(
            model_version=base.version,
            encoder_hash=base.encoder_hash,
            head_hash=base.head_hash,
            epochs=plan.epochs,
            learning_rate=plan.learning_rate,
            batch_size=plan.batch_size,
            proximal_mu=plan.proximal_mu if plan.algorithm is Algorithm.FEDPROX else 0.0,
            weight_cap=plan.weight_cap,
            quantization_scale=secure.quantization_scale,
            clip_norm=privacy.clip_norm if privacy else 0.0,
            noise_multiplier=privacy.noise_multiplier if privacy else 0.0,
            noise_contributor_count=privacy.noise_contributor_count if privacy else 0,
            example_noise_multiplier=privacy.example_noise_multiplier if privacy else 0.0,
            example_clip_norm=privacy.example_clip_norm if privacy else 0.0,
        ),
    )


class MaskedSums:
    """The coordinator's side of secure aggregation for one group. An update is added to the sum as it comes, and forgotten."""

    def __init__(self, parameters: Parameters, plan: RoundPlan, node_id: int) -> None:
        """`node_id`: of the device that stands for the group."""
        assert plan.secure_aggregation is not None  # nosec B101
        self._parameters = parameters
        self._aggregation = GroupAggregation(parameters)
        self._scale = plan.secure_aggregation.quantization_scale
        self._weight_cap = plan.weight_cap
        self._node_id = node_id
        self._adverts: Sequence[Advert] = ()
        self._threshold = 0
        self._shares: dict[UUID, list[EncryptedShare]] = {}
        self._contributor_ids: Sequence[UUID] = ()
        self._confirmations: dict[UUID, bytes] = {}

    def size_of(self, header: UpdateHeader) -> int:
        """See `Sums`."""
        if header.encoding is not UpdateEncoding.MASKED:
            raise invalid("header.encoding", "updates of this round are masked")
        return self._parameters.payload_bytes

    def add(self, device_id: UUID, node_id: int, header: UpdateHeader, payload: bytes) -> None:
        """See `Sums`."""
        _unless_refused(lambda: self._aggregation.add_masked(device_id, payload))

    def add_advert(self, device_id: UUID, identity_key: bytes, advert: Advert) -> None:
        """A device's keys. Raises InvalidArgument where they are not those of this device."""
        if advert.device_id != device_id or advert.identity_key != identity_key:
            raise invalid("advert", "is not of the device that sends it, or not signed with the key that it was enrolled with")
        _unless_refused(lambda: self._aggregation.add_advert(advert))

    def add_shares(self, device_id: UUID, shares: Sequence[EncryptedShare]) -> None:
        """For its neighbours."""
        _unless_refused(lambda: self._aggregation.add_shares(device_id, shares))

    def add_confirmation(self, device_id: UUID, signature: bytes) -> None:
        """Its word on who has contributed."""
        _unless_refused(lambda: self._aggregation.add_confirmation(device_id, signature))

    def add_unmask(self, device_id: UUID, shares: Sequence[UnmaskShare]) -> None:
        """What takes the masks off."""
        _unless_refused(lambda: self._aggregation.add_unmask(device_id, shares))

    def close(self, stage: RoundStage) -> set[UUID] | None:
        """A stage is over: what comes of it is made. Returns the devices that go on, where that is for the protocol to say. Raises TooFew,
        Refused."""
        match stage:
            case RoundStage.ADVERTISING:
                self._adverts, self._threshold = self._aggregation.close_adverts()
            case RoundStage.SHARING:
                self._shares = self._aggregation.close_shares()
                return set(self._shares)
            case RoundStage.UPLOADING:
                self._shares = {}
                self._contributor_ids = self._aggregation.close_masked()
            case RoundStage.CONFIRMING:
                self._confirmations = self._aggregation.close_confirmations()
        return None

    def view(self, stage: RoundStage, deadline: datetime, device_id: UUID) -> RoundView:
        """See `Sums`."""
        state = RoundState.OPEN
        match stage:
            case RoundStage.SHARING:
                return RoundView(state, stage, deadline, adverts=self._adverts, threshold=self._threshold)
            case RoundStage.UPLOADING:
                return RoundView(state, stage, deadline, shares=self._shares.get(device_id, ()))
            case RoundStage.CONFIRMING:
                return RoundView(state, stage, deadline, contributor_ids=self._contributor_ids)
            case RoundStage.UNMASKING:
                return RoundView(state, stage, deadline, confirmations=self._confirmations)
        return RoundView(state, stage, deadline)

    def total(self) -> Reply:
        """The weighted mean, opened. Takes a while with many devices. Raises TooFew, Refused, ValueError for a sum that cannot be."""
        try:
            words, count = self._aggregation.sum(), len(self._contributor_ids)
        finally:
            self._tell_misfits()
        # With privacy every device counts the same, whatever it says of its weight.
        weight = int(words[-1]) if self._weight_cap else count
        if not count <= weight <= count * max(self._weight_cap, 1):
            raise ValueError(f"{count} devices say that they weigh {weight}")
        return Reply(self._node_id, words[:-1].astype(np.float64) * (self._scale / weight), float(weight), count)

    def _tell_misfits(self) -> None:
        for giver, makers in self._aggregation.misfits.items():
            MISFITS.inc(len(makers))
            whose = sorted(map(str, makers))
            log.warning("shares do not fit", round_id=str(self._parameters.round_id), device_id=str(giver), of_devices=whose)


class PlainSums:
    """Single updates, which strategies want that compare them. The coordinator sees them: in development only."""

    def __init__(self, plan: RoundPlan) -> None:
        self._length = plan.update_length
        self._weight_cap = plan.weight_cap
        self._replies: list[Reply] = []

    def size_of(self, header: UpdateHeader) -> int:
        """See `Sums`."""
        if header.encoding not in _PLAIN_ENCODINGS:
            raise invalid("header.encoding", "updates of this round are not masked: INT8 or FLOAT32")
        if self._weight_cap and header.example_count < 1:
            raise invalid("header.example_count", "is needed in a round that weighs devices by it")
        return 4 + self._length if header.encoding is UpdateEncoding.INT8 else 4 * self._length

    def add(self, device_id: UUID, node_id: int, header: UpdateHeader, payload: bytes) -> None:
        """See `Sums`."""
        update = _decoded(header.encoding, payload)
        if not np.isfinite(update).all():
            raise InvalidArgument("Not all numbers of the update are finite.", reason="UPDATE_NOT_FINITE")
        weight = min(header.example_count, self._weight_cap) if self._weight_cap else 1
        self._replies.append(Reply(node_id, update, float(weight), 1))

    def view(self, stage: RoundStage, deadline: datetime, device_id: UUID) -> RoundView:
        """See `Sums`."""
        return RoundView(RoundState.OPEN, stage, deadline)

    @property
    def replies(self) -> list[Reply]:
        """One for each device."""
        return self._replies


def _decoded(encoding: UpdateEncoding, payload: bytes) -> NDArray[np.float64]:
    if encoding is UpdateEncoding.FLOAT32:
        return np.frombuffer(payload, "<f4").astype(np.float64)
    (scale,) = struct.unpack_from("<f", payload)
    return np.asarray(np.frombuffer(payload, np.int8, offset=4).astype(np.float64) * scale)


def _unless_refused(add: Callable[[], None]) -> None:
    """What a device sent against the protocol is its own mistake."""
    try:
        add()
    except Refused as refused:
        REFUSED.labels(str(refused.reason)).inc()
        raise FailedPrecondition(refused.message, reason=str(refused.reason)) from refused
