"""
A picture's format, size, orientation and completeness, found while its bytes stream by; nothing is ever decoded.

Pillow is not asked: it wants a WebP whole and a JPEG up to its frame header in memory, and inflates PNG
metadata on open (a 68 kB iCCP bomb costs it 77 ms before it refuses the file).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.domain.size import Pixels
from gateway.imaging.exif import UPRIGHT
from gateway.imaging.foreign import bmp, gif, heif, tiff
from gateway.imaging.formats import (
    AVIF,
    BMP,
    GIF,
    HEAD_BYTES,
    HEIC,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    foreign,
    sniff,
    sniff_convertible,
)
from gateway.imaging.headers import (
    NO_EOI,
    NO_IEND,
    NO_RIFF,
    Marker,
    NotAnImage,
    Orientation,
    Size,
    Truncated,
    Unrecognized,
    Walk,
    jpeg,
    png,
    webp,
)

__all__ = ["NotAnImage", "Probe", "Prober", "Truncated", "Unrecognized"]

Chunk = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Probe:
    """
    What the file says: its media type, pixels as stored, and the EXIF orientation (1 to 8, 1 without any) by which
    viewers turn them: a portrait photograph may be stored lying down.
    """

    media_type: str
    width: int
    height: int
    orientation: int = UPRIGHT

    @property
    def pixels(self) -> Pixels:
        """The size that viewers show."""
        return Pixels(self.width, self.height).turned(self.orientation)


_WALKS: dict[str, tuple[Callable[[], Walk], str]] = {
    PNG: (png, NO_IEND),
    JPEG: (jpeg, NO_EOI),
    WEBP: (webp, NO_RIFF),
    **{
        media_type: (walk, "the file ends within its header")
        for media_type, walk in ((HEIC, heif), (AVIF, heif), (TIFF, tiff), (BMP, bmp), (GIF, gif))
    },
}

# Any number of fill bytes may stand before a marker; FF00 is a stuffed byte of a scan, FFD0 to FFD7 are restarts in
# it. Between segments decoders pass over whatever else there is.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_FILL = 0xFF


def _is_marker(code: int) -> bool:
    return 0xC0 <= code <= 0xFE and not 0xD0 <= code <= 0xD7


class Prober:
    """
    Is fed one file in chunks of any size and tells what picture it is.

    `result` appears with the header, so that too large a picture can be refused before the rest is read, and gets its
    orientation when that comes; `fault` appears as soon as the file cannot be a picture any more. No chunk is kept.
    With `convertible`, those that a worker can convert are pictures as well; of them only the header is looked at.
    """

    def __init__(self, *, convertible: bool = False) -> None:
        self._convertible = convertible
        self.result: Probe | None = None
        self.fault: NotAnImage | None = None
        self._media_type: str | None = None
        self._walk: Walk | None = None
        self._want: int | Marker = 0
        self._held = bytearray()
        self._orientation = UPRIGHT
        self._filling = False  # a marker may have begun with the last byte

    def feed(self, chunk: Chunk) -> None:
        """Take the next bytes; never raises."""
        if self.fault is not None:
            return
        if self._media_type is None:
            taken = HEAD_BYTES - len(self._held)
            self._held += chunk[:taken]
            chunk = memoryview(chunk)[taken:]
            self._begin()
        if self._walk is not None:
            self._follow(chunk)

    def finish(self) -> Probe:
        """
        The picture, after the last byte. What lies behind its end is let be: a film, a maker's notes, padding.

        Raises:
            Truncated: it ends early: before its end mark (PNG, JPEG) or the length it declares (WebP).
            NotAnImage: it is something else, damaged, or has no pixels.
        """
        found = sniff_convertible(bytes(self._held)) if self._convertible and self._media_type is None else None
        if found and self.fault is None:
            self._go(found)  # a file of less than HEAD_BYTES
        if self.fault is not None:
            raise self.fault
        if self._media_type is None:
            raise _unknown(bytes(self._held))
        if self._walk is not None:
            raise Truncated(_WALKS[self._media_type][1])
        assert self.result is not None  # every walk yields a size before it returns
        return self.result

    @property
    def media_type(self) -> str | None:
        """What the file begins like, once that is known."""
        return self._media_type

    def _begin(self) -> None:
        head = bytes(self._held)
        found = sniff(head)
        if found is None and self._convertible and len(head) == HEAD_BYTES:
            found = sniff_convertible(head)
        if found is not None:
            self._go(found)
        elif len(head) == HEAD_BYTES:
            self.fault = _unknown(head)

    def _go(self, media_type: str) -> None:
        """Begin to walk, through what has come so far."""
        head, self._held = bytes(self._held), bytearray()
        self._media_type, self._walk = media_type, _WALKS[media_type][0]()
        self._resume(None)
        self.feed(head)

    def _follow(self, chunk: Chunk) -> None:
        """Walk through the file as far as it has come."""
        at = 0
        while self._walk is not None and at < len(chunk):
            want = self._want
            if isinstance(want, Marker):
                at = self._seek(chunk, at)
            elif want < 0:
                step = min(-want, len(chunk) - at)
                self._want = want + step
                at += step
                if self._want == 0:
                    self._resume(b"")
            else:
                piece = chunk[at : at + want - len(self._held)]
                self._held += piece
                at += len(piece)
                if len(self._held) == want:
                    data = bytes(self._held)
                    self._held.clear()
                    self._resume(data)

    def _seek(self, chunk: Chunk, at: int) -> int:
        """Look for a marker from `at` on; returns how far the chunk has been used up."""
        if self._filling:
            code = chunk[at]
            self._filling = code == _FILL
            if _is_marker(code):
                self._resume(bytes((code,)))
            return at + 1
        if found := _MARKER.search(chunk, at):
            self._resume(bytes(chunk[found.end() - 1 : found.end()]))
            return found.end()
        self._filling = chunk[-1] == _FILL
        return len(chunk)

    def _resume(self, data: bytes | None) -> None:
        """Send the walk what it asked for and note what it wants next."""
        assert self._walk is not None
        try:
            step = self._walk.send(data)  # type: ignore[arg-type]  # None starts a generator
            while isinstance(step, tuple | Orientation) or step == 0:
                self._note(step)
                step = self._walk.send(b"")
            self._want = step
        except StopIteration:
            self._walk = None
        except NotAnImage as fault:
            self.fault, self.result, self._walk = fault, None, None

    def _note(self, found: Size | Orientation | int | Marker) -> None:
        if isinstance(found, Orientation):
            self._orientation = found.value
            self.result = self.result and replace(self.result, orientation=found.value)
        elif isinstance(found, tuple):
            width, height = found
            if not (width and height):
                raise NotAnImage(f"the file has no pixels ({width} × {height})")
            assert self._media_type is not None
            self.result = Probe(self._media_type, width, height, self._orientation)


def _unknown(head: bytes) -> NotAnImage:
    if not head:
        return Unrecognized("the file is empty")
    known = foreign(head)
    kind = Unrecognized if known in (None, "HTML", "XML") else NotAnImage
    return kind(f"the file is {known or 'of an unknown format'}, not PNG, JPEG or WebP")
