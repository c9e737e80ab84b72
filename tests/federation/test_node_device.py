"""A device in Node.js, written from clients/device/PROTOCOL.md with nothing but what Node brings: the contract needs no Python."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import clients.device
from clients.device.outcome import Done
from tests.clients.test_device_round import Fleet, token_of
from tests.support.device_coordinator import FakeCoordinator, plan, serving

NODE = shutil.which("node")
HERE = Path(__file__).parent / "node"
VECTORS = Path(clients.device.__file__).parent / "test_vectors.json"
LEAST_VERSION = 20

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node here")


@pytest.fixture(scope="module", autouse=True)
def node() -> str:
    assert NODE is not None
    version = subprocess.run([NODE, "--version"], check=True, capture_output=True, text=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < LEAST_VERSION:
        pytest.skip(f"node is {version.strip()}; these files want {LEAST_VERSION}")
    return NODE


async def run_node(*arguments: str | Path) -> tuple[int, str]:
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


async def test_the_test_vectors_hold_in_node() -> None:
    assert await run_node(HERE / "vectors.mjs", VECTORS) == (0, "the vectors hold\n")


async def test_it_is_one_of_ten_in_a_round(tmp_path: Path) -> None:
    coordinator = FakeCoordinator(10)
    folder = tmp_path / "node"
    folder.mkdir()
    async with serving(coordinator) as address, AsyncExitStack() as stack:
        fleet = Fleet(coordinator, address, tmp_path, stack)
        await fleet.join(9)
        token = token_of(uuid4())
        (status, output), outcomes = await asyncio.gather(
            run_node(HERE / "device.mjs", "--address", address, "--token", token, "--folder", folder), fleet.round()
        )

    told = json.loads(output)
    assert (status, told.get("error"), told.get("published")) == (0, None, True)
    assert {one.done for one in outcomes} == {Done.PUBLISHED}
    assert coordinator.sums[0][-1] == 10
    # It pays what the others pay.
    assert told["epsilon"] == pytest.approx(fleet.devices[0].spent_epsilon, rel=1e-9)
    assert told["payload"] == len(coordinator.payloads[told["device"]]) == 3 * (coordinator.plan.update_length + 1)
    secure, private = coordinator.plan.secure_aggregation, coordinator.plan.privacy
    numbers = coordinator.sums[0][:-1] * secure.quantization_scale
    assert np.std(numbers) == pytest.approx(private.noise_multiplier * private.clip_norm, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"privacy": None}, "no privacy, or no secure aggregation"),
        ({"privacy__example_noise_multiplier": 0.09}, "too little noise on single examples"),
        ({"privacy__example_clip_norm": 10.1}, "too little noise on single examples"),
    ],
)
async def test_it_refuses_a_round_with_too_little_privacy(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    coordinator = FakeCoordinator(1, plan(**changes))
    async with serving(coordinator) as address:
        status, output = await run_node(HERE / "device.mjs", "--address", address, "--token", token_of(uuid4()), "--folder", tmp_path)

    assert status == 1
    assert json.loads(output)["error"] == f"refused: {error}"
    assert "UploadUpdate" not in [name for name, _ in coordinator.received]
