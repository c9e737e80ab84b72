"""The part of the categorizer that devices train together: the anchors of its detailed categories, as tangent vectors at the origin.

The encoder stays as it is, so that points on the ball, users' anchors and users' own heads are as good after a round as before. An update
is the new head's vector less the old one's.

A head travels in the layout of safetensors, which every language reads: eight bytes with the length of the header, little-endian; a header
in JSON with one tensor `head` [categories, dimension] of float32 and all else as strings of its metadata; the numbers, little-endian.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle  # nosec B403  # for its error only
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.artifact import MANIFEST, ArtifactError, check, load, read_manifest, save
from models.hypcd.ball import expmap0, logmap0, pairwise_distance
from models.hypcd.classifier import ANCHORS_FILE, MODEL_FILE, Classifier, Heads, unpacked
from models.hypcd.network import Config, Encoder

FORMAT = "scale-federated-head-1"
MAX_BYTES = 5 * 1024 * 1024
_LENGTH_BYTES = 8
_TENSOR = "head"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What turns a point into an answer, and what of it is trained. Holds no state of a request."""

    vector: Floats
    """[categories * dimension], row by row: of each detailed category, the tangent vector at the origin that leads to its anchor."""
    detailed: tuple[str, ...]
    primaries: tuple[str, ...]
    parent: NDArray[np.int64]
    """[detailed], a place in `primaries`."""
    credit: NDArray[np.bool_]
    """[detailed], for money that comes in only."""
    dimension: int
    curvature: float
    temperature: float
    """Of the distances to anchors."""
    threshold: float

    def __post_init__(self) -> None:
        """Raises ValueError for parts that do not fit together."""
        known = len(self.detailed)
        shapes = ((self.vector, known * self.dimension), (self.parent, known), (self.credit, known))
        if not known or any(part.shape != (length,) for part, length in shapes):
            raise ValueError(f"{known} categories in {self.dimension} dimensions, but a vector of {self.vector.shape}")
        if not bool(np.isfinite(self.vector).all()):
            raise ValueError("not all numbers of the head are finite")
        if set(self.parent.tolist()) != set(range(len(self.primaries))) or len(set(self.slugs)) < len(self.slugs):
            raise ValueError(f"details of {len(set(self.parent.tolist()))} categories for {len(self.primaries)} primary ones, or one twice")
        if not (0 < self.curvature < 100 and 0 < self.temperature < 100 and 0 <= self.threshold <= 1):
            raise ValueError("figures out of bounds")

    @classmethod
    def of(cls, classifier: Classifier) -> Self:
        """That of a categorizer."""
        heads = classifier.heads
        return cls(
            logmap0(heads.anchors, classifier.curvature).numpy().astype(np.float32).ravel(),
            heads.detailed,
            heads.primaries,
            heads.parent.numpy().astype(np.int64),
            heads.credit.numpy().astype(np.bool_),
            classifier.dimension,
            classifier.curvature,
            heads.temperature,
            heads.threshold,
        )

    @property
    def length(self) -> int:
        """Numbers in an update."""
        return len(self.vector)

    @property
    def slugs(self) -> tuple[str, ...]:
        """Detailed categories and, behind them, primary ones: what an example may be labelled with."""
        return self.detailed + self.primaries

    @property
    def members(self) -> NDArray[np.bool_]:
        """[slugs, detailed]: which detailed categories a slug stands for."""
        return np.concatenate([np.eye(len(self.detailed), dtype=np.bool_), np.arange(len(self.primaries))[:, None] == self.parent])

    def with_vector(self, vector: Floats) -> Self:
        """The same with other numbers. Raises ValueError where they do not fit, or are none."""
        return replace(self, vector=np.ascontiguousarray(vector, np.float32))

    def moved(self, update: Floats) -> Self:
        """After an update [length]. Raises ValueError as `with_vector`."""
        if update.shape != self.vector.shape:
            raise ValueError(f"an update of {update.shape} for a head of {self.vector.shape}")
        return self.with_vector(self.vector + update.astype(np.float32))

    @torch.inference_mode()
    def primary_probabilities(self, points: Floats, spent: NDArray[np.bool_]) -> Floats:
        """[n, primaries] of points [n, dimension]; `spent` [n] marks money that leaves, which is never income."""
        tangent = torch.from_numpy(self.vector).view(len(self.detailed), self.dimension)
        logits = anchor_logits(torch.from_numpy(points), tangent, self.curvature, self.temperature)
        logits = logits.masked_fill(torch.from_numpy(np.outer(spent, self.credit)), float("-inf"))
        return (logits.softmax(dim=1) @ torch.from_numpy(self.members[len(self.detailed) :].T.astype(np.float32))).numpy()

    def heads(self) -> Heads:
        """As the categorizer has it."""
        tangent = torch.from_numpy(self.vector.copy()).view(len(self.detailed), self.dimension)
        return Heads(
            self.detailed,
            self.primaries,
            torch.from_numpy(self.parent.copy()),
            torch.from_numpy(self.credit.copy()),
            expmap0(tangent, self.curvature),
            self.temperature,
            self.threshold,
        )

    def to_bytes(self) -> bytes:
        """For a file; the same head makes the same bytes."""
        header = {
            "__metadata__": {
                "format": FORMAT,
                "detailed": json.dumps(self.detailed),
                "primaries": json.dumps(self.primaries),
                "parent": json.dumps(self.parent.tolist()),
                "credit": json.dumps(self.credit.astype(int).tolist()),
                "curvature": repr(self.curvature),
                "temperature": repr(self.temperature),
                "threshold": repr(self.threshold),
            },
            _TENSOR: {"dtype": "F32", "shape": [len(self.detailed), self.dimension], "data_offsets": [0, 4 * self.length]},
        }
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        # So that the numbers lie where processors like to read them, as safetensors asks.
        text += b" " * (-len(text) % _LENGTH_BYTES)
        return len(text).to_bytes(_LENGTH_BYTES, "little") + text + self.vector.astype("<f4").tobytes()

    @classmethod
    def load(cls, content: bytes) -> Self:
        """What `to_bytes` wrote. Raises ArtifactError for anything else."""
        if len(content) > MAX_BYTES:
            raise ArtifactError(f"a head of {len(content)} bytes is none of ours: at most {MAX_BYTES}")
        try:
            end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
            header = json.loads(content[_LENGTH_BYTES:end])
            facts, tensor = header["__metadata__"], header[_TENSOR]
            if facts["format"] != FORMAT:
                raise ArtifactError(f"a head of format {str(facts['format'])[:100]!r}; this version reads {FORMAT}")
            known, dimension = map(int, tensor["shape"])
            if tensor["dtype"] != "F32" or tensor["data_offsets"] != [0, 4 * known * dimension]:
                raise ValueError(f"a tensor of {tensor}")
            return cls(
                np.frombuffer(content[end:], "<f4").astype(np.float32),
                tuple(map(str, json.loads(facts["detailed"]))),
                tuple(map(str, json.loads(facts["primaries"]))),
                np.array(json.loads(facts["parent"]), np.int64),
                np.array(json.loads(facts["credit"]), np.bool_),
                dimension,
                float(facts["curvature"]),
                float(facts["temperature"]),
                float(facts["threshold"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ArtifactError(f"this is no head of a federated model: {type(error).__name__}: {str(error)[:200]}") from error


def anchor_logits(points: Tensor, tangent: Tensor, curvature: float, temperature: float) -> Tensor:
    """-distance / temperature [n, k] of points [n, d] of the ball from the anchors to which tangent vectors [k, d] lead."""
    return -pairwise_distance(points, expmap0(tangent, curvature), curvature) / temperature


def load_encoder(content: bytes) -> Encoder:
    """The encoder in the bytes of a categorizer's `hypcd_model.pt`, in evaluation mode. Raises ArtifactError."""
    try:
        model = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        encoder = Encoder(Config(**model["config"]))
        encoder.load_state_dict(unpacked(model["state"]))
    except (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"this is no encoder that this version knows: {type(error).__name__}: {str(error)[:200]}") from error
    return encoder.eval().requires_grad_(False)


def encoder_bytes(folder: Path) -> tuple[bytes, str]:
    """The encoder of a categorizer's folder as it is stored, and its SHA-256 in hex: what devices get. Raises ArtifactError."""
    content = check(read_manifest(folder), MODEL_FILE)
    return content, hashlib.sha256(content).hexdigest()


def apply(encoder_folder: Path, head: bytes, target: Path, version: str, facts: dict[str, Any] | None = None) -> None:
    """Writes a categorizer's folder with the encoder of another one, byte for byte, and this head.

    `facts` join those of its manifest. Raises ArtifactError where the two do not belong together.
    """
    found, manifest = Head.load(head), read_manifest(encoder_folder)
    encoder, before = check(manifest, MODEL_FILE), Heads.of(load(manifest, ANCHORS_FILE))
    if (found.detailed, found.primaries, found.dimension) != (before.detailed, before.primaries, before.anchors.shape[1]):
        raise ArtifactError(f"the head is of other categories, or of another ball, than the model in {encoder_folder / MANIFEST}")
    save(target, version, {MODEL_FILE: encoder, ANCHORS_FILE: found.heads().content()}, {**manifest.facts, **(facts or {})})
