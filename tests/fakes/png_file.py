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


# https://www.w3.org/TR/png-3/#8InterlaceMethods: where each pass begins and how far it steps, across and down.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def scanlines(size: tuple[int, int], bits: int, pixels: list[int], *, interlaced: bool = False) -> bytes:
    """`pixels` of so many `bits` each, row by row, as `png_file` takes them."""
    width, height = size
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    lines = bytearray()
    for left, top, across, down in passes:
        for y in range(top, height, down):
            if row := pixels[y * width + left : (y + 1) * width : across]:
                packed = "".join(f"{pixel:0{bits}b}" for pixel in row)
                packed += "0" * (-len(packed) % 8)
                lines += b"\0" + int(packed, 2).to_bytes(len(packed) // 8, "big")
    return bytes(lines)
