"""`python -m services.training`: the training service in its own process."""

from __future__ import annotations

from functools import partial

from services.kit.needs import Needs
from services.kit.server import run as run_process
from services.kit.settings import load_settings, read_settings
from services.training.app import run
from services.training.settings import TrainingSettings

NEEDS = Needs(partial(read_settings, TrainingSettings))

if __name__ == "__main__":
    settings = load_settings(TrainingSettings)
    run_process(lambda: run(settings))
