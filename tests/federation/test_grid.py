"""What SCALE relies on in flwr and nobody promises. When this fails after an upgrade, look at services/federation/grid.py first."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg, FedMedian, FedProx, FedTrimmedAvg
from flwr.supercore.task_identity import TaskIdentity

from services.federation.domain import Algorithm, RoundPlan
from services.federation.grid import ARRAYS, CONFIG, METRICS, CoordinatorGrid, Reply, array_of, arrays_of
from services.federation.strategies import train_once

LENGTH = 20
UPDATES = np.random.default_rng(1).normal(size=(12, LENGTH))
WEIGHTS = np.arange(1.0, 13.0)
BASE = np.linspace(-1, 1, LENGTH)
REPLIES = [Reply(number + 1, UPDATES[number], float(WEIGHTS[number]), 1) for number in range(12)]


def plan_of(algorithm: Algorithm) -> RoundPlan:
    return RoundPlan(algorithm, 2, 0.5, 32, 0.25, 0, LENGTH, None, None)


def test_flwr_is_the_one_that_this_was_written_for() -> None:
    assert version("flwr") == "1.41.0"


def test_a_grid_is_all_that_strategies_ask_for() -> None:
    wanted = {"set_run", "run", "create_message", "get_node_ids", "push_messages", "pull_messages", "send_and_receive"}

    assert Grid.__abstractmethods__ == wanted


def test_messages_take_their_sender_from_the_task_and_their_id_from_the_grid() -> None:
    grid = CoordinatorGrid([7], lambda config: [Reply(7, np.ones(LENGTH), 3.0, 1)])
    assert (TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id) == (1, 1, 1)
    sent = Message(RecordDict({ARRAYS: arrays_of(BASE), CONFIG: ConfigRecord({"epochs": 1})}), 7, MessageType.TRAIN)
    assert sent.metadata.message_id == ""

    (reply,) = list(grid.send_and_receive([sent]))

    assert reply.metadata.reply_to_message_id == "message-7"
    assert (reply.metadata.src_node_id, reply.metadata.dst_node_id) == (7, 1)
    assert np.array_equal(array_of(reply.content[ARRAYS]), BASE + 1)
    metrics = reply.content[METRICS]
    assert isinstance(metrics, MetricRecord)
    assert dict(metrics) == {"num-examples": 3.0, "contributor-count": 1}


def test_nodes_train_and_nothing_else() -> None:
    grid = CoordinatorGrid([1], lambda config: [])

    with pytest.raises(NotImplementedError):
        grid.send_and_receive([Message(RecordDict({}), 1, MessageType.QUERY)])
    with pytest.raises(NotImplementedError):
        grid.push_messages([])
    with pytest.raises(NotImplementedError):
        grid.pull_messages([])
    with pytest.raises(NotImplementedError):
        _ = grid.run
    assert grid.send_and_receive([]) == []
    assert grid.create_message(RecordDict({}), MessageType.TRAIN, 1, "round").metadata.group_id == "round"


@pytest.mark.requirement("FED-10")
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_strategies_are_flowers_own(algorithm: Algorithm) -> None:
    told: list[dict[str, object]] = []

    def exchange(config: dict[str, object]) -> list[Reply]:
        told.append(config)
        return REPLIES

    model = train_once(plan_of(algorithm), BASE, CoordinatorGrid(range(1, 13), exchange), least=10, server_learning_rate=1.0)

    ordered = np.sort(UPDATES, axis=0)
    expected = {
        Algorithm.FEDAVG: np.average(UPDATES, axis=0, weights=WEIGHTS),
        Algorithm.FEDPROX: np.average(UPDATES, axis=0, weights=WEIGHTS),
        Algorithm.FEDMEDIAN: np.median(UPDATES, axis=0),
        Algorithm.FEDTRIMMED: ordered[2:-2].mean(axis=0),
    }
    assert model is not None
    assert np.allclose(model, BASE + expected[algorithm], atol=1e-12)
    assert told[0]["epochs"] == 2
    assert told[0].get("proximal-mu") == (0.25 if algorithm is Algorithm.FEDPROX else None)
    known = {Algorithm.FEDAVG: FedAvg, Algorithm.FEDPROX: FedProx, Algorithm.FEDMEDIAN: FedMedian, Algorithm.FEDTRIMMED: FedTrimmedAvg}
    assert known[algorithm].aggregate_train is not None


@pytest.mark.parametrize(
    ("replies", "made"), [(REPLIES[:9], False), (REPLIES[:10], True), ([Reply(1, UPDATES[0], 1.0, 9)], False), ([], False)]
)
def test_no_model_is_made_of_fewer_than_ten(replies: list[Reply], made: bool) -> None:
    grid = CoordinatorGrid(range(1, 13), lambda config: replies)

    assert (train_once(plan_of(Algorithm.FEDAVG), BASE, grid, least=10, server_learning_rate=1.0) is not None) is made


def test_one_reply_may_stand_for_a_group() -> None:
    mean = np.average(UPDATES, axis=0, weights=WEIGHTS)
    grid = CoordinatorGrid(range(1, 13), lambda config: [Reply(4, mean, 78.0, 12)])

    model = train_once(plan_of(Algorithm.FEDAVG), BASE, grid, least=10, server_learning_rate=0.5)

    assert model is not None
    assert np.allclose(model, BASE + 0.5 * mean)


def test_what_breaks_in_the_exchange_is_heard() -> None:
    def exchange(config: dict[str, object]) -> list[Reply]:
        raise RuntimeError("the round was given up")

    with pytest.raises(RuntimeError, match="given up"):
        train_once(plan_of(Algorithm.FEDAVG), BASE, CoordinatorGrid(range(1, 13), exchange), least=10, server_learning_rate=1.0)


def test_flower_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    train_once(plan_of(Algorithm.FEDPROX), BASE, CoordinatorGrid(range(1, 13), lambda config: REPLIES), least=10, server_learning_rate=1.0)

    assert capfd.readouterr() == ("", "")
