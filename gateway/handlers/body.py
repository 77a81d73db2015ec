"""A request's body as it arrives: refused before its first byte or counted, and never waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import hdrs, web

from gateway.domain.errors import InvalidRequest, TooLarge, TooSlow, UnsupportedCoding, UnsupportedMedia
from gateway.handlers.duty import DUTY
from gateway.handlers.expect import expects, invite_body


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How slow a sender may be, in seconds of waiting for it: `stall_s` without a byte, or `grace_s` behind a steady
    `bytes_per_s`. Time the gateway spends itself does not count. There is no shorter end to the whole: a client at
    100 kB/s needs a quarter of an hour for four large pictures, and what it has not sent yet keeps no disk.
    """

    grace_s: float = 5.0
    bytes_per_s: int = 16 * 1024
    stall_s: float = 10.0


class Body:
    """
    One body of at most `most` bytes. `length` is the declared one, None when the body comes in chunks. A signed one is
    verified at its end: nothing has been done with it before.

    Raises: UnsupportedCoding, UnsupportedMedia, ExpectationFailed, TooLarge, before anything is read.
    """

    def __init__(self, request: web.BaseRequest, most: int, pace: Pace) -> None:
        self._request, self._most, self._pace = request, most, pace
        self._waited_s = 0.0
        self._duty = request.get(DUTY)
        self.received = 0
        self.length = request.content_length
        check_coding(request)
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedMedia("Content-Encoding is not taken here; send the body as it is.")
        self._invite = expects(request)
        if self.length is not None and self.length > most:
            raise self._too_large()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The whole body, in the sizes it comes. Raises: as `read`."""
        while chunk := await self.read():
            yield chunk

    async def read(self) -> bytes:
        """
        The next bytes in the size they came, b"" at the end. The first call answers `Expect: 100-continue`.

        Raises: TooLarge, TooSlow, InvalidRequest; BadSignature in place of the end.
        """
        if self._invite:
            self._invite = False
            invite_body(self._request)
        clock, pace = asyncio.get_running_loop().time, self._pace
        began = clock()
        patience = min(pace.stall_s, pace.grace_s + self.received / pace.bytes_per_s - self._waited_s)
        try:
            async with asyncio.timeout(patience):
                chunk = await self._request.content.readany()
        except TimeoutError:
            raise TooSlow("The upload stalled or is too slow; the connection is closed.") from None
        except (web.RequestPayloadError, OSError) as error:
            raise InvalidRequest("The body is not what its headers say.", detail=type(error).__name__) from error
        self._waited_s += clock() - began
        self.received += len(chunk)
        if self.received > self._most:
            raise self._too_large()
        if self._duty is not None:
            self._duty.update(chunk) if chunk else self._duty.verify()
        return chunk

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The request is larger than {self._most} bytes.")


def check_coding(request: web.BaseRequest) -> None:
    """
    A body that is compressed on its way would be taken for what is in it, and sent on without the word that says so.

    Raises: UnsupportedCoding.
    """
    codings = ",".join(request.headers.getall(hdrs.TRANSFER_ENCODING, ())).split(",")
    if any(coding.strip().lower() not in ("", "chunked") for coding in codings):
        raise UnsupportedCoding("Transfer-Encoding is chunked here and nothing else; send the body as it is.")


async def leave_expect(_request: web.Request) -> None:
    """An `expect_handler` that answers nothing: whoever reads the body does, after every refusal had its chance."""
