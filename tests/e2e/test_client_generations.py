"""Pictures from text, made by FLUX and by a relay, as every official client asks for them."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, decoded, relayed, shown
from tests.e2e.driver import SOME
from tests.e2e.upstream import OPENAI_KEY


async def test_a_picture_from_text(sdk: Client, prompt: str, truth: Truth) -> None:
    """Without a model it is the default one, and the answer is that of an edit: one PNG, its size, its request."""
    answer = await sdk.generate(prompt)
    (item,) = answer["pictures"]
    assert shown(item).format == "PNG"
    assert answer["size"] == "x".join(map(str, shown(item).size))
    assert answer["output_format"] == "png"
    assert answer["created"] > 1_700_000_000
    assert answer["request_id"].startswith("req_")
    (task,) = await truth.tasks(prompt)
    assert (task["model"], task["fields"]["prompt"]) == ("flux-pro-1.1", prompt)


# The client's size and model, the vendor's fields, the picture's size.
SIZES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "its own": ({"model": "flux-pro-1.1", "size": "1024x768"}, {"width": 1024, "height": 768}, (1024, 768)),
    "its ratio": ({"model": "flux-kontext-max", "size": "1024x1536"}, {"aspect_ratio": "2:3"}, (832, 1248)),
    "an openai name": ({"model": "gpt-image-2", "size": "1024x1024"}, {"width": 1024, "height": 1024}, (1024, 1024)),
    "flux 2": ({"model": "flux-2-klein-4b", "size": "512x768"}, {"width": 512, "height": 768}, (512, 768)),
}


@pytest.mark.parametrize("sdk", SOME, indirect=True)
@pytest.mark.parametrize(("params", "fields", "size"), SIZES.values(), ids=SIZES)
async def test_sizes(
    sdk: Client, params: dict[str, Any], fields: dict[str, Any], size: tuple[int, int], prompt: str, truth: Truth
) -> None:
    """`size` becomes what the model has for it, and the answer's picture has the size that the answer names."""
    answer = await sdk.generate(prompt, **params)
    assert shown(answer["pictures"][0]).size == size
    assert answer["size"] == f"{size[0]}x{size[1]}"
    (task,) = await truth.tasks(prompt)
    assert {name: task["fields"].get(name) for name in fields} == fields


async def test_two_links(
    sdk: Client, prompt: str, truth: Truth, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """`n=2` and `response_format=url`: two paid tasks, two links that open without a key."""
    answer = await sdk.generate(prompt, model="flux-dev", n=2, response_format="url", output_format="jpeg")
    assert len({item["url"] for item in answer["pictures"]}) == 2
    for item in answer["pictures"]:
        assert item["url"].startswith(stand["plain"] + "/results/")
        async with session.get(item["url"]) as response:
            assert decoded(await response.read()).format == "JPEG"
    assert await truth.accepted(prompt) == 2


async def test_a_stream(sdk: Client, prompt: str, truth: Truth) -> None:
    """One completed event for each picture, in the words of generations; FLUX has no partial ones, asked for or not."""
    answer = await sdk.generate(prompt, model="flux-pro-1.1", n=2, stream=True, partial_images=2)
    assert [event["type"] for event in answer["events"]] == ["image_generation.completed"] * 2
    assert [shown(event).format for event in answer["events"]] == ["PNG", "PNG"]
    assert await truth.accepted(prompt) == 2


async def test_what_flux_does_not_have(sdk: Client, prompt: str, truth: Truth) -> None:
    """Fields of OpenAI's other models are reported or refused by name, never dropped in silence."""
    answer = await sdk.generate(prompt, quality="high", style="vivid", moderation="low", raw=True)
    said = answer["heads"]["x-gateway-translation"]
    assert "quality" in said
    assert "style" in said
    (task,) = await truth.tasks(prompt)
    assert task["fields"]["safety_tolerance"] == 6
    error = (await sdk.generate(prompt + " refused", background="transparent"))["error"]
    assert (error["class"], error["code"], error["param"]) == ("BadRequestError", "unsupported_parameter", "background")
    error = (await sdk.generate(prompt + " refused", model="flux-pro-1.0-fill"))["error"]
    assert (error["class"], error["code"]) == ("NotFoundError", "model_not_found")
    assert await truth.accepted(prompt + " refused") == 0


async def test_through_a_relay(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """A model of OpenAI's goes there as it was written, with the operator's key, and the answer comes back."""
    params: dict[str, Any] = {"model": "gpt-image-2", "n": 2, "size": "1024x1024", "quality": "high"}
    answer = await sdk.generate(prompt, at=stand["family"], raw=True, **params)
    assert [shown(item).size for item in answer["pictures"]] == [(16, 8)] * 2
    assert answer["heads"]["x-gateway-platform"].startswith("openai")
    assert answer["heads"]["x-upstream-request-id"] == "req_upstream"
    (seen,) = await relayed(session, stand, prompt)
    assert seen["target"] == "/v1/images/generations"
    assert seen["headers"]["authorization"] == f"Bearer {OPENAI_KEY}"
    assert json.loads(seen["body"]) == {"prompt": prompt, **params}
    assert await truth.accepted(prompt) == 0


async def test_a_stream_through_a_relay(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """A relay that has partial pictures sends them."""
    asked: dict[str, Any] = {"model": "gpt-image-2", "stream": True, "partial_images": 2}
    answer = await sdk.generate(prompt, at=stand["family"], **asked)
    kinds = ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event["type"] for event in answer["events"]] == kinds
    assert shown(answer["events"][0]).size == (16, 8)
    assert len(await relayed(session, stand, prompt)) == 1


async def test_the_ai_sdk_generates(
    ai_sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """`generateImage` gets pictures from FLUX with fields of its own, and from a relay."""
    answer = await ai_sdk.generate(prompt, model="flux-pro-1.1", n=2, size="768x512", extra={"seed": 7})
    assert [shown(item).size for item in answer["pictures"]] == [(768, 512)] * 2
    assert sorted(task["seed"] for task in await truth.tasks(prompt)) == [7, 8]
    answer = await ai_sdk.generate(prompt + " relayed", at=stand["family"], model="gpt-image-2")
    assert [shown(item).size for item in answer["pictures"]] == [(16, 8)]
    assert len(await relayed(session, stand, prompt + " relayed")) == 1
