"""`python -m operations.backup COMMAND`: see docs/backup-restore.md. Exits with 1 on a problem, with what to do about it."""

from __future__ import annotations

import os
import sys
from functools import partial

from operations.backup.commands import main
from operations.backup.settings import BackupSettings
from services.kit.needs import Needs
from services.kit.settings import read_settings
from services.local.postgres import binaries

NEEDS = Needs(partial(read_settings, BackupSettings), loads=lambda settings: [settings.target(), str(binaries())])

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is written and closed. The object storage's own threads must not meet an interpreter that is being taken down: that ends in an
    # abort now and then, which PostgreSQL takes for a failure of what has succeeded.
    os._exit(code)
