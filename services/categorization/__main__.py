"""`python -m services.categorization`: the categorization service in its own process."""

from __future__ import annotations

from services.categorization.app import run
from services.categorization.settings import CategorizationSettings
from services.kit.server import run as run_process
from services.kit.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(CategorizationSettings)
    run_process(lambda: run(settings))
