"""
What the gateway and a worker say to each other over the worker's stdin and stdout.

Everything is in frames: a length in four bytes, high byte first, and so many bytes. The worker greets with one frame
that says it is ready. Then, as often as wanted: an `Order`, the source in frames, an empty frame; the answer is a
`Verdict` and, when it is good, the result in frames, and an empty frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

FRAME_BYTES = 256 * 1024
HEAD_BYTES = 4
READY = b"ready"
END = bytes(HEAD_BYTES)


@dataclass(frozen=True, slots=True)
class Order:
    """The work: as `domain.rework.Rework`, without the source."""

    mask: bool
    flatten: bool
    pixels: tuple[int, int] | None
    orientation: int | None = None
    form: str | None = None
    crop: bool = False

    def pack(self) -> bytes:
        return frame(json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, data: bytes) -> Order:
        fields = json.loads(data)
        pixels = fields["pixels"]
        size = (pixels[0], pixels[1]) if pixels else None
        return cls(fields["mask"], fields["flatten"], size, fields["orientation"], fields["form"], fields["crop"])


class Fault(StrEnum):
    """What was wrong with the picture."""

    IMAGE = "image"
    MASK = "mask"
    PIXELS = "pixels"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`fault` is None when the result follows; `text` is a clause fit for the client, `cause` one for the log."""

    fault: Fault | None = None
    text: str = ""
    cause: str = ""

    def pack(self) -> bytes:
        return frame(json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, data: bytes) -> Verdict:
        """Raises: ValueError, LookupError or TypeError when it is none."""
        fields = json.loads(data)
        fault = fields["fault"]
        return cls(None if fault is None else Fault(fault), str(fields["text"])[:500], str(fields["cause"])[:500])


def frame(data: bytes | memoryview) -> bytes:
    return len(data).to_bytes(HEAD_BYTES, "big") + data


def pieces(data: bytes | memoryview) -> Iterator[memoryview]:
    """Cut into what fits a frame; nothing of nothing, for an empty frame ends the picture."""
    view = memoryview(data)
    for start in range(0, len(view), FRAME_BYTES):
        yield view[start : start + FRAME_BYTES]
