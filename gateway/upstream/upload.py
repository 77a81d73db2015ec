"""
The body of a relayed request on its way: read once, never stored, and remembered is only how it ended.

A signed one goes on without its last bytes until the whole is verified: the platform never has a complete request that
nobody signed, and nothing at all of one that fits into what is kept back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable

from aiohttp import web

from gateway.domain.blob import Blob
from gateway.domain.duty import Duty
from gateway.domain.errors import BadSignature, GatewayError, InternalError, InvalidRequest, Paid, TooSlow
from gateway.upstream.watch import Watch

Invite = Callable[[web.Request], None]

# The least that is kept back of a signed body; with it a piece of what a connection reads at once.
TAIL_BYTES = 16 * 1024


class Upload:
    """
    The client's bytes as they come, or a blob's when they were received before.

    `complete` once the last one has been taken; a request without a body is complete from the start.
    `fault` is what broke it on our side of the gateway, so that the platform is not blamed.
    """

    def __init__(
        self, request: web.Request, body: Blob | None, invite: Invite | None, stall_s: float, duty: Duty | None = None
    ) -> None:
        self._request, self._body, self._invite, self._stall_s = request, body, invite, stall_s
        # One that was received, or is empty, was verified then.
        self._duty = duty if duty is not None and not duty.fulfilled else None
        self.empty = body is None and not request.body_exists
        self.complete = self.empty
        self.fault: GatewayError | None = None
        self._waiting, self._reads = True, 0
        self._looked_at: int | None = None
        self._begun: AsyncGenerator[bytes] | None = None
        self._first = b""

    async def __aenter__(self) -> Upload:
        """Read what is kept back, before anybody is told of the request. Raises: BadSignature, and as reading does."""
        if self._duty is not None:
            self._begun = self._verified(self._duty)
            try:
                self._first = await anext(self._begun, b"")
            except GatewayError:
                raise
            except Exception as error:
                raise self._blame(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._begun is not None:
            await self._begun.aclose()

    def check(self, status: int) -> None:
        """
        An answer has begun. Raises: BadSignature when it is more than a refusal, and to a request that is not verified:
        the platform did not wait for what was signed.
        """
        if self._duty is not None and not self._duty.fulfilled and status < 400:
            raise BadSignature("The platform answered before the signed body was complete.", paid=Paid.MAYBE)

    async def chunks(self) -> AsyncGenerator[bytes]:
        # Whoever iterates has it now, and ends it.
        source, self._begun = self._begun or self._pieces(), None
        try:
            if self._first:
                yield self._first
            async for chunk in source:
                yield chunk
        except Exception as error:
            self.fault = self._blame(error)
            raise
        finally:
            await source.aclose()
        self.complete = True

    async def _verified(self, duty: Duty) -> AsyncGenerator[bytes]:
        tail: deque[bytes] = deque()
        held = 0
        async for piece in self._pieces():
            duty.update(piece)
            tail.append(piece)
            held += len(piece)
            while held - len(tail[0]) >= TAIL_BYTES:
                held -= len(tail[0])
                yield tail.popleft()
        duty.verify()
        for piece in tail:
            yield piece

    async def _pieces(self) -> AsyncGenerator[bytes]:
        if self._body is not None:
            async for chunk in self._body.chunks():
                yield chunk
            return
        if self._invite is not None:
            self._invite(self._request)
        stream = self._request.content
        with Watch(stream, self._stall_s, self._stalled):
            while chunk := await stream.readany():
                self._waiting = False
                yield chunk
                self._waiting = True
                self._reads += 1

    def _stalled(self) -> TimeoutError | None:
        """An error when this read was already waiting at the last look; time that the platform takes does not count."""
        now = self._reads if self._waiting else None
        before, self._looked_at = self._looked_at, now
        return TimeoutError() if now is not None and now == before else None

    def _blame(self, error: Exception) -> GatewayError:
        if isinstance(error, GatewayError):
            return error
        if isinstance(error, TimeoutError):
            return TooSlow("The upload stalled; the connection is closed.")
        detail = f"{type(error).__name__}: {error}"
        if self._body is not None:
            return InternalError("The gateway could not read back what it had received.", detail=detail)
        return InvalidRequest("The request's body is malformed or ends early.", detail=detail)
