"""A file system that can be filled, mounted for one test: what a full disk does is the kernel's own word."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1024 * 1024


class SmallDisk:
    """At `path`; `fill` takes all of it but so many bytes, `free` gives that back."""

    def __init__(self, path: Path) -> None:
        self.path, self._filler = path, path / "filler"

    def fill(self, left: int = 0) -> None:
        self.free()
        file = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        try:
            while (length := shutil.disk_usage(self.path).free - left) > 0:
                try:
                    os.posix_fallocate(file, 0, length)
                    break
                except OSError as error:  # somebody else has written meanwhile
                    if error.errno != errno.ENOSPC:
                        raise
        finally:
            os.close(file)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path, mib: int) -> Iterator[SmallDisk]:
    """A tmpfs of so many MiB. Skips where nothing can be mounted, which CI does not allow."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        assert not os.environ.get("CI"), f"these tests need to mount a tmpfs: {done.stderr}"
        pytest.skip(f"no tmpfs can be mounted: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
