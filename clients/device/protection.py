"""What of an update may leave the device: clipped as a whole, rounded to whole steps, with the device's share of the noise."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clients.device.problem import DeviceProblem
from clients.device.trainer import Floats, Trained
from models.federated.privacy import as_gaussian, clip, noise_share, secret_generator, share_deviation
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2
from services.federation.secagg import quantize, to_words

_STEPS = 4096
"""A clip norm in steps, where no secure aggregation says what a step is."""
_INT8 = 127


@dataclass(frozen=True, slots=True)
class Protected:
    """An update that may leave."""

    values: NDArray[np.int64]
    """[update_length], in steps, noise included; times the weight."""
    step: float
    weight: int
    noise_multiplier: float
    """That is charged for it; 0 without privacy."""

    plain_encoding = pb.UPDATE_ENCODING_INT8

    def words(self, word_bits: int) -> NDArray[np.uint32]:
        """[update_length + 1], the weight last, to be masked."""
        return to_words(self.values, self.weight, word_bits)

    def plain(self) -> bytes:
        """For a round without secure aggregation, which development alone has: a byte for each number, rounded by chance."""
        numbers = self.values.astype(np.float64) * (self.step / self.weight)
        scale = np.float32(max(float(np.abs(numbers).max(initial=0.0)) / _INT8, float(np.finfo(np.float32).tiny)))
        steps = numbers / np.float64(scale)
        low = np.floor(steps)
        rounded = low + (secret_generator().random(len(steps)) < steps - low)
        body: bytes = np.clip(rounded, -_INT8, _INT8).astype(np.int8).tobytes()
        return struct.pack("<f", scale) + body


class Protection:
    """The plan's. What it does not bound is not sent."""

    def protect(self, trained: Trained, plan: round_pb2.RoundPlan) -> Protected:
        """Raises DeviceProblem for an update that is no numbers."""
        secure = plan.HasField("secure_aggregation")
        norm = self._norm(trained.update, plan)
        step = plan.secure_aggregation.quantization_scale if secure else norm / _STEPS
        try:
            values = self._steps(trained.update, norm, step)
            if not plan.HasField("privacy"):
                return Protected(values * trained.weight, step, trained.weight, 0.0)
            private = plan.privacy
            deviation = share_deviation(private.noise_multiplier, private.clip_norm, step, private.noise_contributor_count)
            noise = noise_share(len(values), deviation)
        except ValueError as error:
            raise DeviceProblem(f"The update is no good: {error}.") from error
        charged = as_gaussian(private.noise_multiplier, private.clip_norm / step, len(values))
        return Protected(values + noise, step, 1, charged)

    def _norm(self, update: Floats, plan: round_pb2.RoundPlan) -> float:
        if plan.HasField("privacy"):
            return plan.privacy.clip_norm
        if plan.HasField("secure_aggregation"):
            return plan.secure_aggregation.clip_norm
        # Nobody bounds it.
        return float(np.linalg.norm(update.astype(np.float64))) or 1.0

    def _steps(self, update: Floats, norm: float, step: float) -> NDArray[np.int64]:
        return quantize(clip(update, norm), step, norm, secret_generator())


class Poison(Protection):
    """A device that lies, for simulations: it turns its update round and sends five times what it may. Nobody sees it under the mask."""

    _TIMES = -5

    def _steps(self, update: Floats, norm: float, step: float) -> NDArray[np.int64]:
        return super()._steps(update, norm, step) * self._TIMES
