"""Rounds of secure aggregation in memory: the devices, the coordinator's side, and a way to lose devices before a stage."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.federation.secagg import DeviceSession, EncryptedShare, GroupAggregation, Parameters, Reason, Refused, UnmaskShare, to_words

LENGTH = 40
LEAST = 3


class Pinned(dict[UUID, bytes]):
    """Identity keys of first use, in memory."""

    def check(self, device_id: UUID, identity_key: bytes) -> None:
        if self.setdefault(device_id, identity_key) != identity_key:
            raise Refused(Reason.IDENTITY_CHANGED, f"device {device_id} has another key now")


@dataclass
class Member:
    """A device that takes part in rounds."""

    id: UUID = field(default_factory=uuid4)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    pins: Pinned = field(default_factory=Pinned)

    def session(self, parameters: Parameters) -> DeviceSession:
        return DeviceSession(parameters, self.id, self.key, self.pins)


def numbers(**other: object) -> Parameters:
    """Small ones: three devices may open a sum; up to 32 everybody is everybody's neighbour."""
    usual = {"round_id": uuid4(), "word_bits": 16, "length": LENGTH, "complete_graph_limit": 32, "neighbor_count": 4}
    return Parameters(**{**usual, "least_contributors": LEAST, **other})  # type: ignore[arg-type]


class SmallRound:
    """One group, driven by hand. `left` are the devices that are still there; each stage is done by those."""

    def __init__(self, count: int, *, members: Collection[Member] = (), **parameters: object) -> None:
        self.parameters = numbers(**parameters)
        self.members = {member.id: member for member in members or [Member() for _ in range(count)]}
        self.sessions = {device: member.session(self.parameters) for device, member in self.members.items()}
        self.group = GroupAggregation(self.parameters)
        self.left = list(self.members)
        self.payloads: dict[UUID, bytes] = {}
        self.handed: dict[UUID, list[EncryptedShare]] = {}
        self.contributors: list[UUID] = []
        self.confirmations: dict[UUID, bytes] = {}
        self.opened: dict[UUID, list[UnmaskShare]] = {}
        rng = np.random.default_rng()
        half = 1 << (self.parameters.word_bits - 1)
        most = half // max(count, len(self.members)) - 1
        self.vectors = {device: rng.integers(-most, most + 1, self.parameters.length - 1) for device in self.members}
        self.weights = {device: int(rng.integers(1, 9)) for device in self.members}

    def lose(self, count: int) -> None:
        """So many go, by chance."""
        random.shuffle(self.left)
        del self.left[:count]

    def words(self, device: UUID) -> np.ndarray:
        return to_words(self.vectors[device], self.weights[device], self.parameters.word_bits)

    def expected(self) -> np.ndarray:
        """The sum of what the contributors have, and of their weights."""
        vectors = sum(self.vectors[device] for device in self.contributors)
        return np.append(vectors, sum(self.weights[device] for device in self.contributors))

    def advertise(self) -> SmallRound:
        for device in self.left:
            self.group.add_advert(self.sessions[device].advertise())
        self.adverts, self.threshold = self.group.close_adverts()
        return self

    def share(self) -> SmallRound:
        for device in self.left:
            self.group.add_shares(device, self.sessions[device].share(self.adverts, self.threshold))
        self.handed = self.group.close_shares()
        self.left = [device for device in self.left if device in self.handed]
        return self

    def upload(self) -> SmallRound:
        for device in self.left:
            self.payloads[device] = self.sessions[device].mask(self.handed[device], self.words(device))
            self.group.add_masked(device, self.payloads[device])
        self.contributors = self.group.close_masked()
        return self

    def confirm(self) -> SmallRound:
        for device in self.left:
            self.group.add_confirmation(device, self.sessions[device].confirm(self.contributors))
        self.confirmations = self.group.close_confirmations()
        return self

    def unmask(self) -> SmallRound:
        for device in self.left:
            self.opened[device] = self.sessions[device].unmask(self.confirmations)
            self.group.add_unmask(device, self.opened[device])
        return self

    def to_the_end(self, lost: Mapping[str, int] = {}) -> np.ndarray:
        """All stages, with so many devices lost before each."""
        for stage in ("advertise", "share", "upload", "confirm", "unmask"):
            self.lose(lost.get(stage, 0))
            getattr(self, stage)()
        return self.group.sum()
