#!/usr/bin/env bash
# Pillow 13.0.0: the colour key of a PNG is not scaled together with its samples, so that transparency is lost.
#
# A greyscale or true-colour PNG may name one colour as transparent (chunk tRNS). The key is written in the file's own
# sample depth. Pillow widens samples of 2 and 4 bits to 8 and cuts true-colour samples of 16 bits to 8, but hands on the
# key as it stands, in info["transparency"], and compares the two:
#   grey, 2 or 4 bits:     white (3 or 15 in the file) becomes 255, the key stays 3 or 15; nothing is transparent
#   true colour, 16 bits:  0x1020 becomes 0x10, the key stays 0x1020; nothing is transparent
#   grey, 1, 8 or 16 bits; true colour, 8 bits: right
# has_transparency_data is True all the same, nothing is raised, and a key of 0 works at every depth. Saved again as PNG,
# the picture has 8-bit samples beside the old key, and its transparency stays lost.
#
# Why it matters to gateways: in OpenAI's image edits the transparent part of a mask is the part to be painted. A mask of
# few tones fits into 2 or 4 bits, and read like this it says "change nothing".
#
# Each picture below has two pixels: black, and one in the key's colour, which ought to get alpha 0. Seen with CPython 3.11.
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

GREY, COLOUR = 0, 2


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth: int, colour_type: int, key: tuple[int, ...]) -> bytes:
    """Two pixels side by side: all zero, and `key`."""
    samples = [0] * len(key) + list(key)
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    bits += "0" * (-len(bits) % 8)
    row = b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, depth, colour_type, 0, 0, 0))
        + chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )


CASES = [
    ("grey, 1 bit", 1, GREY, (1,), True),
    ("grey, 2 bits", 2, GREY, (3,), False),
    ("grey, 4 bits", 4, GREY, (15,), False),
    ("grey, 8 bits", 8, GREY, (255,), True),
    ("grey, 16 bits", 16, GREY, (0xFFFF,), True),
    ("colour, 8 bits", 8, COLOUR, (0x10, 0x30, 0x50), True),
    ("colour, 16 bits", 16, COLOUR, (0x1020, 0x3040, 0x5060), False),
]

print("Pillow", PIL.__version__)
same = True
for name, depth, colour_type, key, expected in CASES:
    image = Image.open(io.BytesIO(png(depth, colour_type, key)))
    claimed, kept = image.has_transparency_data, image.info["transparency"]
    other, keyed = (image.convert("RGBA").getpixel((x, 0)) for x in (0, 1))
    honoured = keyed[3] == 0
    saved = io.BytesIO()
    image.save(saved, "PNG")
    again = Image.open(saved).convert("RGBA").getpixel((1, 0))[3] == 0
    zero = Image.open(io.BytesIO(png(depth, colour_type, (0,) * len(key)))).convert("RGBA").getpixel((0, 0))[3] == 0
    now, later = ("transparent" if kept_alpha else "OPAQUE" for kept_alpha in (honoured, again))
    print(f"  {name:15}  mode {image.mode:4}  key {kept!s:21}  keyed pixel {keyed!s:20}  {now:11}  saved again: {later}")
    same = same and claimed and other[3] == 255 and honoured == again == expected and zero
if not same:
    sys.exit("CHANGED: other depths than 2 and 4 bits of grey and 16 bits of colour lose their transparency")
print("as described: the key is lost at 2 and 4 bits of grey and at 16 bits of colour")
PYTHON
