"""Where networks compute. There is no GPU here: on torch's device without memory, what was left behind on the processor shows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import models.forecaster
import models.hypcd
from models import devices
from models.devices import DeviceMissing, device_of, there
from models.forecaster.pooled import Pooled
from models.forecaster.series import Granularity
from models.forecaster.tft import Shape, Tft
from models.forecaster.windows import Windows
from models.hypcd.classifier import Classifier, Items
from services.categorization.settings import CategorizationSettings
from services.kit.settings import load_settings

pytestmark = pytest.mark.requirement("K8S-17")

ELSEWHERE = torch.device("meta")
ITEMS = Items(["REWE SAGT DANKE", "ACME SALARY", "SHELL 1042"], ["rewe", "", "shell"], [-12.5, 2500.0, float("nan")], [0, 4, -1])


class OneDevice(TorchDispatchMode):
    """Fails at the first operation on tensors of two devices; a copy from one to the other is none."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] = MappingProxyType({})) -> Any:
        made = func(*args, **kwargs)
        found = {leaf.device.type for leaf in tree_leaves((args, dict(kwargs), made)) if isinstance(leaf, Tensor) and leaf.dim()}
        if func.overloadpacket not in (torch.ops.aten.to, torch.ops.aten._to_copy):
            assert len(found) <= 1, f"{func} on {sorted(found)}"
            self.seen |= found if isinstance(made, Tensor) and made.is_floating_point() else set()
        return made


@pytest.fixture
def classifier() -> Classifier:
    return Classifier.load(Path(models.hypcd.__file__).parent)


def test_a_payment_is_classified_where_the_model_is(classifier: Classifier) -> None:
    here = classifier.predict(ITEMS)
    classifier.to(ELSEWHERE)
    with torch.inference_mode(), OneDevice() as mode:
        points, said = classifier._computed(ITEMS)
    assert (points.device, said.device, points.shape, said.shape) == (ELSEWHERE, ELSEWHERE, here.points.shape, here.probabilities.shape)
    assert mode.seen == {"meta"}
    assert classifier.heads.anchors.device.type == "cpu", "users' own heads go on computing beside it"


def test_on_the_processor_nothing_changes(classifier: Classifier) -> None:
    before = classifier.predict(ITEMS)
    after = classifier.to(device_of("cpu")).predict(ITEMS)
    assert np.array_equal(before.points, after.points)
    assert np.array_equal(before.probabilities, after.probabilities)


class Elsewhere(nn.Module):
    """Notes where it is asked, and answers from there."""

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.horizon = horizon
        self.asked: set[str] = set()

    def forward(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        self.asked |= {one.device.type for one in tensors.values()}
        return {"prediction": torch.zeros(len(tensors["encoder_lengths"]), self.horizon, 9)}


def windows(count: int, length: int, horizon: int) -> Windows:
    values = np.random.default_rng(0).gamma(2.0, 20.0, (count, length))
    return Windows(
        values=values,
        lengths=np.full(count, length),
        next_period=np.full(count, 20_000),
        known=np.zeros((count, length + horizon)),
        stretch=np.zeros((count, horizon, 9)),
        explained=np.zeros(count, bool),
        unit=np.ones(count),
        countries=("GB",) * count,
        kinds=("total",) * count,
        granularity=Granularity.DAY,
        horizon=horizon,
    )


def test_what_the_transformer_is_asked_with_goes_where_it_is() -> None:
    network, shape = Elsewhere(7), Shape()
    Tft(network, shape).to(ELSEWHERE).predict(windows(3, shape.window, 7), 7)
    assert network.asked == {"meta"}


def test_the_pooled_networks_compute_where_they_are() -> None:
    from models.artifact import load, read_manifest

    pooled = Pooled.of(load(read_manifest(Path(models.forecaster.__file__).parent), "pooled.pt"))
    length = pooled.networks[Granularity.DAY].shape.window
    pooled.to(ELSEWHERE)
    with OneDevice() as mode, pytest.raises(NotImplementedError, match="meta"):  # it has no memory to bring an answer back from
        pooled.predict(windows(3, length, 7), 7)
    assert "meta" in mode.seen


@pytest.fixture
def no_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")


def test_auto_is_the_processor_where_there_is_no_gpu(no_gpu: None) -> None:
    assert device_of("auto") == device_of("cpu") == torch.device("cpu")
    assert there("auto") == "auto"
    with pytest.raises(DeviceMissing, match="cpu or auto"):
        device_of("cuda")


def test_a_process_that_must_have_a_gpu_does_not_start_without(
    no_gpu: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "SCALE_ENVIRONMENT": "development",
        "SCALE_AUTH_SECRET": "s" * 32,
        "SCALE_CATEGORIZATION_PORT": "20001",
        "SCALE_CATEGORIZATION_DATABASE_URL": "postgresql://",
        "SCALE_CATEGORIZATION_DEVICE": "cuda",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load_settings(CategorizationSettings)
    assert "SCALE_CATEGORIZATION_DEVICE: " in (said := capsys.readouterr().err)
    assert "GPU" in said or "CUDA" in said


def test_a_torch_that_cannot_be_asked_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_ASK", "import no_such_torch")
    with pytest.raises(DeviceMissing, match="No module named 'no_such_torch'"):
        there("cuda")
