"""
The chunks of a PNG that its picture is made of. Only a worker process imports this.

Pillow refuses a whole picture for words beside it that are long, misshapen or have a wrong checksum. Viewers show it:
libpng leaves such a chunk out. So Pillow gets the others only.
https://www.w3.org/TR/png-3/#5Chunk-naming-conventions, https://www.w3.org/TR/png-3/#13Decoders.Errors
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32, decompressobj
from zlib import error as ZlibError

from PIL import PngImagePlugin

# https://www.w3.org/TR/png-3/#11addnlcolinfo: how long each is.
_COLOURS: Mapping[bytes, int] = {b"cHRM": 32, b"gAMA": 4, b"sRGB": 1, b"cICP": 4}
_START, _HEAD, _FRAME = 8, 8, 12
_ANCILLARY = 0x20
# As much as libpng takes; a table for a printer has two megabytes.
MOST_PROFILE_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Chunks:
    """
    `bare` is the file without all that no pixel needs. `profile` and `colours` say what its numbers mean: the ICC
    profile, and other chunks by their names.
    """

    bare: bytes
    profile: bytes | None
    colours: Mapping[bytes, bytes]

    def info(self, *, profiled: bool) -> PngImagePlugin.PngInfo:
        """To be written again. A profile stands over all other words but cICP, which stands over it."""
        info = PngImagePlugin.PngInfo()
        for kind, data in self.colours.items():
            if not profiled or kind == b"cICP":
                info.add(kind, data)
        return info


def read_chunks(file: memoryview) -> Chunks:
    """What is in a PNG that was followed to its end before."""
    kept: list[bytes | memoryview] = [file[:_START]]
    colours, profile, drawn = dict[bytes, bytes](), None, False
    for kind, whole in _walk(file):
        drawn |= kind == b"IDAT"
        if not kind[0] & _ANCILLARY:
            kept.append(whole)
        elif drawn or crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
            continue
        elif kind == b"tRNS":
            kept.append(whole)
        elif kind == b"iCCP":
            profile = profile or _profile(bytes(whole[_HEAD:-4]))
        elif len(whole) - _FRAME == _COLOURS.get(kind):
            colours.setdefault(kind, bytes(whole[_HEAD:-4]))
    return Chunks(b"".join(kept), profile, colours)


def _walk(file: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at, kind = _START, b""
    while kind != b"IEND" and at + _FRAME <= len(file):
        kind = bytes(file[at + 4 : at + 8])
        end = at + _FRAME + int.from_bytes(file[at : at + 4], "big")
        yield kind, file[at:end]
        at = end


def _profile(data: bytes) -> bytes | None:
    """https://www.w3.org/TR/png-3/#11iCCP: a name, a zero, the method 0, and the rest is compressed."""
    name, _, rest = data.partition(b"\0")
    if not name or rest[:1] != b"\0":
        return None
    inflater = decompressobj()
    try:
        found = inflater.decompress(rest[1:], MOST_PROFILE_BYTES)
    except ZlibError:
        return None
    return found if inflater.eof else None
