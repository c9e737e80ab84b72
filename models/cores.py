"""How many cores numerical work takes."""

from __future__ import annotations

import torch
from threadpoolctl import threadpool_limits


def use_one_core() -> None:
    """Has torch and numpy work in the thread that asks them, in this process from now on.

    Batches are small: further threads would mostly wait for each other, and those of numpy's BLAS do so busily. Nor does a result then
    depend on the machine.
    """
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
