"""`python -m services.categorization`: the categorization service in its own process."""

from __future__ import annotations

from functools import partial

from services.categorization.app import run
from services.categorization.predictor import load_hypcd
from services.categorization.settings import CategorizationSettings
from services.kit.needs import Needs
from services.kit.server import run as run_process
from services.kit.settings import load_settings, read_settings

NEEDS = Needs(partial(read_settings, CategorizationSettings), loads=lambda settings: [load_hypcd(settings.models_folder).model.version])

if __name__ == "__main__":
    settings = load_settings(CategorizationSettings)
    run_process(lambda: run(settings))
