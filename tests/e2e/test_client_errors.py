"""Every fault reaches the official clients as the exception that their users expect, and is not paid for again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, shown
from tests.e2e.driver import SOME
from tests.e2e.stand import SECOND_KEY, SLOW_MODEL

INVALID, SERVER, REFUSAL = "invalid_request_error", "server_error", "image_generation_user_error"


@dataclass(frozen=True, slots=True)
class Case:
    """A request and what it raises; `accepted` is how many paid tasks it becomes, `marker` goes into the prompt."""

    raised: str
    status: int
    code: str
    param: str | None = None
    type: str = INVALID
    accepted: int = 0
    marker: str = ""
    call: dict[str, Any] = field(default_factory=dict)


CASES = {
    "wrong key": Case("AuthenticationError", 401, "invalid_api_key", call={"key": "gw-nobody"}),
    "size": Case("BadRequestError", 400, "invalid_value", "size", call={"size": "1x9"}),
    "n": Case("BadRequestError", 400, "invalid_value", "n", call={"n": 11}),
    "five pictures": Case(
        "BadRequestError", 400, "unsupported_parameter", "image[4]", call={"how": "list", "pictures": 5}
    ),
    "unknown field": Case("BadRequestError", 400, "unsupported_parameter", "guidance", call={"extra": {"guidance": 3}}),
    "seed": Case("BadRequestError", 400, "invalid_value", "seed", call={"extra": {"seed": -1}}),
    "transparent": Case(
        "BadRequestError", 400, "unsupported_parameter", "background", call={"background": "transparent"}
    ),
    "model": Case("NotFoundError", 404, "model_not_found", "model", call={"model": "flux-9"}),
    "platform refuses a field": Case(
        "BadRequestError", 400, "invalid_value", "size", marker="[[fault:submit_422_field]]", call={"size": "3:2"}
    ),
    "platform refuses the key": Case(
        "InternalServerError", 502, "platform_auth_failed", None, SERVER, marker="[[fault:submit_403]]"
    ),
    "no credits": Case(
        "InternalServerError", 503, "platform_out_of_credits", None, SERVER, marker="[[fault:submit_402]]"
    ),
    "platform fails": Case(
        "InternalServerError", 502, "platform_error", None, SERVER, 1, "[[fault:task_error=out of memory]]"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_faults(sdk: Client, case: Case, prompt: str, truth: Truth) -> None:
    """Class, status, code, param and type are OpenAI's; a request id leads to the log; stock resends change nothing."""
    prompt += case.marker
    error = (await sdk.edit(prompt, **case.call))["error"]
    told = error["class"], error["status"], error["code"], error["param"], error["type"]
    assert told == (case.raised, case.status, case.code, case.param, case.type)
    assert error["request_id"].startswith("req_")
    assert set(error["body"]) == {"message", "type", "param", "code"}
    assert error["body"]["message"] in error["text"]
    assert await truth.accepted(prompt) == case.accepted


@pytest.mark.parametrize(("fault", "stage"), [("request_moderated", "input"), ("content_moderated", "output")])
async def test_moderation(sdk: Client, fault: str, stage: str, prompt: str, truth: Truth) -> None:
    """A refusal is a 400 in the words that applications look for, with stage and reasons, and is not sent again."""
    prompt += f"[[fault:{fault}=Violence|Gore]]"
    error = (await sdk.edit(prompt))["error"]
    assert (error["class"], error["status"], error["code"]) == ("BadRequestError", 400, "moderation_blocked")
    assert error["type"] == REFUSAL
    assert "rejected by the safety system" in error["text"]
    details = error["body"]["moderation_details"]
    assert details == {"moderation_stage": stage, "categories": ["Violence", "Gore"]}
    assert await truth.accepted(prompt) == 1


async def test_something_that_is_no_picture(sdk: Client, tmp_path: Path, prompt: str) -> None:
    """A file that only claims to be a picture is named as the culprit."""
    path = tmp_path / "picture.png"
    path.write_text("not a picture at all")
    error = (await replace(sdk, files=[str(path)]).edit(prompt))["error"]
    assert (error["class"], error["param"]) == ("BadRequestError", "image")
    assert error["code"] in ("unsupported_file_mimetype", "invalid_image_file")


async def test_unknown_model_in_the_list(sdk: Client) -> None:
    """Asking for a model that is not there is a NotFoundError."""
    error = (await sdk.model("no-such-model"))["error"]
    assert (error["class"], error["code"]) == ("NotFoundError", "model_not_found")


async def test_key_reused_for_another_request(sdk: Client, prompt: str, truth: Truth) -> None:
    """An Idempotency-Key with another request is 422, which no client repeats; with the same it is the same answer."""
    headers = {"Idempotency-Key": prompt}
    first = await sdk.edit(prompt, headers=headers, output_format="jpeg")
    other = prompt + " and more"
    error = (await sdk.edit(other, headers=headers))["error"]
    assert (error["class"], error["code"]) == ("UnprocessableEntityError", "idempotency_key_reused")
    assert await truth.accepted(other) == 0
    again = await sdk.edit(prompt, headers=headers, output_format="jpeg")
    assert again["pictures"] == first["pictures"]
    assert await truth.accepted(prompt) == 1


async def test_platform_busy(sdk: Client, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """A platform at its limit is asked again for a while; then the client gets a RateLimitError."""
    prompt += "[[fault:submit_429]]"
    error = (await sdk.edit(prompt, at=stand["patient"], client={"max_retries": 0}))["error"]
    assert (error["class"], error["status"], error["type"]) == ("RateLimitError", 429, "rate_limit_error")
    # Right after another such job the gateway knows beforehand.
    assert error["code"] in ("platform_busy", "queue_full")
    assert await truth.accepted(prompt) == 0


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_full_queue_then_a_slot(
    sdk: Client, stand: dict[str, str], prompt: str, truth: Truth, session: aiohttp.ClientSession
) -> None:
    """With every slot taken a request is turned away with 429; the stock client waits as told and gets its picture."""
    first, emulator = prompt + " first", f"{stand['emulator']}/_emulator"
    await session.post(f"{emulator}/script", json={"fault": "poll_502", "times": None})  # the slot is kept
    long = asyncio.create_task(occupy(session, stand["narrow"], first, sdk.files[0]))
    while not await truth.accepted(first):
        await asyncio.sleep(0.01)
    error = (await sdk.edit(prompt, at=stand["narrow"], client={"max_retries": 0}))["error"]
    assert (error["class"], error["code"]) == ("RateLimitError", "queue_full")
    await session.post(f"{emulator}/calm")
    second = prompt + " second"
    answer = await sdk.edit(second, at=stand["narrow"], client={"max_retries": 9})
    assert shown(answer["pictures"][0]).format == "PNG"
    assert await long == 200
    assert await truth.accepted(prompt) == 0
    assert await truth.accepted(second) == 1


async def test_the_ai_sdk_reads_faults(ai_sdk: Client, prompt: str, truth: Truth) -> None:
    """A refusal reaches the AI SDK's user with code and message, after one attempt."""
    prompt += "[[fault:content_moderated=Violence]]"
    error = (await ai_sdk.edit(prompt))["error"]
    assert (error["status"], error["code"], error["attempts"]) == (400, "moderation_blocked", 1)
    assert "rejected by the safety system" in error["text"]
    assert await truth.accepted(prompt) == 1


async def test_another_client_joins_nothing(sdk: Client, prompt: str, truth: Truth) -> None:
    """Keys are separate worlds: the same Idempotency-Key from another client is another job."""
    headers = {"Idempotency-Key": prompt}
    await sdk.edit(prompt, headers=headers, output_format="jpeg")
    await sdk.edit(prompt, headers=headers, output_format="jpeg", key=SECOND_KEY)
    assert await truth.accepted(prompt) == 2


async def occupy(session: aiohttp.ClientSession, url: str, prompt: str, file: str) -> int:
    """A slow job from somebody else; returns the status in the end."""
    form = aiohttp.FormData({"prompt": prompt, "model": SLOW_MODEL})
    form.add_field("image", Path(file).read_bytes(), filename="a.png")
    headers = {"Authorization": f"Bearer {SECOND_KEY}"}
    async with session.post(f"{url}/v1/images/edits", data=form, headers=headers) as response:
        await response.read()
        return response.status
