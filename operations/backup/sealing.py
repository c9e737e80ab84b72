"""How each object of a backup is written: compressed, with its checksum, and encrypted where there is a key.

    "SCALEBK1" | 0 or 1 | key id (8) | nonce (12) | body
    body = SHA-256 of the content (32) | its zlib stream, as it is or, after a 1, under AES-256-GCM

The header and the object's own name are authenticated with the body: an object that is moved to another name does not open.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from operations.backup.problem import BackupProblem

_MAGIC = b"SCALEBK1"
_KEY_ID_BYTES, _NONCE_BYTES, _DIGEST_BYTES = 8, 12, 32
_HEADER_BYTES = len(_MAGIC) + 1 + _KEY_ID_BYTES + _NONCE_BYTES
# Segments of a quiet database are zeros for the most part; the first level takes those away and costs the least.
_LEVEL = 1


@dataclass(frozen=True)
class Sealing:
    """Seals with the first of `keys` and opens with any; without keys, nothing is encrypted."""

    keys: tuple[bytes, ...] = ()

    @property
    def key_id(self) -> str | None:
        """Which key new objects are under, in hex."""
        return _key_id(self.keys[0]).hex() if self.keys else None

    def seal(self, name: str, content: bytes) -> bytes:
        """The object of that name. `content` of up to 2 GiB."""
        body = hashlib.sha256(content).digest() + zlib.compress(content, _LEVEL)
        if not self.keys:
            return _MAGIC + b"\0" + bytes(_KEY_ID_BYTES + _NONCE_BYTES) + body
        nonce = secrets.token_bytes(_NONCE_BYTES)
        header = _MAGIC + b"\1" + _key_id(self.keys[0]) + nonce
        return header + AESGCM(self.keys[0]).encrypt(nonce, body, header + name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """The content again. Raises BackupProblem where the object is damaged, another's, or under a key that is not here."""
        header, body = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
            raise BackupProblem(f"{name} is damaged, or no object of a backup: restore from another base backup.")
        if header[len(_MAGIC)]:
            body = self._decrypt(name, header, body)
        try:
            content = zlib.decompress(body[_DIGEST_BYTES:])
        except zlib.error as error:
            raise BackupProblem(f"{name} is damaged ({error}): restore from another base backup.") from error
        if hashlib.sha256(content).digest() != body[:_DIGEST_BYTES]:
            raise BackupProblem(f"{name} is damaged (wrong checksum): restore from another base backup.")
        return content

    def _decrypt(self, name: str, header: bytes, body: bytes) -> bytes:
        wanted = header[len(_MAGIC) + 1 :][:_KEY_ID_BYTES]
        key = next((one for one in self.keys if _key_id(one) == wanted), None)
        if key is None:
            raise BackupProblem(
                f"{name} is encrypted with the key {wanted.hex()}, which SCALE_BACKUP_KEY_FILE does not hold: add it there."
            )
        try:
            return AESGCM(key).decrypt(header[-_NONCE_BYTES:], body, header + name.encode())
        except InvalidTag:
            raise BackupProblem(f"{name} is damaged, or was put in another's place: restore from another base backup.") from None


def read_sealing(key_file: Path | None) -> Sealing:
    """The keys of a file, 64 hex digits a line; empty lines and those after # are passed over. Raises BackupProblem."""
    if key_file is None:
        return Sealing()
    try:
        lines = key_file.read_text(encoding="ascii").splitlines()
        keys = tuple(bytes.fromhex(line) for line in lines if line.strip() and not line.startswith("#"))
    except OSError as error:
        raise BackupProblem(f"SCALE_BACKUP_KEY_FILE {key_file} cannot be read: {error.strerror}.") from error
    except ValueError:
        raise BackupProblem(f"SCALE_BACKUP_KEY_FILE {key_file} must hold 64 hex digits a line (openssl rand -hex 32).") from None
    if not keys or any(len(key) != 32 for key in keys):
        raise BackupProblem(f"SCALE_BACKUP_KEY_FILE {key_file} must hold 64 hex digits a line (openssl rand -hex 32).")
    return Sealing(keys)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"scale backup key id\0" + key).digest()[:_KEY_ID_BYTES]
