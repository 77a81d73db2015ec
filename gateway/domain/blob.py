"""Pictures as everybody hands them on: bytes that can be read again, or a link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.size import Pixels


class Blob(Protocol):
    """
    Bytes with a media type, held within the memory budget or in a private file.

    `media_type` is sniffed from the bytes, never taken from the sender. `length` is in bytes.
    `pixels` is the size that viewers show, who turn the picture by its EXIF `orientation` (1 to 8, 1 without any).
    `digest` is the BLAKE3 hash of the bytes, hexadecimal; it identifies them in fingerprints.
    """

    @property
    def media_type(self) -> str: ...
    @property
    def length(self) -> int: ...
    @property
    def pixels(self) -> Pixels: ...
    @property
    def orientation(self) -> int: ...
    @property
    def digest(self) -> str: ...

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `stop`, in order, in pieces; as often as wanted until `release`."""
        ...

    def release(self) -> None:
        """Let go; once for every holder. The last one gives the memory or the file back, and reading after is a bug."""
        ...


@dataclass(frozen=True, slots=True)
class Link:
    """An address from which a picture can be fetched. The address may carry a signature: never printed."""

    url: str = field(repr=False)
