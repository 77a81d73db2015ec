"""Two things at once: masks, JSON, Azure's paths and several pictures, with rules and fallbacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, decoded, relayed, shown
from tests.e2e.curl import Curl
from tests.e2e.keys import key_of
from tests.e2e.test_client_edits import sha256
from tests.e2e.test_client_fallback import TO_JOB, TO_RELAY
from tests.e2e.test_client_json import data_url
from tests.e2e.test_client_keys import key
from tests.e2e.upstream import fields, parts


async def test_a_mask_goes_on_as_it_came(
    sdk: Client, mask: str, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """What was made of picture and mask for FLUX is FLUX's: the relay gets the client's own files."""
    prompt += "[[fault:submit_402]]"
    answer = await sdk.edit(prompt, mask=mask, at=stand["family"], headers=TO_RELAY, raw=True)
    tried = "bfl/flux-pro-1.0-fill platform_out_of_credits, openai/gpt-image-2"
    assert answer["heads"]["x-gateway-attempts"] == tried
    (seen,) = await relayed(session, stand, prompt)
    sent = {head["content-disposition"].split('"')[1]: text for head, text in parts(*form(seen))}
    assert sent["image"] == Path(sdk.files[0]).read_bytes()
    assert sent["mask"] == Path(mask).read_bytes()
    assert sent["model"] == b"gpt-image-2"


async def test_json_goes_on_as_it_came(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """A document that falls back keeps all but its model; one that falls the other way becomes a job."""
    images = [{"image_url": data_url(path)} for path in sdk.files[:2]]
    for rule, fault in ((TO_RELAY, "[[fault:submit_402]]"), (TO_JOB, "[[relay:429]]")):
        words = prompt + fault
        body = {"model": "flux-kontext-pro", "prompt": words, "images": images, "n": 2}
        client = {"default_headers": rule}
        answer = await sdk.post("/images/edits", body, at=stand["family"], client=client)
        assert len(answer["answer"]["data"]) == 2
        (seen,) = await relayed(session, stand, words)
        assert json.loads(seen["body"]) == body | {"model": "gpt-image-2"}
    assert await truth.accepted(prompt + "[[relay:429]]") == 2
    assert (await truth.tasks(prompt + "[[relay:429]]"))[0]["fields"]["input_image"] == sha256(sdk.files[0])


async def test_links_after_a_fallback(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """Two links from the job platform that came second."""
    prompt += "[[relay:429]]"
    answer = await sdk.edit(prompt, at=stand["family"], headers=TO_JOB, n=2, response_format="url")
    for item in answer["pictures"]:
        async with session.get(item["url"]) as response:
            assert decoded(await response.read()).size == (1248, 832)
    assert len(answer["pictures"]) == 2


async def test_a_deployment_falls_back(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """A model that stands in the path is changed as one in the form is."""
    prompt += "[[fault:submit_402]]"
    told = {"azure": True, "api_version": "2025-04-01-preview", "path": "", "azure_deployment": "flux-kontext-pro"}
    told["default_headers"] = TO_RELAY
    answer = await sdk.edit(prompt, model="anything", at=stand["family"], client=told, size="1024x1536")
    assert shown(answer["pictures"][0]).size == (16, 8)
    (seen,) = await relayed(session, stand, prompt)
    assert seen["target"] == "/v1/images/edits"
    assert fields(*form(seen))["model"] == "gpt-image-2"


async def test_a_deployment_that_the_key_does_not_allow(
    sdk: Client, prompt: str, stand: dict[str, str], truth: Truth
) -> None:
    """The path's model counts, whatever the form says."""
    told = {"azure": True, "api_version": "2025-04-01-preview", "path": "", "azure_deployment": "flux-2-pro"}
    mine: dict[str, Any] = {"at": stand["keys"], "key": key(sdk, "kontext"), "client": told}
    error = (await sdk.edit(prompt, model="flux-kontext-pro", **mine))["error"]
    assert (error["class"], error["code"]) == ("PermissionDeniedError", "model_not_allowed")
    assert await truth.accepted(prompt) == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_retries_of_a_moderated_generation(
    sdk: Client, stream: bool, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """From text and streamed as well, a refusal is final."""
    prompt += "[[fault:request_moderated]]"
    error = (await sdk.generate(prompt, at=stand["family"], headers=TO_RELAY, stream=stream or None))["error"]
    assert error["code"] == "moderation_blocked"
    assert error["class"] == ("APIError" if stream else "BadRequestError")
    assert await relayed(session, stand, prompt) == []
    assert len(await truth.tasks(prompt)) == 1


async def test_variations_are_relayed(
    curl: Curl, files: list[str], prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """A path of pictures that nobody translates goes to OpenAI, held against the key's models."""
    told = ["-F", f"image=@{files[0]}", "-F", f"user={prompt}", "-F", "model=dall-e-2"]
    path = "/v1/images/variations"
    assert (await curl(*told, at=stand["keys"], path=path, key=key_of("patience", "curl"))).status == 200
    (seen,) = await relayed(session, stand, prompt)
    assert seen["target"] == path
    refused = await curl(*told, at=stand["keys"], path=path, key=key_of("kontext", "curl"))
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")
    assert len(await relayed(session, stand, prompt)) == 1


def form(seen: dict[str, Any]) -> tuple[str, bytes]:
    return seen["headers"]["content-type"], seen["body"]
