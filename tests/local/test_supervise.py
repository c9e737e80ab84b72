"""In which order the programs of a home end."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from services.local.home import LocalHome
from services.local.program import CALLERS, SERVERS, STORES, Program
from services.local.supervise import Supervisor

# Takes a moment to end, and tells when it was asked to and when it did.
SLOW = """
import signal, sys, time
def tell(what):
    with open("told", "a") as file:
        file.write(f"{what} {sys.argv[1]}\\n")
def end(*_):
    tell("asked")
    time.sleep(0.5)
    tell("ended")
    sys.exit()
signal.signal(signal.SIGTERM, end)
tell("began")
while True:
    signal.pause()
"""


def test_programs_of_one_stage_end_together_and_before_what_they_need(tmp_path: Path) -> None:
    stages = {"gateway": CALLERS, "worker": CALLERS, "accounts": SERVERS, "redis": STORES, "never": STORES}
    home = LocalHome(tmp_path)
    home.create()
    programs = [
        Program(name=name, argv=[sys.executable, "-S", "-c", SLOW, name], environment={}, directory=str(tmp_path), stop_stage=stage)
        for name, stage in reversed(stages.items())
    ]
    supervisor = Supervisor(home)
    supervisor.start(programs)
    running = [name for name in stages if name != "never"]
    for name in running:
        supervisor.run(name)
    told = tmp_path / "told"
    deadline = time.monotonic() + 15
    while not told.exists() or len(told.read_text().splitlines()) < len(running):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    supervisor.stop()

    lines = told.read_text().splitlines()[len(running) :]
    assert {*lines[:2]} == {"asked gateway", "asked worker"}
    assert {*lines[2:4]} == {"ended gateway", "ended worker"}
    assert lines[4:] == ["asked accounts", "ended accounts", "asked redis", "ended redis"]
    assert not supervisor.alive()
