"""`python -m services.accounts`: the accounts service in its own process."""

from __future__ import annotations

from functools import partial

from services.accounts.app import run
from services.accounts.settings import AccountsSettings
from services.kit.needs import Needs
from services.kit.server import run as run_process
from services.kit.settings import load_settings, read_settings

NEEDS = Needs(partial(read_settings, AccountsSettings))

if __name__ == "__main__":
    settings = load_settings(AccountsSettings)
    run_process(lambda: run(settings))
