"""`scale export` and `scale restore`."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path

from tests.clients.conftest import FakeGateway, Scale


def made_zip(*, whole: bool = True) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as file:
        file.writestr(zipfile.ZipInfo("accounts/transactions.csv"), "date\n")
        if whole:
            files = [{"name": "transactions.csv", "rows": 1200}]
            file.writestr(zipfile.ZipInfo("manifest.json"), json.dumps({"services": [{"name": "accounts", "files": files}]}))
    return kept.getvalue()


def test_export_is_written_for_its_owner_alone(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.answer("GET /api/v1/export", made_zip(), headers={"Content-Type": "application/zip"})
    target = tmp_path / "mine.zip"
    result = scale("export", "-o", str(target))
    assert result.exit_code == 0, result.output
    assert "1,200 rows in 1 files" in result.output
    assert target.read_bytes() == made_zip()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    refused = scale("export", "-o", str(target))
    assert refused.exit_code == 1
    assert "--force" in refused.output
    assert scale("export", "-o", str(target), "--force").exit_code == 0


def test_what_is_cut_short_leaves_no_file(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    for content, status in ((made_zip(whole=False), 200), (made_zip()[:-30], 200), ({"detail": "Busy", "status": 429}, 429)):
        gateway.answers.clear()
        gateway.answer("GET /api/v1/export", content, status)
        result = scale("export", "-o", str(tmp_path / "mine.zip"))
        assert result.exit_code == 1, result.output
        assert not list(tmp_path.iterdir())
    assert "Busy (429)" in str(result.exception)


def test_restore_says_what_came_back(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    file = tmp_path / "mine.zip"
    file.write_bytes(made_zip())
    counts = {"rows": 3, "inserted": 2, "duplicates": 1, "suspected_duplicates": 0, "zero_amount": 0, "rejected": 0}
    tables = {"accounts.transactions": {"rows": 3, "restored": 2}, "accounts.rules": {"rows": 0, "restored": 0}}
    answer = {
        "id": "i",
        "state": "succeeded",
        "file_name": "mine.zip",
        "file_format": "scale-export",
        "counts": counts,
        "detected": {"tables": tables},
    }
    gateway.answer("POST /api/v1/restore", answer, 201)
    result = scale("restore", str(file))
    assert result.exit_code == 0, result.output
    assert "mine.zip: 2 of 3 transactions" in result.output
    assert "accounts.transactions: 2 of 3" in result.output
    assert "rules" not in result.output
    assert made_zip() in gateway.seen[0].body
