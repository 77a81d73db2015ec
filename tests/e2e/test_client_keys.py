"""What a key may do, as the exceptions of official clients tell it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, shown
from tests.e2e.curl import Curl
from tests.e2e.driver import SOME
from tests.e2e.keys import key_of
from tests.e2e.stand import SLOW_MODEL

# With the alias that is built in.
KONTEXT = {"flux-kontext-pro", "flux-kontext-max", "flux1_kontext"}
ONCE = {"max_retries": 0}


def key(sdk: Client, kind: str) -> str:
    return key_of(kind, sdk.library.process + ("-async" if sdk.library.mode == "async" else ""))


@pytest.mark.parametrize("kind", ["nobody", "expired"])
async def test_keys_that_open_nothing(sdk: Client, kind: str, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """A wrong key and one past its day look alike: 401, which no client repeats."""
    error = (await sdk.edit(prompt, at=stand["keys"], key=key(sdk, kind)))["error"]
    assert (error["class"], error["status"]) == ("AuthenticationError", 401)
    assert error["code"] == "invalid_api_key"
    assert error["heads"]["x-should-retry"] == "false"
    assert await truth.accepted(prompt) == 0


async def test_models_of_a_key(sdk: Client, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """A model that the key does not allow is 403 wherever it lives, the list shows what it allows."""
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(sdk, "kontext")}
    assert set(await sdk.models(**mine)) == KONTEXT
    for model in ("flux-2-pro", "flux-pro-1.0-fill", "gpt-image-2"):
        error = (await sdk.edit(prompt, model=model, **mine))["error"]
        assert (error["class"], error["status"]) == ("PermissionDeniedError", 403)
        assert (error["code"], error["param"]) == ("model_not_allowed", "model")
    error = (await sdk.post("/chat/completions", {"model": "gpt-5", "messages": []}, **mine))["error"]
    assert (error["class"], error["code"]) == ("PermissionDeniedError", "model_not_allowed")
    assert (await sdk.model("flux-2-pro", **mine))["error"]["class"] == "NotFoundError"
    assert shown((await sdk.edit(prompt, **mine))["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_a_mask_needs_a_model_too(
    sdk: Client, mask: str, prompt: str, stand: dict[str, str], truth: Truth
) -> None:
    """Where a mask switches to another model, the key has to allow that one."""
    error = (await sdk.edit(prompt, mask=mask, at=stand["keys"], key=key(sdk, "kontext")))["error"]
    assert (error["class"], error["code"], error["param"]) == ("PermissionDeniedError", "model_not_allowed", "mask")
    assert await truth.accepted(prompt) == 0


async def test_paths_of_a_key(sdk: Client, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """A key for the list of models lists all of them, the relay's too, and edits nothing."""
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(sdk, "listing")}
    assert {"flux-kontext-pro", "gpt-image-2", "gpt-5"} <= set(await sdk.models(**mine))
    assert (await sdk.model("flux-2-pro", **mine))["models"] == ["flux-2-pro"]
    error = (await sdk.edit(prompt, **mine))["error"]
    assert (error["class"], error["status"], error["code"]) == ("PermissionDeniedError", 403, "path_not_allowed")
    azure = {"azure": True, "api_version": "2025-04-01-preview", "path": "", "azure_deployment": "flux-kontext-pro"}
    assert (await sdk.edit(prompt, client=azure, **mine))["error"]["code"] == "path_not_allowed"
    assert await truth.accepted(prompt) == 0


async def test_requests_a_minute(sdk: Client, stand: dict[str, str]) -> None:
    """The second request within the minute is 429, with numbers as OpenAI's and a wait that SDKs obey."""
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(sdk, "requests")}
    assert await sdk.models(**mine)
    error = (await sdk.listing(client=ONCE, **mine))["error"]
    assert (error["class"], error["status"]) == ("RateLimitError", 429)
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    heads = error["heads"]
    assert (heads["x-ratelimit-limit-requests"], heads["x-ratelimit-remaining-requests"]) == ("1", "0")
    assert heads["x-ratelimit-reset-requests"].endswith("s")
    assert 11 <= int(heads["retry-after"]) <= 60
    assert heads["x-should-retry"] == "true"


@pytest.mark.parametrize("sdk", ["python-1", "node-6"], indirect=True)
async def test_a_stock_client_waits_for_the_minute(sdk: Client, stand: dict[str, str]) -> None:
    """With its own retries the client waits as long as it is told, once, and gets what it asked for."""
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(sdk, "patience")}
    assert await sdk.models(**mine)
    assert "flux-kontext-pro" in await sdk.models(client={"max_retries": 1}, **mine)


async def test_more_pictures_than_a_minute_has(sdk: Client, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """What alone is beyond the limit never passes, so nobody is told to wait for it."""
    error = (await sdk.generate(prompt, at=stand["keys"], key=key(sdk, "images"), model="flux-dev", n=4))["error"]
    assert (error["class"], error["code"]) == ("RateLimitError", "request_beyond_limit")
    assert error["heads"]["x-ratelimit-limit-images"] == "3"
    assert error["heads"]["x-should-retry"] == "false"
    assert await truth.accepted(prompt) == 0


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_jobs_at_the_same_time(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """While one job runs another one is 429; afterwards the same request passes."""
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(sdk, "jobs")}
    form = aiohttp.FormData({"prompt": prompt + " first", "model": SLOW_MODEL})
    form.add_field("image", Path(sdk.files[0]).read_bytes(), filename="a.png")
    heads = {"Authorization": f"Bearer {mine['key']}"}

    async def first() -> int:
        async with session.post(f"{stand['keys']}/v1/images/edits", data=form, headers=heads) as response:
            return response.status

    long = asyncio.create_task(first())
    while not await truth.accepted(prompt + " first"):
        await asyncio.sleep(0.01)
    error = (await sdk.edit(prompt, client=ONCE, **mine))["error"]
    assert (error["class"], error["code"]) == ("RateLimitError", "rate_limit_exceeded")
    assert (error["heads"]["x-ratelimit-limit-jobs"], error["heads"]["x-ratelimit-remaining-jobs"]) == ("1", "0")
    assert "jobs at the same time" in error["text"]
    assert await long == 200
    assert shown((await sdk.edit(prompt, **mine))["pictures"][0]).format == "PNG"
    assert await truth.accepted(prompt) == 1


async def test_money_of_a_month(sdk: Client, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """What is left does not pay for a second picture: OpenAI's word for it, and no client repeats it."""
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(sdk, "money")}
    answer = await sdk.edit(prompt, raw=True, **mine)
    assert shown(answer["pictures"][0]).format == "PNG"
    assert answer["heads"]["x-ratelimit-remaining-cents-month"] == "1"
    error = (await sdk.edit(prompt + " second", **mine))["error"]
    assert (error["class"], error["status"], error["type"]) == ("RateLimitError", 429, "insufficient_quota")
    assert error["code"] == "spend_limit_exceeded"
    assert error["heads"]["x-should-retry"] == "false"
    assert await truth.accepted(prompt + " second") == 0


async def test_the_ai_sdk_and_its_key(ai_sdk: Client, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """A wrong key after one attempt; a spent budget, which this library repeats, has its code and type."""
    error = (await ai_sdk.edit(prompt, at=stand["keys"], key=key(ai_sdk, "nobody")))["error"]
    assert (error["status"], error["code"], error["attempts"]) == (401, "invalid_api_key", 1)
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(ai_sdk, "money")}
    assert shown((await ai_sdk.edit(prompt, **mine))["pictures"][0]).format == "PNG"
    error = (await ai_sdk.edit(prompt + " second", **mine))["error"]
    assert (error["status"], error["code"], error["type"]) == (429, "spend_limit_exceeded", "insufficient_quota")
    assert await truth.accepted(prompt + " second") == 0


async def test_curl_and_a_list_of_models(curl: Curl, stand: dict[str, str]) -> None:
    """`GET /v1/models` with two keys: each shows what that key may use."""
    found = {}
    for kind in ("kontext", "listing"):
        reply = await curl(at=stand["keys"], path="/v1/models", key=key_of(kind, "curl"))
        found[kind] = {model["id"] for model in json.loads(reply.body)["data"]}
    assert found["kontext"] == KONTEXT
    assert found["listing"] > KONTEXT
