"""The one clock: whose schedules it reads, what it needs, and that each service's tasks go into a queue of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from services.federation.schedule import QUEUE as FL
from services.kit.beat import BeatSettings, read_schedules
from services.kit.queue import rules_of, upkeep_of
from services.local.system import SCHEDULES
from tests.support.gateway_app import RedisProcess, own_redis
from tests.support.worker_process import WorkerProcess

__all__ = ["own_redis"]

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
from services.kit.queue import Every, upkeep_of
SCHEDULE = (Every(0.2, "{name}.look", upkeep_of("{name}")), Every(3600, "{name}.clean", upkeep_of("{name}")))
"""


def test_every_schedule_of_the_tree_is_read_by_the_local_clock() -> None:
    modules = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in (ROOT / "services").glob("*/schedule.py")}
    assert modules == set(SCHEDULES)
    entries = read_schedules(SCHEDULES)
    assert len({entry.task for entry in entries}) == len(entries)
    for entry in entries:
        # A task that another service's worker took would be thrown away.
        service = entry.task.partition(".")[0]
        assert entry.queue == (FL if service == "federation" else upkeep_of(service))
        assert rules_of(entry.queue).priority == ("low" if entry.queue == FL else "high")


def test_a_module_that_is_no_schedule_is_named() -> None:
    for module in ("services.no_such", "services.kit.redis"):
        with pytest.raises(ValueError, match=f"{module} is no module with a SCHEDULE"):
            read_schedules([module])
    with pytest.raises(KeyError):
        rules_of("gossip")
    done = subprocess.run([sys.executable, "-m", "services.kit.beat"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: python -m services.kit.beat ")


def test_the_clock_knows_the_queue_alone() -> None:
    assert not {name for name in BeatSettings.model_fields if name.startswith(("auth", "port", "database", "service", "storage"))}


async def test_one_clock_serves_several_services(own_redis: RedisProcess, tmp_path: Path) -> None:
    names = ("first", "second")
    for name in names:
        (tmp_path / f"probe_{name}.py").write_text(PROBE.format(name=name))
    environment = {"SCALE_REDIS_URL": own_redis.url, "PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT / 'protos/gen'}"}
    beat = WorkerProcess(environment, tmp_path, "services.kit.beat", *(f"probe_{name}" for name in names))
    beat.start()
    try:
        with Redis.from_url(own_redis.url) as redis:
            async with asyncio.timeout(30):
                while not all(redis.llen(upkeep_of(name)) for name in names):
                    await asyncio.sleep(0.05)
            for name in names:
                waiting = redis.lrange(upkeep_of(name), 0, -1)
                assert all(f'"task": "{name}.look"'.encode() in message for message in waiting)
                # One that nobody took in time is not made up for.
                assert all(b'"expires": "' in message for message in waiting)
        assert beat.stop() == 0
    finally:
        beat.kill()
