"""The body of a relayed request on its way: read once, never stored, and remembered is only how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from gateway.domain.blob import Blob
from gateway.domain.errors import GatewayError, InternalError, InvalidRequest, TooSlow
from gateway.upstream.watch import Watch

Invite = Callable[[web.Request], None]


class Upload:
    """
    The client's bytes as they come, or a blob's when they were received before.

    `complete` once the last one has been taken; a request without a body is complete from the start.
    `fault` is what broke it on our side of the gateway, so that the platform is not blamed.
    """

    def __init__(self, request: web.Request, body: Blob | None, invite: Invite | None, stall_s: float) -> None:
        self._request, self._body, self._invite, self._stall_s = request, body, invite, stall_s
        self.empty = body is None and not request.body_exists
        self.complete = self.empty
        self.fault: GatewayError | None = None
        self._waiting, self._reads = True, 0
        self._looked_at: int | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            if self._body is not None:
                async for chunk in self._body.chunks():
                    yield chunk
            else:
                if self._invite is not None:
                    self._invite(self._request)
                stream = self._request.content
                with Watch(stream, self._stall_s, self._stalled):
                    while chunk := await stream.readany():
                        self._waiting = False
                        yield chunk
                        self._waiting = True
                        self._reads += 1
        except Exception as error:
            self.fault = self._blame(error)
            raise
        self.complete = True

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
