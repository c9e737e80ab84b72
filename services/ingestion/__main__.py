"""`python -m services.ingestion`: the ingestion service in its own process."""

from __future__ import annotations

from functools import partial

from services.ingestion.app import run
from services.ingestion.settings import IngestionSettings
from services.kit.needs import Needs
from services.kit.server import run as run_process
from services.kit.settings import load_settings, read_settings

NEEDS = Needs(partial(read_settings, IngestionSettings))

if __name__ == "__main__":
    settings = load_settings(IngestionSettings)
    run_process(lambda: run(settings))
