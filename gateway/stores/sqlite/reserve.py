"""Disk space set aside, so that what was paid for can still be written down when the disk is full."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Some pictures for each of the tasks that may run, and their rows.
RESERVE_BYTES = 64 * 1024 * 1024


class Reserve:
    """A file of `length` bytes at `path`, given up at the first sign of trouble. Every method blocks."""

    def __init__(self, path: Path, length: int) -> None:
        self._path, self._length = path, length

    def fill(self) -> None:
        """Set the space aside, if it is not yet. Raises: OSError when there is too little."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size == self._length:
                return
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, self._length)
        except OSError:
            self.free()
            raise
        finally:
            os.close(file)

    def free(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()
