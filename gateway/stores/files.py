"""What is done to spooled files and their folder besides reading."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path


def write_parts(file: int, parts: Iterable[bytes]) -> None:
    """All of them, at the file's position. Blocks. Raises: OSError."""
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(file, view) :]


def lock(folder: int, how: int) -> bool:
    """False when another process has it, or where there are no locks."""
    with contextlib.suppress(OSError):
        fcntl.flock(folder, how)
        return True
    return False


def drop(file: int | None, path: Path | None) -> None:
    """Close the descriptor and remove the name, where there is one."""
    if file is not None:
        os.close(file)
    if path is not None:
        with contextlib.suppress(OSError):  # gone already; what is left is cleared at the next start
            path.unlink()
