"""What SCALE promises, row by row, and what proves each: docs/requirements-status.md is made from here."""
