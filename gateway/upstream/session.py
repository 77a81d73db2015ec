"""
Sending a call, and knowing afterwards what is known.

Settings and their reasons: no redirects (aiohttp forwards custom headers such as `x-key` to another host), no cookies,
no proxies from the environment (only the operator's `proxy:`), and a fresh connection for each submission, so that a
reset can only mean this one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal

import aiohttp
from aiohttp.client_exceptions import ClientConnectionError, ClientConnectorError, ConnectionTimeoutError
from yarl import URL

from gateway.stores.spool import Spool
from gateway.upstream.egress import leaving, told
from gateway.upstream.inline import take_in
from gateway.upstream.outgoing import Outgoing
from gateway.wire import render
from gateway.wire.body import JsonBody
from gateway.wire.call import Answer, Call

# Answers of vendors are a few hundred bytes; what is longer is not one.
ANSWER_CAP = 64 * 1024
# What a connection may read before anybody asks for it, times two: many pictures arrive at the same time.
READ_AHEAD = 64 * 1024
# Below this a body is joined and sent in one write.
SMALL = 64 * 1024

# `connect` bounds what lies between a proxy's own connection and the handshake behind it: the answer to CONNECT.
SUBMIT_TIMES = aiohttp.ClientTimeout(total=90, connect=20, sock_connect=5, sock_read=45)
POLL_TIMES = aiohttp.ClientTimeout(total=10, sock_connect=3, sock_read=5)


@dataclass(frozen=True, slots=True)
class Answered:
    answer: Answer


@dataclass(frozen=True, slots=True)
class NotSent:
    """The vendor cannot have understood it. `proof` as in `Lack`."""

    why: str
    proof: Literal["connection", "written", "kernel"] = "connection"


@dataclass(frozen=True, slots=True)
class MaybeSent:
    """The last byte may have arrived, and no answer came."""

    why: str


Sent = Answered | NotSent | MaybeSent


class Session:
    """
    Client sessions for submissions and polls; a probe is asked like a poll.

    `spool` takes the pictures that vendors put into their answers; whoever only asks after something needs none.
    """

    def __init__(self, spool: Spool | None = None) -> None:
        self._spool = spool

    async def __aenter__(self) -> Session:
        asking = client(aiohttp.TCPConnector(limit=0, limit_per_host=64, keepalive_timeout=15), POLL_TIMES)
        self._sessions = {
            "submit": client(aiohttp.TCPConnector(limit=0, force_close=True), SUBMIT_TIMES),
            "poll": asking,
            "probe": asking,
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self._sessions.values():
            await session.close()

    async def send(self, call: Call) -> Sent:
        """Send once. Never raises for anything the network or the vendor does."""
        headers, body, url = (
            {**call.headers, **call.secrets, "Accept": "application/json"},
            None,
            URL(call.url, encoded=True),
        )
        if call.body is not None:
            body = await _outgoing(call.body)
            headers |= {"Content-Type": "application/json", "Content-Length": str(body.length)}
        try:
            async with self._sessions[call.name].request(
                call.method,
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=_times(call),
                **leaving(call.egress, url),
            ) as response:
                answer = await self._answer(response, call)
                if answer.status >= 500 and body is not None and (lack := await body.lack()) is not None:
                    return NotSent(f"answered {answer.status}, and {lack.text}", lack.proof)
                return Answered(answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return await _unanswered(error, body)
        finally:
            if body is not None:
                body.release()

    async def _answer(self, response: aiohttp.ClientResponse, call: Call) -> Answer:
        if not call.pictures or not 200 <= response.status < 300:
            return Answer(response.status, response.headers, await _body(response))
        assert self._spool is not None
        body, pictures = await take_in(response, self._spool, call.pictures, text_cap=ANSWER_CAP)
        return Answer(response.status, response.headers, body, pictures)


def client(connector: aiohttp.BaseConnector, times: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    """A session that follows nothing, remembers nothing and reads nothing from the environment."""
    return aiohttp.ClientSession(
        connector=connector,
        timeout=times,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        raise_for_status=False,
        auto_decompress=False,
        read_bufsize=READ_AHEAD,
        headers={"User-Agent": "image-gateway", "Accept-Encoding": "identity"},
    )


def _times(call: Call) -> aiohttp.ClientTimeout:
    times = SUBMIT_TIMES if call.name == "submit" else POLL_TIMES
    if call.patience_s is None:
        return times
    return aiohttp.ClientTimeout(
        total=(times.total or 0) + call.patience_s,
        connect=times.connect,
        sock_connect=times.sock_connect,
        sock_read=call.patience_s,
    )


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > ANSWER_CAP:
                response.close()
                break
    except (ClientConnectionError, aiohttp.ClientPayloadError, OSError, TimeoutError):
        # A no is a no without its text as well. A yes without its text is not an answer.
        if response.status < 400 or response.status >= 500:
            raise
    return bytes(body[:ANSWER_CAP])


async def _outgoing(body: JsonBody) -> Outgoing:
    parts = render.pieces(body)
    length = render.length(parts)
    if length > SMALL:
        return Outgoing(render.stream(parts), length)
    return Outgoing(_one(b"".join([piece async for piece in render.stream(parts)])), length)


async def _one(piece: bytes) -> AsyncGenerator[bytes]:
    yield piece


async def _unanswered(error: Exception, body: Outgoing | None) -> NotSent | MaybeSent:
    why = told(error)
    if isinstance(error, ClientConnectorError | ConnectionTimeoutError):
        return NotSent(why)
    lack = await body.lack() if body is not None else None
    if lack is None:
        return MaybeSent(why)
    return NotSent(why if lack.proof == "connection" else f"{why}; {lack.text}", lack.proof)
