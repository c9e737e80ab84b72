"""The SCRAM verifier, held against PostgreSQL's own rules in tests/local/test_servers.py and here against RFC 7677."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from services.local.postgres import scram_verifier


def test_a_verifier_holds_the_keys_of_the_password_and_not_the_password() -> None:
    verifier = scram_verifier("pencil")
    found = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)", verifier)
    assert found
    iterations, salt, stored_key, server_key = int(found[1]), *map(base64.b64decode, found.groups()[1:])
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, iterations)
    assert server_key == hmac.digest(salted, b"Server Key", "sha256")
    assert stored_key == hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert "pencil" not in verifier


def test_two_verifiers_of_one_password_differ() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")
