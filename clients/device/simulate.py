"""Many devices against a real coordinator, over real sockets: `scale federation simulate`."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from clients.device.policy import LEAST_DEVICES
from clients.device.problem import CoordinatorRefused, DeviceProblem

if TYPE_CHECKING:
    from clients.device.simulated.coordinator import Running
    from clients.device.simulated.processes import Processes
    from clients.device.simulated.report import Heard, Report
    from clients.device.simulated.rounds import Rounds
    from clients.device.trainer import Trainer

STAGES = ("advertising", "sharing", "uploading", "confirming", "unmasking")
LEAST_CLIENTS = 1
MOST_CLIENTS = 1000
_OWN_PROCESSES = 12
_SHARED_PROCESSES = 4
_READY_S = 120
_PATIENCE_S = 900
_GROUPS = 3
_SELECTION_S = 10
_TRAINING_S = 120
_STAGE_S = 60
_NEWS_S = 0.2
_AFTER_S = 5
# What is charged for Skellam noise is a little more than for Gaussian noise of the same size.
_MARGIN = 0.995

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What to simulate."""

    clients: int
    rounds: int
    drop: float = 0.0
    """Devices that are lost in each round: a share of them, or how many from 1 on."""
    drop_stage: str | None = None
    """Before which stage; None: by chance."""
    poison: float = 0.0
    """Devices that send a lie: a share of them, or how many from 1 on."""
    privacy: bool = True
    epsilon: float = 8.0
    """What a device may spend in all rounds together."""
    secure_aggregation: bool = True
    algorithm: str = "fedavg"
    group_count: int | None = None
    target: int | None = None
    """Devices whose updates shall be in the sum; None: so many that all are asked."""
    processes: int | None = None
    """None: one for each device up to twelve of them, four for more."""
    rows: int = 150
    """Labelled transactions of a device."""
    address: str | None = None
    """A coordinator that runs; None: that of the local system, or one of its own."""
    tls_ca: Path | None = None
    seed: int = 0
    trainer: Trainer | None = None
    """None: that of the reference device. A benchmark has one that trains nothing."""


def simulate(options: SimulationOptions, progress: Progress = lambda what, done, total: None) -> dict[str, Any]:
    """Runs it; the dictionary is what `--json` prints. `progress` hears what goes on, and how many rounds of how many are done.

    Call it from a process that has opened no gRPC channel: it forks. Raises DeviceProblem, CoordinatorRefused.
    """
    with tempfile.TemporaryDirectory(prefix="scale-simulation-") as name:
        return _Simulation(options, Path(name), progress).run()


class _Simulation:
    def __init__(self, options: SimulationOptions, folder: Path, progress: Progress) -> None:
        self._options = options
        self._folder = folder
        self._progress = progress
        self._chance = random.Random(options.seed)  # nosec B311  # the same devices are lost each time
        self._noise = _noise(options) if options.privacy else 0.0

    def run(self) -> dict[str, Any]:
        """See `simulate`."""
        from clients.device.simulated.coordinator import check_named, coordinator
        from clients.device.simulated.ledgers import write_ledgers
        from clients.device.simulated.processes import Processes

        options, began = self._options, time.monotonic()
        check_named(options.address)
        self._say("Making ledgers", 0)
        ledgers = write_ledgers(self._folder, options.clients, options.rows, options.seed)
        poisoned = self._chance.sample(range(options.clients), _count(options.poison, options.clients))
        count = _process_count(options)
        _import_once()
        with Processes(ledgers, poisoned, self._folder, count, options.trainer) as devices:
            self._say("Looking for a coordinator", 0)
            with coordinator(options.address, options.tls_ca, self._folder, budget_epsilon=options.epsilon) as running:
                report, versions = self._against(running, devices)
                held = _held_mib(running.pid)
        return {
            "rounds": report.rounds,
            "secure_aggregation": options.secure_aggregation,
            "clients": options.clients,
            "processes": count,
            "versions": versions,
            "algorithm": options.algorithm,
            "privacy": options.privacy,
            "noise_multiplier": self._noise,
            "budget_epsilon": options.epsilon if options.privacy else None,
            "example_epsilon": report.example_epsilon,
            "poisoned": len(poisoned),
            "tls": running.tls is not None,
            "own_coordinator": running.own,
            "coordinator_mib": held,
            "seconds": round(time.monotonic() - began, 2),
            "complete": report.complete,
        }

    def _against(self, running: Running, devices: Processes) -> tuple[Report, list[int]]:
        """The rounds, and the versions before and after them."""
        from clients.device.simulated.devices import Begin
        from clients.device.simulated.rounds import Rounds
        from services.local.demo import development_token

        tokens = {number: development_token(running.home, uuid4()) for number in range(self._options.clients)}
        with Rounds(running.address, running.tls, development_token(running.home, uuid4(), role="admin")) as rounds:
            first = rounds.status().model_version
            devices.begin(Begin(running.address, running.tls, self._policy(), tokens))
            enrolled: dict[int, str] = {}
            try:
                self._enroll(rounds, devices, enrolled)
                report = self._rounds(rounds, devices)
                return report, [first, rounds.status().model_version]
            finally:
                if not running.own:
                    self._leave(rounds, enrolled, tokens)

    def _enroll(self, rounds: Rounds, devices: Processes, enrolled: dict[int, str]) -> None:
        """Waits until all devices are enrolled, and have asked for work. Raises DeviceProblem."""
        from clients.device.simulated.devices import Enrolled
        from clients.device.simulated.report import Heard

        wanted, until, heard = self._options.clients, time.monotonic() + _READY_S, Heard("")
        self._say("Enrolling devices", 0)
        while len(enrolled) < wanted or rounds.status().available_count < wanted:
            news = list(devices.news(_NEWS_S))
            heard.take(news)
            enrolled |= {one.device: one.device_id for one in news if isinstance(one, Enrolled)}
            if time.monotonic() > until or (heard.troubles and len(enrolled) + len(heard.troubles) >= wanted):
                why = next(iter(heard.troubles.values()), "they do not ask for work")
                raise DeviceProblem(f"{len(enrolled)} of {wanted} devices are ready: {why}")

    def _rounds(self, rounds: Rounds, devices: Processes) -> Report:
        from clients.device.simulated.report import Heard, Report
        from scale.federation.v1.round_pb2 import ROUND_STATE_OPEN

        report = Report(self._options.clients, self._noise)
        for number in range(self._options.rounds):
            self._say(f"Round {number + 1}", number)
            lost = self._lost()
            devices.next_round(lost)
            began = time.monotonic()
            opened = rounds.start(self._round_options(), _PATIENCE_S)
            heard = Heard(opened.round_id)
            devices.wake()
            found = opened
            try:
                while found.state == ROUND_STATE_OPEN:
                    if time.monotonic() - began > _PATIENCE_S:
                        raise DeviceProblem(f"Round {opened.round_id} does not end.")
                    found = rounds.look(opened.round_id)
                    self._say(f"Round {number + 1}", number)
                    heard.take(devices.news(0))
            except BaseException:
                with suppress(CoordinatorRefused):  # what came before says more
                    rounds.abort(opened.round_id)
                raise
            seconds = time.monotonic() - began
            self._hear_out(devices, heard, self._options.clients - len(lost))
            report.add(found, heard, seconds)
        self._say("Done", self._options.rounds)
        return report

    def _hear_out(self, devices: Processes, heard: Heard, expected: int) -> None:
        """Devices hear of the end of a round a moment later."""
        until = time.monotonic() + _AFTER_S
        while len(heard.outcomes) < expected and time.monotonic() < until:
            heard.take(devices.news(_NEWS_S))

    def _lost(self) -> Mapping[int, str]:
        chosen = self._chance.sample(range(self._options.clients), _count(self._options.drop, self._options.clients))
        stages: Sequence[str] = STAGES if self._options.secure_aggregation else ("uploading",)
        return {number: self._options.drop_stage or self._chance.choice(stages) for number in chosen}

    def _leave(self, rounds: Rounds, enrolled: Mapping[int, str], tokens: Mapping[int, str]) -> None:
        """The devices of a simulation are no more: a system that goes on need not wait for them."""
        for number, device_id in enrolled.items():
            try:
                rounds.revoke(device_id, tokens[number])
            except CoordinatorRefused:
                return

    def _policy(self) -> Any:
        from clients.device.policy import Policy

        options = self._options
        return Policy(
            budget_epsilon=options.epsilon,
            least_noise_multiplier=min(Policy().least_noise_multiplier, self._noise) if options.privacy else 0.0,
            without_privacy=not options.privacy,
            without_secure_aggregation=not options.secure_aggregation,
        )

    def _round_options(self) -> Any:
        from scale.federation.v1 import rounds_service_pb2

        options = self._options
        return rounds_service_pb2.RoundOptions(
            algorithm=f"ALGORITHM_{options.algorithm.upper()}",
            target_count=options.target or max(self._least(), -(-options.clients * 10 // 13)),
            secure_aggregation=options.secure_aggregation,
            noise_multiplier=self._noise,
            clip_norm=self._clip_norm(),
            group_count=options.group_count,
            selection_seconds=_SELECTION_S,
            training_seconds=_TRAINING_S,
            stage_seconds=_STAGE_S,
        )

    def _least(self) -> int:
        """130 % of the target are asked: all devices. Each group is as large as a round must be."""
        return LEAST_DEVICES * self._groups()

    def _groups(self) -> int:
        grouped = self._options.algorithm == "fedmedian" and self._options.secure_aggregation
        return (self._options.group_count or _GROUPS) if grouped else 1

    def _clip_norm(self) -> float | None:
        """The usual one, or one so small that the noise in the mean of few devices does not drown the model, which the gate would
        refuse. Large cohorts need no such care."""
        from models.federated.defaults import clip_norm

        devices = self._options.clients // self._groups()
        return clip_norm(devices, self._noise, devices) if self._noise else None

    def _say(self, what: str, done: int) -> None:
        self._progress(what, done, self._options.rounds)


def _count(given: float, clients: int) -> int:
    """So many of the devices: a share, or a number from 1 on."""
    return min(clients, round(given * clients if given < 1 else given))


def _noise(options: SimulationOptions) -> float:
    """So much that a device which takes part in all rounds stays within its budget."""
    from models.federated.privacy import noise_for

    try:
        return noise_for(options.epsilon * _MARGIN, options.rounds)
    except ValueError as error:
        raise DeviceProblem(f"No noise is enough for {options.rounds} rounds: {error}.") from error


def _held_mib(pid: int | None) -> float | None:
    """Memory of a coordinator of the simulation's own."""
    import psutil

    try:
        return None if pid is None else round(psutil.Process(pid).memory_info().rss / 2**20, 1)
    except psutil.Error:  # somebody has ended it
        return None


def _process_count(options: SimulationOptions) -> int:
    if options.processes is not None:
        return min(options.processes, options.clients)
    return options.clients if options.clients <= _OWN_PROCESSES else _SHARED_PROCESSES


def _import_once() -> None:
    """What every device needs, before the processes are forked: they share its memory, and begin at once. The first training loads a good
    part of torch by itself."""
    import clients.device.simulated.devices  # noqa: F401
    from models.cores import use_one_core
    from models.federated.fit import ExamplePrivacy, Examples, train
    from models.federated.head import Head

    use_one_core()
    number, flag = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    head = Head(np.zeros(2, np.float32), ("a",), ("b",), number, flag, dimension=2, curvature=1.0, temperature=1.0, threshold=0.5)
    examples = Examples(np.zeros((1, 2), np.float32), number, flag)
    train(head, examples, epochs=1, learning_rate=0.1, batch_size=1, privacy=ExamplePrivacy(1.0, 1.0))
