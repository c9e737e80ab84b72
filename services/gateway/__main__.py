"""`python -m services.gateway`: the process."""

from __future__ import annotations

import asyncio
from functools import partial

from services.gateway.app import build_app
from services.gateway.dependencies import Dependencies
from services.gateway.openapi import ASSETS, asset
from services.gateway.processes import serve_in_processes
from services.gateway.server import serve
from services.gateway.settings import GatewaySettings
from services.kit.needs import Needs
from services.kit.server import run, set_up_process
from services.kit.settings import load_settings, read_settings
from services.kit.telemetry import export_at_scrape

NEEDS = Needs(
    partial(read_settings, GatewaySettings),
    modules=lambda _: ["uvicorn.lifespan.on"],
    # The page that describes the interface comes with a package.
    loads=lambda _: [name for name in ASSETS if asset(name)],
)


async def _answer(settings: GatewaySettings) -> None:
    set_up_process("gateway", settings)
    app = build_app(settings)
    export_at_scrape(Dependencies(app, asyncio.get_running_loop()))
    await serve(app, settings)


def main() -> None:
    """One process, or as many as WEB_CONCURRENCY says under this one."""
    settings = load_settings(GatewaySettings)
    if settings.processes > 1:
        serve_in_processes(settings)
    else:
        run(lambda: _answer(settings))


if __name__ == "__main__":
    main()
