"""Statements in other formats than CSV, through REST: chosen by content, never by name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.ingestion.workbooks import PROTECTED, with_password
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
