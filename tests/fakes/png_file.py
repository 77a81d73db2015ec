"""PNG files written chunk by chunk, of kinds that Pillow does not write."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, depth: int, colour: int, *, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png_file(
    size: tuple[int, int], depth: int, colour: int, pixels: bytes, *extra: bytes, interlaced: bool = False
) -> bytes:
    """A PNG of `pixels`, which are rows with their filter bytes; `extra` chunks stand before them."""
    head = header(*size, depth, colour, interlaced=interlaced)
    return SIGNATURE + head + b"".join(extra) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
