"""Flower's Grid over the open round: the one file that touches what flwr keeps to itself (tests/federation/test_grid.py holds it to that).

A strategy believes that it sends messages to nodes and gets replies. Here the nodes are the round's devices, or its groups, and the replies
come from what the coordinator has collected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, NoReturn

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from numpy.typing import NDArray

ARRAY, ARRAYS, CONFIG, METRICS = "head", "arrays", "config", "metrics"
WEIGHT, CONTRIBUTORS = "num-examples", "contributor-count"
_RUN = 1

# It tells of every step of every round, to the terminal, in colours. What goes wrong it raises.
logging.getLogger("flwr").disabled = True


class Reply(NamedTuple):
    """What came of one device, or of one group."""

    node_id: int
    mean: NDArray[np.float64]
    """The update, or the weighted mean of the group's: [update_length]."""
    weight: float
    contributor_count: int


Exchange = Callable[[dict[str, object]], Sequence[Reply]]
"""Carries a training out, however long it takes, and returns what came of it. Its argument: what the strategy tells the nodes."""


class CoordinatorGrid(Grid):
    """One training of one round. Its calls block: not for the event loop."""

    def __init__(self, node_ids: Sequence[int], exchange: Exchange) -> None:
        # Messages name the task that sends them, which Flower's own processes are told when they start.
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = _RUN, _RUN, _RUN
        self._node_ids = list(node_ids)
        self._exchange = exchange

    def set_run(self, run: Run) -> None:
        """There is none."""

    @property
    def run(self) -> Run:
        """There is none."""
        raise NotImplementedError("rounds are no runs of Flower's")

    def create_message(self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None) -> Message:
        """A message to one node."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """The devices of the round."""
        return list(self._node_ids)

    def push_messages(self, messages: Iterable[Message]) -> NoReturn:
        """Only whole exchanges."""
        raise NotImplementedError("a round is one exchange: send_and_receive")

    def pull_messages(self, message_ids: Iterable[str]) -> NoReturn:
        """Only whole exchanges."""
        raise NotImplementedError("a round is one exchange: send_and_receive")

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Replies with whole models, as strategies want them: what was sent, and the update on top. How long it may take is said by the
        round's own deadlines."""
        sent = {message.metadata.dst_node_id: message for message in messages}
        if not sent:
            return []
        if any(message.metadata.message_type != MessageType.TRAIN for message in sent.values()):
            raise NotImplementedError("devices train, and nothing else")
        first = next(iter(sent.values()))
        base = array_of(first.content[ARRAYS])
        return [self._reply(sent[reply.node_id], base, reply) for reply in self._exchange(dict(first.content[CONFIG]))]

    def _reply(self, message: Message, base: NDArray[np.float64], reply: Reply) -> Message:
        # A reply names the message that it answers, whose id Flower's own server would have given it.
        message.metadata.__dict__["_message_id"] = f"message-{reply.node_id}"
        metrics = MetricRecord({WEIGHT: float(reply.weight), CONTRIBUTORS: int(reply.contributor_count)})
        return Message(RecordDict({ARRAYS: arrays_of(base + reply.mean), METRICS: metrics}), reply_to=message)


def arrays_of(vector: NDArray[np.float64]) -> ArrayRecord:
    """A head as strategies know models."""
    return ArrayRecord({ARRAY: Array(np.asarray(vector, np.float64))})


def array_of(record: object) -> NDArray[np.float64]:
    """The head in a record."""
    assert isinstance(record, ArrayRecord)  # nosec B101  # tells mypy which of the records it is
    return np.asarray(record[ARRAY].numpy(), np.float64)
