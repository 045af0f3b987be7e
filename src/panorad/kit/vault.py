"""Secrets at rest: encrypted, and digests that need a key, with one key in a file that only the center's user may read.

A dump of the database alone opens nothing. The key file is made once; who loses it loses what it kept.
"""

from __future__ import annotations

import hmac
import os
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from panorad.kit.errors import Kind, PanoradError


class KeyUnreadable(PanoradError):
    """The center's key file cannot be used"""

    kind = Kind.UNAVAILABLE


class SecretUnreadable(PanoradError):
    """A secret was kept with another key than the one in the home folder"""

    kind = Kind.UNAVAILABLE


class Vault:
    """The key in `path`; read when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make the key file (mode 0600) unless it is there; of two that try at once, one wins."""
        if self.path.exists():
            return
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, self.path)  # fails where another process was faster
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    @cached_property
    def _key(self) -> bytes:
        try:
            found = self.path.read_bytes().strip()
            Fernet(found)
        except (OSError, ValueError) as error:
            raise KeyUnreadable(self.path.name) from error
        return found

    def seal(self, secret: str) -> bytes:
        """The encrypted form of a secret (AES-128-CBC and HMAC-SHA256, the Fernet format). Raises KeyUnreadable."""
        return Fernet(self._key).encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """The secret again. Raises SecretUnreadable when another key sealed it or the bytes were changed."""
        try:
            return Fernet(self._key).decrypt(bytes(sealed)).decode()
        except InvalidToken as error:
            raise SecretUnreadable from error

    def digest(self, text: str) -> bytes:
        """HMAC-SHA256 of a text, of no use to who has not the key. Raises KeyUnreadable."""
        return hmac.digest(self._key, text.encode(), sha256)
