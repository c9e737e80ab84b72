"""`python -m services.forecasting`: the forecasting service in its own process."""

from __future__ import annotations

from functools import partial

from models.artifact import verify
from services.forecasting.app import run
from services.forecasting.settings import ForecastingSettings
from services.kit.needs import Needs
from services.kit.server import run as run_process
from services.kit.settings import load_settings, read_settings

NEEDS = Needs(partial(read_settings, ForecastingSettings), loads=lambda settings: [verify(settings.models_folder)])

if __name__ == "__main__":
    settings = load_settings(ForecastingSettings)
    run_process(lambda: run(settings))
