"""Simple answers and faults of a vendor, played by aioresponses; what sockets do is in `test_session`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aioresponses import aioresponses

from gateway.upstream.session import Answered, NotSent, Session
from gateway.wire.body import JsonBody
from gateway.wire.call import Call

URL = "https://api.bfl.ai/v1/get_result?id=1"
POLL = Call("poll", "GET", URL, secrets={"x-key": "the-key"})


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with Session() as opened:
        yield opened


@pytest.mark.parametrize("status", [200, 202, 302, 401, 404, 422, 429])
async def test_these_statuses_are_answers(session: Session, status: int) -> None:
    """What it means is the platform's to say; a redirect is not followed."""
    with aioresponses() as vendor:
        vendor.get(URL, status=status, body=b'{"status": "Pending"}', headers={"Retry-After": "1"})
        sent = await session.send(POLL)
    assert isinstance(sent, Answered)
    assert (sent.answer.status, sent.answer.body) == (status, b'{"status": "Pending"}')
    assert sent.answer.headers["retry-after"] == "1"
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    "fault", [aiohttp.ServerDisconnectedError(), TimeoutError(), aiohttp.ClientOSError(), OSError("broken")]
)
async def test_no_network_fault_escapes(session: Session, fault: Exception) -> None:
    """Before the last byte of a submission is written nothing can have been understood."""
    submit = Call("submit", "POST", "https://api.bfl.ai/v1/flux-kontext-pro", JsonBody({"prompt": "a"}))
    with aioresponses() as vendor:
        vendor.post(submit.url, exception=fault)
        assert isinstance(await session.send(submit), NotSent)


async def test_the_key_is_sent_with_the_call(session: Session) -> None:
    """Secrets are headers of this one request, not of the session."""
    with aioresponses() as vendor:
        vendor.get(URL, body=b"{}")
        await session.send(POLL)
        (request,) = next(iter(vendor.requests.values()))
    assert request.kwargs["headers"]["x-key"] == "the-key"
    assert request.kwargs["allow_redirects"] is False
