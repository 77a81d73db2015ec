"""
Passing a request on and its answer back, as streams: at no time is more held than the two sockets' buffers, and of a
signed request its last bytes.

What is read is written at once, and nothing more is read until it is written. Nothing is decoded, followed, remembered
or repeated, except that the client library sends a GET once more when a kept connection turns out to be dead.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable

import aiohttp
from aiohttp import ClientConnectorError, ClientHttpProxyError, ConnectionTimeoutError, HttpVersion11, hdrs, web
from yarl import URL

from gateway.domain.blob import Blob
from gateway.domain.duty import Duty
from gateway.domain.errors import AnswerLost, GatewayError, Paid, PlatformError, PlatformTimeout, PlatformUnreachable
from gateway.platforms.openai import OpenAi
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream import hop
from gateway.upstream.egress import leaving
from gateway.upstream.outgoing import Lack, Outgoing
from gateway.upstream.upload import Invite, Upload
from gateway.upstream.watch import Watch
from gateway.wire.call import Answer

NETWORK = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
# Methods that cannot have been charged: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1
SAFE = ("GET", "HEAD", "OPTIONS")

# The only limit towards platforms: pictures and reasoning take minutes, and a client that stops waiting ends it all.
CONNECT_S = 10.0
# A client that sends nothing for this long in the middle of its upload is gone, or means harm.
STALL_S = 60.0
# How often a silent platform's connection is looked at.
LOOK_EVERY_S = 5.0
# Kept shorter than servers keep connections, so that a POST seldom meets one that is just being closed.
KEEP_ALIVE_S = 15.0
# Longest header line taken from a platform, in bytes; content security policies outgrow the library's 8 KiB.
HEADER_CAP = 64 * 1024

# What the client library takes in an answer's head and refuses to write, at the cost of the answer that follows.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
RESET = struct.pack("ii", 1, 0)


class Relay:
    """One client session for all platforms that are relayed to."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        connect_s: float = CONNECT_S,
        stall_s: float = STALL_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._catalogue, self._stall_s, self._look_every_s = catalogue, stall_s, look_every_s
        self._times = aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s, sock_read=None)

    async def __aenter__(self) -> Relay:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            timeout=self._times,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_field_size=HEADER_CAP,
            # The client's own headers and no others.
            skip_auto_headers=(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def forward(
        self,
        request: web.Request,
        platform: OpenAi,
        rest: str,
        *,
        body: Blob | None = None,
        invite: Invite | None = None,
        duty: Duty | None = None,
        settled: Callable[[int], None] = lambda _status: None,
    ) -> web.StreamResponse:
        """
        The platform's answer, already passed on.

        Args:
            rest: raw path and query after `/v1/`.
            body: the request's body, when it has been received before; else it is read from the request.
            invite: called before the request's body is read, to answer `Expect: 100-continue`.
            duty: what is owed for reading it. Until it is fulfilled the platform gets no complete request.
            settled: told the answer's status before anything of it is passed on, or 0 when none came and the platform
                or the way to it is to blame; what it raises takes the answer's place.

        Raises: PlatformUnreachable, PlatformTimeout, AnswerLost, InvalidRequest, TooSlow, BadSignature, InternalError;
        ConnectionError when the client does not take the answer. After a fault in mid-answer the client's connection
        is closed. Cancelling closes the connection to the platform.
        """
        async with Upload(request, body, invite, self._stall_s, duty) as upload:
            return await self._forward(request, platform, rest, upload, body, settled)

    async def _forward(
        self,
        request: web.Request,
        platform: OpenAi,
        rest: str,
        upload: Upload,
        body: Blob | None,
        settled: Callable[[int], None],
    ) -> web.StreamResponse:
        headers, url = hop.towards_platform(request.headers, platform.next_key()), URL(platform.url(rest), encoded=True)
        if body is not None:
            headers[hdrs.CONTENT_LENGTH] = str(body.length)
        length = request.content_length if body is None else body.length
        outgoing, head = None if upload.empty else Outgoing(upload.chunks(), length), aiohttp.UploadTracker()
        try:
            upstream = await self._session.request(
                request.method,
                url,
                headers=headers,
                data=outgoing,
                allow_redirects=False,
                upload_tracker=head,
                **leaving(platform.egress, url),
            )
        except NETWORK as error:
            self._catalogue.upstream_responses(platform.name, "relay", "0").inc()
            # Without its cause: the library's texts quote the client's query, and its objects hold the key.
            lack = await outgoing.lack() if outgoing is not None else None
            sent = _written(head) if outgoing is None else lack is None
            if upload.fault is None:
                settled(0)
            raise upload.fault or _fault(error, platform, request.method, sent=sent, lack=lack) from None
        finally:
            if outgoing is not None:
                outgoing.release()
        self._catalogue.upstream_responses(platform.name, "relay", str(upstream.status)).inc()
        try:
            upload.check(upstream.status)
            settled(upstream.status)
            return await self._pass_back(upstream, request, platform)
        finally:
            # Reuses the connection after a complete answer, and closes it after anything else.
            upstream.close()

    async def ask(self, platform: OpenAi, rest: str, *, within_s: float, cap: int) -> Answer:
        """
        A small GET of the gateway's own, `rest` as above, `cap` in bytes.

        Raises: PlatformError, of one kind or another, unless the whole answer came in time.
        """
        headers = {
            "Authorization": f"Bearer {platform.next_key().reveal()}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "image-gateway",
        }
        url = URL(platform.url(rest), encoded=True)
        status, body = 0, bytearray()
        try:
            async with (
                asyncio.timeout(within_s),
                self._session.get(
                    url, headers=headers, allow_redirects=False, **leaving(platform.egress, url)
                ) as upstream,
            ):
                status = upstream.status
                async for chunk in upstream.content.iter_any():
                    body += chunk
                    if len(body) > cap:
                        raise PlatformError(f"Platform {platform.name!r} answered with more than {cap} bytes.")
                return Answer(status, upstream.headers, bytes(body))
        except NETWORK as error:
            raise _fault(error, platform, "GET", sent=True) from None
        finally:
            self._catalogue.upstream_responses(platform.name, "ask", str(status)).inc()

    async def _pass_back(
        self, upstream: aiohttp.ClientResponse, request: web.Request, platform: OpenAi
    ) -> web.StreamResponse:
        if upstream.status < 200 or CONTROL.search("".join((upstream.reason or "", *upstream.headers.values()))):
            raise _lost(platform, "an answer that cannot be passed on", "malformed head")
        response = web.StreamResponse(
            status=upstream.status, reason=upstream.reason, headers=hop.towards_client(upstream.headers)
        )
        framed = request.version >= HttpVersion11 or response.content_length is not None
        if not framed:
            response.force_close()
        await response.prepare(request)
        with Watch(upstream.content, self._look_every_s, lambda: _broken(upstream)):
            while True:
                try:
                    chunk = await upstream.content.readany()
                except NETWORK as error:
                    _cut(request, framed=framed)
                    raise _lost(platform, "half an answer", type(error).__name__) from None
                if not chunk:
                    break
                await response.write(chunk)
        await response.write_eof()
        return response


def _written(head: aiohttp.UploadTracker) -> bool:
    """True when a request without a body has been written."""
    done = head.upload_complete
    return done.done() and not done.cancelled() and done.exception() is None


def _broken(upstream: aiohttp.ClientResponse) -> Exception | None:
    gone = upstream.connection is None or upstream.connection.transport is None
    return aiohttp.ClientPayloadError("malformed chunk") if gone and not upstream.content.is_eof() else None


def _cut(request: web.Request, *, framed: bool) -> None:
    """End the client's connection, so that nobody takes what arrived for the whole."""
    if request.transport is None:
        return
    if not framed:
        # To an HTTP/1.0 client without a length a closed connection means a complete answer; a reset does not.
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    request.transport.abort()


def _fault(error: Exception, platform: OpenAi, method: str, *, sent: bool, lack: Lack | None = None) -> GatewayError:
    detail = type(error).__name__ + (f" ({lack.text})" if lack is not None else "")
    if isinstance(error, OSError) and error.strerror:
        detail += f": {error.strerror}"
    if isinstance(error, ClientHttpProxyError):
        return PlatformUnreachable(
            f"The proxy on the way to platform {platform.name!r} let no connection through.",
            detail=f"{detail}: the proxy answered {error.status}",
        )
    if isinstance(error, ConnectionTimeoutError):
        return PlatformTimeout(f"Platform {platform.name!r} did not take a connection in time.", detail=detail)
    if isinstance(error, ClientConnectorError):
        return PlatformUnreachable(f"No connection to platform {platform.name!r}.", detail=detail)
    if not sent or method in SAFE:
        return PlatformUnreachable(f"Platform {platform.name!r} closed the connection.", detail=detail)
    return _lost(platform, "no answer", detail)


def _lost(platform: OpenAi, got: str, detail: str) -> AnswerLost:
    return AnswerLost(
        f"Platform {platform.name!r} took the request and gave {got}. It may have been charged for.",
        detail=detail,
        paid=Paid.MAYBE,
    )
