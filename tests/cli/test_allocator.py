"""What is asked of the C library."""

from __future__ import annotations

import ctypes
import sys

import pytest

from gateway.cli import allocator


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_the_library_takes_every_option() -> None:
    """`mallopt` answers 1 to each of them, so none is a number that it does not know."""
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in (
        (allocator.ARENA_MAX, 1),
        (allocator.TRIM_THRESHOLD, 2**24),
        (allocator.MMAP_THRESHOLD, 2**22),
    ):
        assert mallopt(option, value) == 1
    allocator.settle()
