"""The side of a client: one step of the same size for everybody."""

from __future__ import annotations

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()

STEP = np.float32(0.001)


@app.train()
def train(message: Message, context: Context) -> Message:
    """The head, moved by a step."""
    (head,) = message.content.array_records["arrays"].to_numpy_ndarrays()
    content = RecordDict({"arrays": ArrayRecord([head + STEP]), "metrics": MetricRecord({"num-examples": 1})})
    return Message(content, reply_to=message)
