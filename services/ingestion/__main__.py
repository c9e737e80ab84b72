"""`python -m services.ingestion`."""

from __future__ import annotations

from services.ingestion.app import main
from services.kit.server import run

if __name__ == "__main__":
    run(main)
