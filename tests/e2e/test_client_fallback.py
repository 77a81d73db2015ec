"""When a platform is in trouble, the next one serves, and official clients notice it in a header only."""

from __future__ import annotations

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, relayed, shown

TO_RELAY, TO_JOB = {"X-Rule": "to-relay"}, {"X-Rule": "to-job"}


@pytest.mark.parametrize("stream", [False, True])
async def test_from_a_job_to_a_relay(
    sdk: Client, stream: bool, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """An empty account at one platform: the picture comes from the other, which is told what it needs to be told."""
    prompt += "[[fault:submit_402]]"
    answer = await sdk.edit(
        prompt, at=stand["family"], headers=TO_RELAY, pictures=1, raw=not stream, stream=stream or None
    )
    assert [shown(item).size for item in answer["events" if stream else "pictures"]] == [(16, 8)]
    if not stream:
        tried = "bfl/flux-kontext-pro platform_out_of_credits, openai/gpt-image-2"
        assert answer["heads"]["x-gateway-attempts"] == tried
        assert answer["heads"]["x-gateway-platform"] == "openai/gpt-image-2"
    assert len(await relayed(session, stand, prompt)) == 1
    assert await truth.accepted(prompt) == 0


async def test_from_a_relay_to_a_job(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """A relay that has no room says so before anything is made: FLUX makes it."""
    prompt += "[[relay:429]]"
    answer = await sdk.edit(prompt, at=stand["family"], headers=TO_JOB, raw=True)
    assert shown(answer["pictures"][0]).size == (1248, 832)
    assert answer["heads"]["x-gateway-attempts"] == "openai/gpt-image-2 platform_busy, bfl/flux-kontext-pro"
    assert len(await relayed(session, stand, prompt)) == 1
    assert await truth.accepted(prompt) == 1


async def test_none_is_left(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """The last one's answer is the client's, in its own words."""
    prompt += "[[fault:submit_402]][[relay:429]]"
    error = (await sdk.edit(prompt, at=stand["family"], headers=TO_RELAY, client={"max_retries": 0}))["error"]
    assert (error["class"], error["code"]) == ("RateLimitError", "rate_limit_exceeded")
    assert "platform_out_of_credits" in error["heads"]["x-gateway-attempts"]
    assert len(await relayed(session, stand, prompt)) == 1


@pytest.mark.parametrize("fault", ["request_moderated", "content_moderated=Violence"])
async def test_a_refusal_is_final(
    sdk: Client, fault: str, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """Moderated content is asked of nobody else, neither by the gateway nor by the client's own retries."""
    prompt += f"[[fault:{fault}]]"
    error = (await sdk.edit(prompt, at=stand["family"], headers=TO_RELAY))["error"]
    assert (error["class"], error["code"]) == ("BadRequestError", "moderation_blocked")
    assert "x-gateway-attempts" not in error["heads"]
    assert await relayed(session, stand, prompt) == []
    assert len(await truth.tasks(prompt)) == 1


async def test_a_lost_answer_is_final(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """What may have been paid is asked of nobody else."""
    prompt += "[[fault:submit_accepted_reset]]"
    error = (await sdk.edit(prompt, at=stand["family"], headers=TO_RELAY))["error"]
    assert (error["class"], error["code"]) == ("InternalServerError", "platform_answer_lost")
    assert await relayed(session, stand, prompt) == []
    assert await truth.accepted(prompt) == 1


async def test_the_ai_sdk_falls_back(
    ai_sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """Its users see the header among those of the answer."""
    prompt += "[[fault:submit_402]]"
    answer = await ai_sdk.edit(prompt, at=stand["family"], headers=TO_RELAY)
    assert shown(answer["pictures"][0]).size == (16, 8)
    assert answer["heads"]["x-gateway-attempts"].startswith("bfl/flux-kontext-pro platform_out_of_credits")
    assert len(await relayed(session, stand, prompt)) == 1
