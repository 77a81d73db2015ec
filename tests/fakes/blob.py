"""A picture in memory that comes in pieces of chosen lengths."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from blake3 import blake3

from gateway.domain.size import Pixels


class MemoryBlob:
    """
    Implements `domain.blob.Blob`.

    `cuts` are the lengths of the first pieces, zero allowed; what is left comes as the last piece.
    """

    def __init__(
        self,
        data: bytes = b"picture",
        *,
        cuts: Sequence[int] = (),
        media_type: str = "image/png",
        pixels: Pixels = Pixels(1, 1),  # noqa: B008 - immutable
        orientation: int = 1,
    ) -> None:
        self.data, self.cuts, self.media_type, self.pixels = data, cuts, media_type, pixels
        self.orientation = orientation
        self.digest = blake3(data).hexdigest()
        self.released = 0

    @property
    def length(self) -> int:
        return len(self.data)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        left = self.data[start:stop]
        for cut in self.cuts:
            yield left[:cut]
            left = left[cut:]
        yield left

    def release(self) -> None:
        self.released += 1
