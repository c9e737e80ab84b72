"""The silo as an app of Flower's. It runs in `node.py`, and in Flower's own SuperNode, which finds it by the name in the run's bundle."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from clients.device.ledger_export import read_ledger
from clients.device.problem import PolicyRefused
from clients.device.silo.silo import Silo

ASSIGNMENT, HEAD, UPDATE, CONFIG = "assignment", "head", "update", "config"
"""Names in the messages, which services/federation/silos.py knows as well."""
FOLDER, DATA = "folder", "ledger"
"""In the node's configuration: the silo's folder, and the export that it trains on."""

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """One update. What it raises reaches the coordinator as words."""
    silo = _silo(str(context.node_config[FOLDER]), str(context.node_config[DATA]))
    return answer(silo, message)


def answer(silo: Silo, message: Message) -> Message:
    """The silo's reply."""
    asked = message.content.get(CONFIG)
    assignment, head = (asked.get(name) if isinstance(asked, ConfigRecord) else None for name in (ASSIGNMENT, HEAD))
    if not isinstance(assignment, bytes) or not isinstance(head, bytes):
        raise PolicyRefused("MALFORMED", "the message holds no assignment and head")
    update = silo.train(assignment, head)
    return Message(RecordDict({UPDATE: ArrayRecord({UPDATE: Array(update)})}), reply_to=message)


@lru_cache(maxsize=1)
def _silo(folder: str, ledger: str) -> Silo:
    return Silo(Path(folder), partial(read_ledger, Path(ledger)))
