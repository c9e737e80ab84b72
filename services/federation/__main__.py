"""`python -m services.federation`: the coordinator of federated learning in its own process."""

from __future__ import annotations

from functools import partial

from models.artifact import verify
from services.federation.app import run
from services.federation.settings import FederationSettings
from services.kit.needs import Needs
from services.kit.server import run as run_process
from services.kit.settings import load_settings, read_settings

NEEDS = Needs(partial(read_settings, FederationSettings), loads=lambda settings: [verify(settings.categorizer_folder)])

if __name__ == "__main__":
    settings = load_settings(FederationSettings)
    run_process(lambda: run(settings))
