"""`python -m services.gateway`: the process."""

from __future__ import annotations

from services.gateway.app import build_app
from services.gateway.server import serve
from services.gateway.settings import GatewaySettings
from services.kit.server import run, set_up_process
from services.kit.settings import load_settings


async def _main() -> None:
    settings = load_settings(GatewaySettings)
    set_up_process("gateway", settings)
    await serve(build_app(settings), settings)


if __name__ == "__main__":
    run(_main)
