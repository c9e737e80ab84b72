"""The running system does what docs/openapi.json says, whatever it is sent; and its page tokens cannot be made or changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = pytest.mark.e2e

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "missing_required_header",
)


@pytest.mark.slow
def test_schemathesis_finds_no_server_error_and_no_broken_promise(system: LocalSystem, user: RestUser, tmp_path: Path) -> None:
    """About 1,500 requests, valid and invalid, made from the document itself. The seed is fixed: a failure can be repeated."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{system.gateway_url}/openapi.json",
        f"--header=Authorization: {user.http.headers['Authorization']}",
        f"--checks={','.join(CHECKS)}",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=15",
        "--generation-deterministic",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.requirement("GW-10")
def test_altered_page_token_is_422(user: RestUser) -> None:
    user.imported("date,amount,description\n" + "".join(f"2026-01-{day:02d},-{day}.00,Shop {day}\n" for day in range(1, 11)))
    page = user.http.get("/transactions", params={"page_size": 3}).json()
    token = page["next_page_token"]
    assert user.http.get("/transactions", params={"page_size": 3, "page_token": token}).status_code == 200
    changed = [token[:-1] + ("A" if token[-1] != "A" else "B"), token[1:], token + "AA", "x"]
    for parameters in [{"page_token": one} for one in changed] + [{"page_token": token, "type": "debit"}]:
        response = user.http.get("/transactions", params=parameters)
        assert response.status_code == 422, parameters
        assert response.json()["errors"][0]["field"] == "page_token"


def test_page_token_of_somebody_else_is_422(system: LocalSystem, user: RestUser) -> None:
    user.imported("date,amount,description\n2026-01-01,-1.00,A\n2026-01-02,-2.00,B\n")
    token = user.http.get("/transactions", params={"page_size": 1}).json()["next_page_token"]
    other = RestUser(system)
    assert other.http.get("/transactions", params={"page_size": 1, "page_token": token}).status_code == 422
    other.close()


@pytest.mark.requirement("ING-18", "ING-22")
def test_read_after_write_and_etag(user: RestUser) -> None:
    """ING-18, ING-22: what was written is in the next answer, and a client's cached page is known to be old."""
    before = user.http.get("/transactions")
    user.imported("date,amount,description\n2026-01-01,-1.00,A\n")
    after = user.http.get("/transactions", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert len(after.json()["items"]) == 1
    assert user.http.get("/transactions", headers={"If-None-Match": after.headers["etag"]}).status_code == 304
