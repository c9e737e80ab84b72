"""The gate: holds the encoder and the rows held out, and judges heads by them, off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.federated.head import Head
    from models.federated.holdout import HoldOut

log = structlog.get_logger()

Floats = NDArray[np.float32]


class HoldOutGate:
    """`Gate` on the rows of models/federated/holdout.py, as the encoder of a categorizer's folder sees them. One head takes milliseconds;
    the points of the rows are made once, with the first."""

    def __init__(self, folder: Path) -> None:
        """The folder of the categorizer whose encoder the federated model has."""
        self._folder = folder
        self._judge: tuple[Head, HoldOut] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gate")

    async def accuracy(self, head: Floats) -> float:
        """See `Gate`. Raises ArtifactError where the folder holds no categorizer, ValueError for a head that is not of its categories, or
        not all of it numbers."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._accuracy, head)

    async def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _accuracy(self, head: Floats) -> float:
        if self._judge is None:
            self._judge = self._load()
        known, rows = self._judge
        return rows.accuracy(known.with_vector(head))

    def _load(self) -> tuple[Head, HoldOut]:
        # Torch takes two hundred megabytes and a second: in this thread, when it is needed.
        from models.cores import use_one_core
        from models.federated.head import Head, encoder_bytes, load_encoder
        from models.federated.holdout import HoldOut
        from models.hypcd.classifier import Classifier

        use_one_core()
        head = Head.of(Classifier.load(self._folder))
        rows = HoldOut.of(load_encoder(encoder_bytes(self._folder)[0]), head)
        log.info("rows held out are ready", rows=len(rows.truth), accuracy=round(rows.accuracy(head), 4))
        return head, rows
