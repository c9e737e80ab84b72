"""What an object of a backup gives away, and what it notices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from operations.backup.problem import BackupProblem
from operations.backup.sealing import Sealing, read_sealing

pytestmark = pytest.mark.requirement("SEC-22", "DB-67")
CONTENT = b"REWE SAGT DANKE 4711" * 1000
KEYS = (os.urandom(32), os.urandom(32))


@pytest.mark.parametrize("keys", [(), KEYS], ids=["plain", "encrypted"])
@pytest.mark.parametrize("content", [b"", b"\0" * 100_000, CONTENT], ids=["empty", "zeros", "text"])
def test_what_is_sealed_opens_again(keys: tuple[bytes, ...], content: bytes) -> None:
    sealing = Sealing(keys)
    sealed = sealing.seal("wal/1/a", content)
    assert sealing.open("wal/1/a", sealed) == content
    assert len(sealed) < 200 + len(content) // 4


def test_a_key_hides_the_content_and_two_objects_of_it_differ() -> None:
    sealing = Sealing(KEYS)
    assert sealing.seal("a", os.urandom(8) + b"REWE") != sealing.seal("a", b"REWE")
    assert sealing.seal("a", CONTENT) != sealing.seal("a", CONTENT)
    assert b"REWE" not in sealing.seal("a", b"REWE")


@pytest.mark.parametrize("keys", [(), KEYS], ids=["plain", "encrypted"])
def test_every_flipped_byte_and_every_missing_one_is_noticed(keys: tuple[bytes, ...]) -> None:
    sealing = Sealing(keys)
    sealed = sealing.seal("a", b"some content")
    # Key and nonce of what is not encrypted say nothing, and nobody reads them.
    unread = range(9, 29) if not keys else range(0)
    for index in set(range(len(sealed))) - set(unread):
        with pytest.raises(BackupProblem):
            sealing.open("a", sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :])
        with pytest.raises(BackupProblem):
            sealing.open("a", sealed[:index])


def test_an_encrypted_object_opens_under_its_own_name_alone() -> None:
    sealing = Sealing(KEYS)
    with pytest.raises(BackupProblem, match="another's place"):
        sealing.open("wal/1/b", sealing.seal("wal/1/a", CONTENT))


def test_after_a_change_of_keys_old_objects_still_open_and_a_missing_key_is_named(tmp_path: Path) -> None:
    old = Sealing(KEYS[1:])
    assert Sealing(KEYS).open("a", old.seal("a", CONTENT)) == CONTENT
    with pytest.raises(BackupProblem, match=str(old.key_id)):
        Sealing(KEYS[:1]).open("a", old.seal("a", CONTENT))


def test_a_file_of_keys_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the new one first\n{KEYS[0].hex()}\n\n{KEYS[1].hex()}\n", encoding="ascii")
    assert read_sealing(file) == Sealing(KEYS)
    assert read_sealing(None) == Sealing()


@pytest.mark.parametrize("text", ["", "\n# none\n", "abcd", "zz" * 32, "00" * 31, "ü"])
def test_a_file_without_good_keys_is_refused_with_what_it_should_hold(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BackupProblem, match="64 hex digits"):
        read_sealing(file)
    with pytest.raises(BackupProblem, match="cannot be read"):
        read_sealing(tmp_path / "missing")
