"""
A picture's format, size and completeness, found while its bytes stream by; nothing is ever decoded.

Pillow is not asked: it wants a WebP whole and a JPEG up to its frame header in memory, and inflates PNG
metadata on open (a 68 kB iCCP bomb costs it 77 ms before it refuses the file).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.imaging.formats import HEAD_BYTES, JPEG, PNG, WEBP, foreign, sniff
from gateway.imaging.headers import NotAnImage, Walk, jpeg, png, webp
from gateway.imaging.tail import Chunk, Tail

__all__ = ["NotAnImage", "Probe", "Prober", "Truncated"]


class Truncated(NotAnImage):
    """The file begins as a picture and ends too early; the text says before what."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the header says: `image/png`, `image/jpeg` or `image/webp`, and pixels as stored (EXIF
    orientation is not applied, so a portrait photograph may be stored lying down)."""

    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Format:
    walk: Callable[[], Walk]
    ending: re.Pattern[bytes] | None  # None: the walk itself reaches the end
    missing: str


_FORMATS = {
    PNG: _Format(png, re.compile(rb"IEND\xae\x42\x60\x82"), "the file ends before its last chunk (IEND)"),
    # Inside a scan FF is followed by 00 or by a marker from C0 up. Any other pair means that the picture
    # has ended further back and something else follows, such as the film of a motion photo.
    JPEG: _Format(jpeg, re.compile(rb"\xff[\x01-\xbf\xd9]"), "the file ends before its end mark (EOI)"),
    WEBP: _Format(webp, None, "the file is shorter than its RIFF header says"),
}


class Prober:
    """
    Is fed one file in chunks of any size and tells what picture it is.

    `result` appears with the header, so that too large a picture can be refused before the rest is read;
    `fault` appears as soon as the file cannot be a picture any more. Chunks of 4 KiB or more are kept by
    reference while they overlap the last 64 KiB and must not be changed by the caller meanwhile.
    """

    def __init__(self) -> None:
        self.result: Probe | None = None
        self.fault: NotAnImage | None = None
        self._media_type: str | None = None
        self._walk: Walk | None = None
        self._want = 0
        self._held = bytearray()
        self._tail = Tail()

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
            chunk = self._follow(chunk)
        if self._media_type is not None and self._walk is None and chunk:
            self._tail.add(chunk)

    def finish(self) -> Probe:
        """
        The picture, after the last byte.

        Raises:
            Truncated: it ends early. PNG and JPEG need their end mark within the last 64 KiB (a film
                behind a JPEG may be longer), a WebP the length it declares; bytes behind are let be.
            NotAnImage: it is something else, damaged, or has no pixels.
        """
        if self.fault is not None:
            raise self.fault
        if self._media_type is None:
            raise _unknown(bytes(self._held))
        form = _FORMATS[self._media_type]
        if self._walk is not None or (form.ending and not form.ending.search(self._tail.read())):
            raise Truncated(form.missing)
        assert self.result is not None  # every walk yields a size before it returns
        return self.result

    def _begin(self) -> None:
        head = bytes(self._held)
        self._media_type = sniff(head)
        if self._media_type is not None:
            self._held.clear()
            self._walk = _FORMATS[self._media_type].walk()
            self._resume(None)
            self.feed(head)
        elif len(head) == HEAD_BYTES:
            self.fault = _unknown(head)

    def _follow(self, chunk: Chunk) -> Chunk:
        """Walk through the header; what is returned lies behind it."""
        at = 0
        while self._walk is not None and at < len(chunk):
            if self._want < 0:
                step = min(-self._want, len(chunk) - at)
                self._want += step
                at += step
                if self._want == 0:
                    self._resume(b"")
            else:
                piece = chunk[at : at + self._want - len(self._held)]
                self._held += piece
                at += len(piece)
                if len(self._held) == self._want:
                    data = bytes(self._held)
                    self._held.clear()
                    self._resume(data)
        return chunk[at:]

    def _resume(self, data: bytes | None) -> None:
        """Send the walk what it asked for and note what it wants next."""
        assert self._walk is not None
        try:
            step = self._walk.send(data)  # type: ignore[arg-type]  # None starts a generator
            while isinstance(step, tuple) or step == 0:
                if isinstance(step, tuple):
                    self._measure(*step)
                step = self._walk.send(b"")
            self._want = step
        except StopIteration:
            self._walk = None
        except NotAnImage as fault:
            self.fault, self.result, self._walk = fault, None, None

    def _measure(self, width: int, height: int) -> None:
        if not (width and height):
            raise NotAnImage(f"the file has no pixels ({width} × {height})")
        assert self._media_type is not None
        self.result = Probe(self._media_type, width, height)


def _unknown(head: bytes) -> NotAnImage:
    if not head:
        return NotAnImage("the file is empty")
    return NotAnImage(f"the file is {foreign(head) or 'of an unknown format'}, not PNG, JPEG or WebP")
