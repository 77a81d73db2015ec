#!/usr/bin/env bash
# Pillow 13.0.0: emptying the `info` of an opened interlaced PNG changes its pixels, or makes it unreadable.
#
# Image.open() reads the head only; the pixels are decoded at the first use. The PNG reader leaves "interlace" in
# image.info and asks that same dictionary, while decoding, whether the seven passes are to be put together. Whoever has
# emptied it in between gets the passes read as if they were rows one after the other:
#   grey picture:                  OSError, the data are called unrecognised
#   palette of four colours:       no error, most pixels wrong
# The difference is only chance: each pixel that stands where a row's filter byte is expected is taken for one, and the
# numbers 0 to 4 are valid filters. With load() before the emptying, both pictures are right.
#
# Why it matters to gateways: emptying image.info is a handy way to keep profiles and comments out of what is saved again.
# It looks as if it could touch nothing but annotations; done before the first use it can damage the interlaced files of few
# colours, such as masks and logos, and nobody is told.
#
# Seen with CPython 3.11; the pictures are made here, and the outcome is the same in every run.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0

"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib

import PIL
from PIL import Image

SIDE = 16
# First column, first row, columns between, rows between: the seven passes of the PNG specification (Adam7).
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
GREY, PALETTE = 0, 3


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced(colour_type: int, rows: list[bytes]) -> bytes:
    """A PNG of 8 bits a sample, no row filtered."""
    data = b"".join(
        b"\0" + rows[y][left::across] for left, top, across, down in PASSES for y in range(top, SIDE, down)
    )
    colours = chunk(b"PLTE", bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])) if colour_type == PALETTE else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, colour_type, 0, 0, 1))
        + colours
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def decoded(file: bytes, *, load_first: bool, empty: bool) -> bytes | None:
    image = Image.open(io.BytesIO(file))
    if load_first:
        image.load()
    if empty:
        image.info.clear()
    try:
        return image.tobytes()
    except OSError as error:
        print(f"    raised {type(error).__name__}: {error}")
        return None


def wrong(rows: list[bytes], seen: bytes | None) -> int | None:
    return None if seen is None else sum(a != b for a, b in zip(b"".join(rows), seen, strict=True))


print("Pillow", PIL.__version__)
pictures = {
    "grey ramp": (GREY, [bytes(8 * x + 7 * y for x in range(SIDE)) for y in range(SIDE)]),
    "palette of four": (PALETTE, [bytes(x // 4 for x in range(SIDE)) for _ in range(SIDE)]),
}
results = {}
for name, (colour_type, rows) in pictures.items():
    file = interlaced(colour_type, rows)
    for how, options in {
        "info kept": {"load_first": False, "empty": False},
        "loaded, then emptied": {"load_first": True, "empty": True},
        "emptied, then loaded": {"load_first": False, "empty": True},
    }.items():
        count = results[name, how] = wrong(rows, decoded(file, **options))
        print(f"  {name:15}  {how:20}  {'no picture' if count is None else f'{count} of {SIDE * SIDE} pixels wrong'}")

harmless = all(count == 0 for (_, how), count in results.items() if how != "emptied, then loaded")
grey, palette = (results[name, "emptied, then loaded"] for name in pictures)
if not (harmless and grey is None and palette is not None and palette > SIDE * SIDE // 2):
    sys.exit("CHANGED: emptying info no longer does this to interlaced PNGs")
print("as described: one picture is refused, the other silently wrong")
PYTHON
