"""A refusal by content moderation, as clients know it from OpenAI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from gateway.app import Gateway
from gateway.domain.errors import Moderated
from gateway.emulator.server import Emulator
from tests.chain.conftest import Serve
from tests.fakes.forms import edit_form
from tests.fakes.logbook import logbook
from tests.fakes.raw import exchange

StartGateway = Callable[..., Awaitable[Gateway]]

CASES = [("request_moderated", "input"), ("content_moderated", "output")]


@pytest.mark.parametrize(("fault", "stage"), CASES)
async def test_a_refused_edit(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, fault: str, stage: str
) -> None:
    """400 with the vendor's reasons, one submission, no second try, counted apart and blamed on no platform."""
    with logbook() as book:
        gateway = await start_gateway(bfl)
        async with client.post(
            f"{gateway.url}/v1/images/edits", data=edit_form(f"[[fault:{fault}=Violence|Minors]]")
        ) as answer:
            body = await answer.json()
    assert answer.status == 400
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-job-id"].startswith("job_")
    error = body["error"]
    assert "rejected by the safety system" in error.pop("message")
    assert error == {
        "type": "image_generation_user_error",
        "param": None,
        "code": "moderation_blocked",
        "moderation_details": {"moderation_stage": stage, "categories": ["Violence", "Minors"]},
    }
    assert bfl.counts.submits_seen == 1
    sample = gateway.metrics.registry.get_sample_value
    labels = {"platform": "bfl", "model": "flux-kontext-pro"}
    assert sample("gateway_moderated_total", labels | {"stage": stage}) == 1
    outcome = {"route": "images.edits", "outcome": "moderated", "status": "400"}
    assert sample("gateway_requests_total", outcome) == 1
    assert (book.request["moderation_stage"], book.request["categories"]) == (stage, ["Violence", "Minors"])
    assert [line["level"] for line in book.lines] == ["info"]


@pytest.mark.parametrize(("fault", "stage"), CASES)
async def test_a_refused_edit_of_a_stream(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, fault: str, stage: str
) -> None:
    """The same words in an event, and the same log fields."""
    with logbook() as book:
        gateway = await start_gateway(bfl, errors={"moderation_code": "content_policy_violation"})
        form = edit_form(f"[[fault:{fault}=Violence]]", stream="true")
        async with client.post(f"{gateway.url}/v1/images/edits", data=form) as answer:
            text = await answer.text()
    assert '"code":"content_policy_violation"' in text
    assert f'"moderation_stage":"{stage}"' in text
    assert (book.request["outcome"], book.request["moderation_stage"]) == ("moderated", stage)


async def test_the_older_word_for_it(serve: Serve) -> None:
    """A switch for clients that look for it; metrics and log keep their own word."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        raise Moderated("rejected", stage="input", categories=("a",))

    stage = await serve(handler, moderation_code="content_policy_violation")
    heard = await exchange(stage.url, "GET /v1/thing HTTP/1.1")
    assert (heard.status, heard.error["code"]) == (400, "content_policy_violation")
    assert stage.requests() == {("thing", "moderated", "400"): 1}
