"""One secret of the gateway's own, in a private file, and a key from it for each purpose."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from blake3 import blake3

NAME = "secret"
LENGTH = 32


class Keyring:
    """`secret` is never used itself: what one purpose gives away tells nothing of another's key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._keys: dict[str, bytes] = {}

    @classmethod
    def passing(cls) -> Keyring:
        """For as long as the process lives."""
        return cls(secrets.token_bytes(LENGTH))

    @classmethod
    def kept(cls, folder: Path) -> Keyring:
        """
        The one in the folder, made when there is none. Blocks.

        Raises: OSError, also for a file that is not the gateway's alone or was not written whole.
        """
        path = folder / NAME
        if not path.exists():
            _write(path, secrets.token_bytes(LENGTH))
        if path.stat().st_mode & 0o077:
            raise OSError(f"{path} can be read by others: it signs links and call-backs. `chmod 600` it, or remove it")
        secret = path.read_bytes()
        if len(secret) != LENGTH:
            raise OSError(f"{path} does not have {LENGTH} bytes: remove it; links given out before are not valid then")
        return cls(secret)

    def key(self, purpose: str) -> bytes:
        """32 bytes."""
        if purpose not in self._keys:
            self._keys[purpose] = blake3(self._secret, derive_key_context=f"image-gateway {purpose}").digest()
        return self._keys[purpose]


def _write(path: Path, secret: bytes) -> None:
    """Whole or not at all, whatever happens meanwhile."""
    half = path.with_suffix(".tmp")
    with contextlib.suppress(FileNotFoundError):
        half.unlink()
    file = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, secret)
        os.fsync(file)
    finally:
        os.close(file)
    half.replace(path)
