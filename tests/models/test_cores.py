"""Numerical work takes one core, whatever the machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from models.cores import use_one_core
from services.categorization.predictor import load_hypcd
from services.categorization.settings import MODELS_DIR


@pytest.fixture
def two_cores() -> Iterator[None]:
    threads = torch.get_num_threads()
    with threadpool_limits(2, user_api="blas"):
        torch.set_num_threads(2)
        assert blas_threads() == {2}
        yield
    torch.set_num_threads(threads)


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.usefixtures("two_cores")
def test_torch_and_numpy_take_one_core_from_now_on() -> None:
    use_one_core()
    assert (torch.get_num_threads(), blas_threads()) == (1, {1})


@pytest.mark.usefixtures("two_cores")
def test_a_model_that_is_loaded_takes_one_core() -> None:
    """A second thread of numpy's would wait busily, for as long as the first one works."""
    load_hypcd(MODELS_DIR)
    assert (torch.get_num_threads(), blas_threads()) == (1, {1})
