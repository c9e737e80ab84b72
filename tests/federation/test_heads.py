"""A head between its file and its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import models.hypcd
from models.federated.head import Head
from models.hypcd.classifier import Classifier
from services.federation.heads import SafetensorsHeads
from services.kit.errors import FailedPrecondition


def test_numbers_are_those_of_the_network_and_can_be_replaced() -> None:
    head = Head.of(Classifier.load(Path(models.hypcd.__file__).parent))
    codec, content = SafetensorsHeads(), head.to_bytes()
    other = np.arange(head.length, dtype=np.float32)

    assert np.array_equal(codec.vector(content), head.vector)
    assert codec.with_vector(content, head.vector) == content
    changed = Head.load(codec.with_vector(content, other))
    assert np.array_equal(changed.vector, other)
    assert changed.detailed == head.detailed
    with pytest.raises(ValueError, match="numbers"):
        codec.with_vector(content, other[:-1])


@pytest.mark.parametrize("content", [b"", b"\x02" + bytes(7) + b"{}", b"\xff" * 100, b"\x04" + bytes(7) + b"null1234"])
def test_what_is_no_head_is_refused(content: bytes) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        SafetensorsHeads().vector(content)

    assert refused.value.reason == "MODEL_INVALID"
