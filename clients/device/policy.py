"""What a device agrees to, whatever a coordinator asks for. A coordinator is not trusted: these are the device's own limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clients.device.problem import PolicyRefused
from models.federated.privacy import MOST_DEVIATION, share_deviation
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1 import round_pb2

LEAST_DEVICES = 10
MOST_EPOCHS = 3
BUDGET_EPSILON = 8.0
BUDGET_DELTA = 1e-5
MOST_PART_BYTES = {"encoder": 64 * 1024 * 1024, "head": 4 * 1024 * 1024}
_KNOWN_ALGORITHMS = (
    round_pb2.ALGORITHM_FEDAVG,
    round_pb2.ALGORITHM_FEDPROX,
    round_pb2.ALGORITHM_FEDMEDIAN,
    round_pb2.ALGORITHM_FEDTRIMMED,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits. The last two are for simulations in development, where no data is anybody's."""

    budget_epsilon: float = BUDGET_EPSILON
    """Of the device's life, without amplification."""
    delta: float = BUDGET_DELTA
    least_noise_multiplier: float = 0.5
    """Noise in the sum, in clip norms. What it costs is charged to the budget; below this a single round would spend too much of it."""
    least_example_noise_multiplier: float = 0.1
    """Noise on the gradients of single examples, in their clip norms. Far below this it would be noise by name only."""
    most_clip_norm: float = 10.0
    most_example_clip_norm: float = 10.0
    """Of a single example's gradient."""
    without_privacy: bool = False
    without_secure_aggregation: bool = False

    def check(self, assignment: pb.Assignment) -> None:
        """Raises PolicyRefused for a round that the device takes no part in."""
        plan = assignment.plan
        parts = {part.name for part in assignment.model_parts}
        if assignment.model_version < 1 or parts != set(MOST_PART_BYTES):
            raise PolicyRefused("PLAN_INVALID", f"version {assignment.model_version} of the model with the parts {sorted(parts)}")
        for part in assignment.model_parts:
            if not 0 < part.size_bytes <= MOST_PART_BYTES[part.name]:
                raise PolicyRefused(
                    "PLAN_INVALID", f"{part.name} has {part.size_bytes} bytes; at most {MOST_PART_BYTES[part.name]} are taken"
                )
        if not 1 <= plan.epochs <= MOST_EPOCHS:
            raise PolicyRefused("EPOCHS", f"{plan.epochs} epochs: a device trains for 1 to {MOST_EPOCHS}")
        if plan.algorithm not in _KNOWN_ALGORITHMS or plan.batch_size < 1 or plan.update_length < 1:
            raise PolicyRefused("PLAN_INVALID", "the plan names no known algorithm, batch or length")
        if not (0 < plan.learning_rate <= 100 and 0 <= plan.proximal_mu <= 100):
            raise PolicyRefused("PLAN_INVALID", f"a learning rate of {plan.learning_rate} with mu {plan.proximal_mu}")
        self._check_privacy(plan)
        self._check_secure_aggregation(plan)

    def _check_privacy(self, plan: round_pb2.RoundPlan) -> None:
        if not plan.HasField("privacy"):
            if not self.without_privacy:
                raise PolicyRefused("NO_PRIVACY", "the round is without differential privacy; this device uploads nothing without it")
            return
        privacy = plan.privacy
        if not (math.isfinite(privacy.noise_multiplier) and privacy.noise_multiplier >= self.least_noise_multiplier):
            raise PolicyRefused(
                "TOO_LITTLE_NOISE", f"a noise multiplier of {privacy.noise_multiplier}; this device wants {self.least_noise_multiplier}"
            )
        if not 0 < privacy.clip_norm <= self.most_clip_norm:
            raise PolicyRefused("CLIP_NORM", f"a clip norm of {privacy.clip_norm}; this device takes at most {self.most_clip_norm}")
        if not 0 < privacy.delta <= self.delta:
            raise PolicyRefused("DELTA", f"a delta of {privacy.delta}; this device takes at most {self.delta}")
        if privacy.noise_contributor_count < LEAST_DEVICES:
            raise PolicyRefused(
                "TOO_FEW_DEVICES", f"noise of {privacy.noise_contributor_count} devices; at least {LEAST_DEVICES} add to a sum"
            )
        if not self.least_example_noise_multiplier <= privacy.example_noise_multiplier < math.inf:
            raise PolicyRefused(
                "TOO_LITTLE_NOISE",
                f"a noise multiplier of {privacy.example_noise_multiplier} on the gradients of single examples; "
                f"this device wants {self.least_example_noise_multiplier}",
            )
        if not 0 < privacy.example_clip_norm <= self.most_example_clip_norm:
            raise PolicyRefused(
                "CLIP_NORM",
                f"a clip norm of {privacy.example_clip_norm} for single examples; this device takes at most {self.most_example_clip_norm}",
            )
        if plan.weight_cap:
            raise PolicyRefused("WEIGHTS", "with privacy every device counts the same, and its number of examples is not told")

    def _check_secure_aggregation(self, plan: round_pb2.RoundPlan) -> None:
        if not plan.HasField("secure_aggregation"):
            if not self.without_secure_aggregation:
                raise PolicyRefused("NO_SECURE_AGGREGATION", "the coordinator would see this device's own update")
            return
        secure = plan.secure_aggregation
        if (
            secure.word_bits not in (16, 24, 32)
            or not 0 < secure.quantization_scale < math.inf
            or secure.complete_graph_limit < LEAST_DEVICES
        ):
            raise PolicyRefused("PLAN_INVALID", f"words of {secure.word_bits} bits in steps of {secure.quantization_scale}")
        if not 0 < secure.clip_norm <= self.most_clip_norm:
            raise PolicyRefused("CLIP_NORM", f"a clip norm of {secure.clip_norm}; this device takes at most {self.most_clip_norm}")
        if plan.HasField("privacy"):
            private = plan.privacy
            noise = share_deviation(private.noise_multiplier, private.clip_norm, secure.quantization_scale, private.noise_contributor_count)
            if not noise <= MOST_DEVIATION:
                raise PolicyRefused("PLAN_INVALID", f"steps so small that a share of the noise has {noise:.3g} of them")
