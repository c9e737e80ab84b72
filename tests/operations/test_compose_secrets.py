"""The secrets that an installation begins with: they fit each other, each process has its own, and nothing is made over."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509

from operations.cluster_secrets import make_secrets
from operations.compose_secrets import main, variables
from services.kit.tls import ClientTls, ServerTls

pytestmark = pytest.mark.requirement("SEC-29")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "secrets"
    assert main([str(folder), "--name", "federation.example.com"]) == 0
    return folder


def test_nobody_else_may_look(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.env")} == {0o600}
    # Others read these in containers; each is mounted where it is needed.
    others = {path.name for path in folder.iterdir() if path.suffix != ".env"}
    assert others == {"roles.sql", "userlist.txt", "backup.keys", "ca.crt", "tls.crt", "tls.key"}


def test_what_is_there_is_not_made_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main([str(folder)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_each_process_has_its_own() -> None:
    files = variables(make_secrets())
    holders: dict[str, set[str]] = {}
    for name, found in files.items():
        for variable, value in found.items():
            if variable.endswith(
                ("_DATABASE_URL", "_SERVICE_KEY", "_REGISTRY_KEY", "_PASSWORD", "_ARTIFACT_KEY", "_LINK_KEY", "_DEVICE_KEY")
            ):
                holders.setdefault(value, set()).add(name)
    assert {
        frozenset(part.removesuffix("-worker") for part in names)
        for names in holders.values()
        if len(names) > 1 and "postgres" not in names
    } <= {frozenset({service}) for service in ("accounts", "ingestion", "categorization", "forecasting", "training")}
    # Who works in the background can make no user's token.
    assert [name for name, found in files.items() if "SCALE_AUTH_SECRET" in found and name.endswith("-worker")] == []
    assert "SCALE_AUTH_SECRET" not in files["beat"]


def test_the_certificate_is_the_authoritys_for_these_names(folder: Path) -> None:
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    issued = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
    issued.verify_directly_issued_by(authority)
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == ["federation", "localhost", "federation.example.com"]
    ServerTls(folder / "tls.crt", folder / "tls.key", None).read()
    ClientTls(folder / "ca.crt", None, None).read()


def test_services_ask_the_database_itself(folder: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.env"))
    assert "@postgres:5432/scale\n" in text
    assert "pgbouncer" not in text
    assert "_session" not in text
