"""
The truth about resends: whatever breaks, stock clients with their own retries pay once.

Each test counts at the emulator how many paid tasks a prompt became. No client is told how often to retry: two
resends on 408, 409, 429, 5xx, time-outs and lost connections are what the official SDKs and the AI SDK do by default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, shown
from tests.e2e.driver import SOME
from tests.e2e.stand import SLOW_MODEL, SLOW_S
from tests.fakes.cutting_proxy import Cut, CuttingProxy

LOST = ["submit_accepted_reset", "submit_accepted_502", "submit_no_id"]
# Not accepted, but nobody can know.
DOUBTFUL = ["submit_502"]
# What the polls and the download of one job meet, one after the other.
TROUBLE = ["poll_404_early", "poll_502", "poll_429", "poll_html", "poll_reset", "poll_redirect", "poll_403"]
TROUBLE += ["delivery_reset", "delivery_expired", "delivery_torn"]


def accepted(truth: Truth, prompt: str, count: int = 1) -> Callable[[], Awaitable[None]]:
    """Returns once the platform has taken the job."""

    async def wait() -> None:
        while await truth.accepted(prompt) < count:
            await asyncio.sleep(0.01)

    return wait


async def at_once() -> None:
    """The moment itself."""


@pytest.mark.parametrize("fault", LOST + DOUBTFUL)
async def test_the_answer_to_a_submission_is_lost(sdk: Client, fault: str, prompt: str, truth: Truth) -> None:
    """Nobody knows whether it was paid: a clear 502, one submission, and the same answer for whoever sends it again."""
    prompt += f"[[fault:{fault}]]"
    for _ in range(2):
        error = (await sdk.edit(prompt))["error"]
        assert (error["class"], error["status"]) == ("InternalServerError", 502)
        assert error["code"] == "platform_answer_lost"
        assert "charged" in error["text"]
    assert await truth.accepted(prompt) == (fault in LOST)


@pytest.mark.parametrize("sdk", SOME, indirect=True)
@pytest.mark.parametrize("fault", ["submit_503_unread*1", "submit_reset_unread*1", "submit_429*2"])
async def test_what_is_unpaid_is_sent_again(sdk: Client, fault: str, large: Path, prompt: str, truth: Truth) -> None:
    """A definite no, or a body that was never read: the gateway itself tries again, and the user has the picture."""
    prompt += f"[[fault:{fault}]]"
    answer = await replace(sdk, files=[str(large)]).edit(prompt, output_format="jpeg")
    assert shown(answer["pictures"][0]).format == "JPEG"
    assert await truth.accepted(prompt) == 1


async def test_cut_during_the_upload(sdk: Client, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """Half an upload starts nothing; the client's resend gets the picture."""
    async with CuttingProxy(stand["plain"], [Cut(upload_bytes=300), Cut(upload_bytes=500)]) as proxy:
        answer = await sdk.edit(prompt, at=proxy.url)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert proxy.connections == 3
    assert await truth.accepted(prompt) == 1


async def test_cut_right_after_the_upload(sdk: Client, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """The request was complete, its client gone at once: paid once or not yet, and never twice."""
    async with CuttingProxy(stand["plain"], [Cut(after_upload=at_once)]) as proxy:
        answer = await sdk.edit(prompt, at=proxy.url)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_cut_while_the_platform_works(sdk: Client, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """A load balancer ends the silence, twice: both resends join the running job."""
    cuts = [Cut(after_upload=accepted(truth, prompt)), Cut(after_upload=at_once)]
    async with CuttingProxy(stand["plain"], cuts) as proxy:
        answer = await sdk.edit(prompt, at=proxy.url, model=SLOW_MODEL)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert proxy.connections == 3
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("answer_bytes", [1, 2000])
async def test_cut_with_the_answer(
    sdk: Client, answer_bytes: int, stand: dict[str, str], prompt: str, truth: Truth
) -> None:
    """The answer was written and did not arrive, or only its beginning: the resend gets the same pictures."""
    async with CuttingProxy(stand["plain"], [Cut(answer_bytes=answer_bytes)]) as proxy:
        answer = await sdk.edit(prompt, at=proxy.url, n=2)
    if answer_bytes > 1 and sdk.library.process == "node-6":
        # It does not repeat once it has an answer's head; its user hears of the cut.
        assert answer["error"]["class"] == "TypeError"
    else:
        assert [shown(item).format for item in answer["pictures"]] == ["PNG", "PNG"]
        assert proxy.connections == 2
    assert await truth.accepted(prompt) == 2


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_cut_in_a_stream(sdk: Client, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """No client repeats a stream that has begun; its user, who does, gets the job that was paid."""
    async with CuttingProxy(stand["plain"], [Cut(after_head=at_once)]) as proxy:
        broken = await sdk.edit(prompt, at=proxy.url, model=SLOW_MODEL, stream=True)
        answer = await sdk.edit(prompt, at=proxy.url, model=SLOW_MODEL, stream=True)
    assert broken.get("events", []) == []
    assert [event["type"] for event in answer["events"]] == ["image_edit.completed"]
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_a_client_that_waits_too_short(sdk: Client, prompt: str, truth: Truth) -> None:
    """A client's own time-out, shorter than the job, makes it send three times; the last one gets the picture."""
    answer = await sdk.edit(prompt, model=SLOW_MODEL, client={"timeout": 0.6 * SLOW_S})
    assert shown(answer["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_an_answer_that_is_overdue(sdk: Client, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """The promised time passes: a clear 504 that no client repeats, and the same request later gets the picture."""
    error = (await sdk.edit(prompt, at=stand["hasty"], model=SLOW_MODEL))["error"]
    assert (error["class"], error["status"], error["code"]) == ("InternalServerError", 504, "answer_overdue")
    while any(task["active"] for task in await truth.tasks(prompt)):
        await asyncio.sleep(0.02)
    answer = await sdk.edit(prompt, at=stand["hasty"], model=SLOW_MODEL)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_trouble_behind_the_gateway(sdk: Client, prompt: str, truth: Truth) -> None:
    """Bad polls and broken downloads are the gateway's business: the user gets the picture and has paid once."""
    prompt += "".join(f"[[fault:{fault}]]" for fault in TROUBLE)
    answer = await sdk.edit(prompt, output_format="jpeg")
    assert shown(answer["pictures"][0]).format == "JPEG"
    (task,) = await truth.tasks(prompt)
    assert task["polls"] >= len(TROUBLE) - 2
    assert await truth.accepted(prompt) == 1


async def test_intended_twins_are_two(sdk: Client, prompt: str, truth: Truth) -> None:
    """The same request on purpose, once the first was delivered, is a second picture."""
    for _ in range(2):
        await sdk.edit(prompt, output_format="jpeg")
    assert await truth.accepted(prompt) == 2


# The AI SDK repeats every 5xx and every lost connection twice, hears no `x-should-retry` and says nothing of a resend.


@pytest.mark.parametrize("fault", ["submit_accepted_reset", "submit_accepted_502", "task_error=out of memory"])
async def test_the_ai_sdk_repeats_in_vain(ai_sdk: Client, fault: str, prompt: str, truth: Truth) -> None:
    """Its three attempts at what may have been paid get one answer of one job."""
    prompt += f"[[fault:{fault}]]"
    error = (await ai_sdk.edit(prompt))["error"]
    assert (error["status"], error["attempts"]) == (502, 3)
    assert await truth.accepted(prompt) == 1


async def test_the_ai_sdk_is_cut_off(ai_sdk: Client, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """Its resend after a cut connection adopts the job that nobody waits for any more."""
    async with CuttingProxy(stand["plain"], [Cut(after_upload=accepted(truth, prompt))]) as proxy:
        answer = await ai_sdk.edit(prompt, at=proxy.url, model=SLOW_MODEL)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert proxy.connections == 2
    assert await truth.accepted(prompt) == 1


async def test_the_ai_sdk_and_an_overdue_answer(
    ai_sdk: Client, stand: dict[str, str], prompt: str, truth: Truth
) -> None:
    """What its user gets in the end is the picture of the first job, or word that it goes on."""
    answer = await ai_sdk.edit(prompt, at=stand["hasty"], model=SLOW_MODEL)
    assert "pictures" in answer or answer["error"]["code"] == "answer_overdue"
    assert await truth.accepted(prompt) == 1


async def test_the_ai_sdk_with_a_key_of_its_own(
    ai_sdk: Client, stand: dict[str, str], prompt: str, truth: Truth
) -> None:
    """With an Idempotency-Key, which its users can set, not even a lost answer costs a second time."""
    async with CuttingProxy(stand["plain"], [Cut(answer_bytes=1)]) as proxy:
        answer = await ai_sdk.edit(prompt, at=proxy.url, headers={"Idempotency-Key": prompt})
    assert shown(answer["pictures"][0]).format == "PNG"
    assert proxy.connections == 2
    assert await truth.accepted(prompt) == 1
