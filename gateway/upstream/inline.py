"""
An answer that has the picture in it, as base64 in its JSON: decoded while it arrives, straight into the spool.

It is paid for, so it always finds room; and no picture ever exists as one encoded string, whoever sends it.
"""

from __future__ import annotations

import aiohttp

from gateway.domain.errors import GatewayError, TooLarge
from gateway.imaging.probe import NotAnImage, Prober
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room, Spool
from gateway.wire.base64_text import BadBase64, Base64Text
from gateway.wire.compact import Compact
from gateway.wire.scan import Bounds, Scanner
from gateway.wire.scanned import Closed, Event, Kind, Opened, Value

# Bytes of picture that one answer, or one download, may have.
CAP = 64 * 1024 * 1024


async def take_in(
    response: aiohttp.ClientResponse, spool: Spool, names: frozenset[str], *, text_cap: int
) -> tuple[bytes, tuple[SpooledBlob, ...]]:
    """
    The answer's text, at most `text_cap` bytes of it, with `""` in the place of pictures; and the pictures that are
    whole. Nothing at all when it is not JSON, or too large. Raises: what the connection raises.
    """
    room = spool.reserve_paid(min(response.content_length or 0, CAP) * 3 // 4)
    intake = _Intake(room, names, text_cap)
    try:
        async for chunk in response.content.iter_any():
            await intake.take(chunk)
        return intake.finish()
    except GatewayError:
        response.close()
        intake.discard()
        return b"", ()
    except BaseException:
        intake.discard()
        raise
    finally:
        room.close()


class _Picture:
    """One picture while it grows. Once it is broken, what still comes of it is dropped."""

    def __init__(self, room: Room) -> None:
        self._text = Base64Text("not base64", "empty")
        self._writer, self._prober = BlobWriter(room), Prober()
        self._broken = False

    @property
    def length(self) -> int:
        return self._writer.length

    async def write(self, piece: str) -> None:
        if not self._broken:
            try:
                await self._take(self._text.feed(piece))
            except BadBase64:
                self._broken = True

    async def finish(self) -> SpooledBlob | None:
        """None when it is no picture, or not a whole one."""
        if not self._broken:
            try:
                await self._take(self._text.close())
                found = self._prober.finish()
                return await self._writer.finish(found.media_type, found.pixels, found.orientation)
            except (BadBase64, NotAnImage):
                pass
        self.discard()
        return None

    def discard(self) -> None:
        self._writer.discard()

    async def _take(self, data: bytes) -> None:
        if data:
            self._prober.feed(data)
            await self._writer.write(data)


class _Intake:
    """One answer while it grows."""

    def __init__(self, room: Room, names: frozenset[str], text_cap: int) -> None:
        self._room, self._text_cap = room, text_cap
        self._scanner = Scanner(Bounds(text_bytes=text_cap), streamed=lambda path: bool(path) and path[-1] in names)
        self._text = Compact()
        self._open: _Picture | None = None
        self._pictures: list[SpooledBlob] = []

    async def take(self, chunk: bytes) -> None:
        """Raises: InvalidJson, TooLarge, OutOfRoom."""
        for event in self._scanner.feed(chunk):
            await self._on(event)

    def finish(self) -> tuple[bytes, tuple[SpooledBlob, ...]]:
        """Raises: InvalidJson."""
        self._scanner.close()
        return self._text.text.encode(), tuple(self._pictures)

    def discard(self) -> None:
        if self._open is not None:
            self._open.discard()
        for blob in self._pictures:
            blob.release()

    async def _on(self, event: Event) -> None:
        if isinstance(event, Opened) and event.kind is Kind.TEXT:
            self._open = _Picture(self._room)
        elif self._open is None:
            assert not isinstance(event, str)  # pieces come of what is open
            self._keep(event)
        elif isinstance(event, str):
            await self._open.write(event)
            if self._open.length + sum(blob.length for blob in self._pictures) > CAP:
                raise TooLarge(f"The pictures have more than {CAP} bytes.")
        else:
            blob = await self._open.finish()
            self._open = None
            self._pictures += [blob] if blob is not None else []
            self._keep(Value(event.path, Kind.TEXT, "", event.start, event.start))

    def _keep(self, event: Opened | Value | Closed) -> None:
        self._text.feed(event)
        if self._text.length > self._text_cap:
            raise TooLarge(f"The answer has more than {self._text_cap} bytes of text.")
