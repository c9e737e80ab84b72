"""`python -m services.kit.monitor SERVICE ...`: Celery's own monitor (celery-flower) for the queues of these services; nothing to do with
federated learning. Optional: `pip install scale-finance[monitor]`.

It shows how long queues are, and what workers tell of their tasks (SCALE_QUEUE_EVENTS). Nobody gets in without a password.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec

from pydantic import AliasChoices, Field, SecretStr, field_validator

from services.kit.needs import Needs
from services.kit.queue import make_celery
from services.kit.server import set_up_process
from services.kit.settings import WorkerSettings, load_settings, read_settings, service_config

NAME = "monitor"
LEAST_PASSWORD_CHARS = 12


class MonitorSettings(WorkerSettings):
    """What the monitor reads: it knows the queue alone."""

    model_config = service_config(NAME)

    host: str = Field("127.0.0.1", validation_alias=AliasChoices("SCALE_MONITOR_HOST"), description="Address to listen on.")
    port: int = Field(5555, ge=1, le=65535, validation_alias=AliasChoices("SCALE_MONITOR_PORT"), description="Port to listen on.")
    basic_auth: SecretStr = Field(
        validation_alias=AliasChoices("SCALE_MONITOR_BASIC_AUTH"),
        description="Who may look: user:password, several comma separated; passwords of at least 12 characters.",
    )
    redis_url: SecretStr = Field(
        validation_alias=AliasChoices("SCALE_REDIS_URL"), description="redis:// or rediss:// address of the queue."
    )

    @field_validator("basic_auth")
    @classmethod
    def _not_to_be_guessed(cls, given: SecretStr) -> SecretStr:
        for entry in given.get_secret_value().split(","):
            user, _, password = entry.strip().partition(":")
            if not user or len(password) < LEAST_PASSWORD_CHARS:
                raise ValueError(f"each entry must be user:password, with a password of at least {LEAST_PASSWORD_CHARS} characters")
        return given


def show(settings: MonitorSettings, services: Sequence[str]) -> None:
    """Answers until SIGTERM."""
    set_up_process(NAME, settings)
    # Not as an argument, which every user of the machine could read.
    os.environ["FLOWER_BASIC_AUTH"] = settings.basic_auth.get_secret_value()
    # Its API could end tasks; and workers take no orders anyway.
    os.environ["FLOWER_UNAUTHENTICATED_API"] = "false"
    celery = make_celery(NAME, settings.redis_url.get_secret_value(), services=services)
    celery.start(["flower", f"--address={settings.host}", f"--port={settings.port}", "--enable-events=False"])


def main(services: Sequence[str]) -> None:
    """The monitor for the queues of these services."""
    if find_spec("flower") is None:
        raise SystemExit("The monitor is not installed: pip install 'scale-finance[monitor]'.")
    if not services:
        raise SystemExit("usage: python -m services.kit.monitor accounts ingestion ...")
    show(load_settings(MonitorSettings), services)


NEEDS = Needs(partial(read_settings, MonitorSettings), modules=lambda _: ["flower.command"])

if __name__ == "__main__":
    main(sys.argv[1:])
