"""Whatever an official client can send arrives at the vendor, and what comes back is what its user expects."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, decoded, shown
from tests.e2e.driver import SDKS
from tests.e2e.stand import SLOW_MODEL

FORMS = [(name, form) for name, library in SDKS.items() for form in library.forms if form not in ("list", "files")]


@pytest.mark.parametrize(("sdk", "how"), FORMS, indirect=["sdk"])
async def test_one_picture_in_every_form(sdk: Client, how: str, prompt: str, truth: Truth) -> None:
    """However one picture is handed over, it reaches the vendor byte for byte and one PNG comes back."""
    answer = await sdk.edit(prompt, how=how)
    (item,) = answer["pictures"]
    assert shown(item).format == "PNG"
    assert shown(item).size == (1248, 832)
    assert answer["size"] == "1248x832"
    assert answer["output_format"] == "png"
    assert answer["created"] > 1_700_000_000
    assert not answer["usage"]
    assert answer["request_id"].startswith("req_")
    (task,) = await truth.tasks(prompt)
    assert task["fields"] == {"prompt": prompt, "input_image": sha256(sdk.files[0]), "output_format": "png"}
    assert task["model"] == "flux-kontext-pro"


@pytest.mark.parametrize(("how", "count"), [("list", 1), ("files", 4)])
async def test_a_list_of_pictures(sdk: Client, how: str, count: int, prompt: str, truth: Truth) -> None:
    """A list of one, and one of four in three formats: each picture has its field, in the order of the list."""
    answer = await sdk.edit(prompt, how=how, pictures=count)
    assert len(answer["pictures"]) == 1
    (task,) = await truth.tasks(prompt)
    names = ["input_image", "input_image_2", "input_image_3", "input_image_4"][:count]
    sent = {name: value for name, value in task["fields"].items() if name.startswith("input_image")}
    assert sent == {name: sha256(path) for name, path in zip(names, sdk.files, strict=False)}


async def test_n_pictures(sdk: Client, prompt: str, truth: Truth) -> None:
    """`n=3` is three paid tasks with three seeds and three pictures in one answer."""
    answer = await sdk.edit(prompt, n=3, extra={"seed": 7})
    assert [shown(item).size for item in answer["pictures"]] == [(1248, 832)] * 3
    assert sorted(task["seed"] for task in await truth.tasks(prompt)) == [7, 8, 9]


async def test_an_url_instead_of_bytes(
    sdk: Client, prompt: str, truth: Truth, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """`response_format=url` is a link of the gateway's own that needs no key and opens the picture."""
    answer = await sdk.edit(prompt, response_format="url", output_format="jpeg")
    (item,) = answer["pictures"]
    assert item.get("b64_json") is None
    assert item["url"].startswith(stand["plain"] + "/results/")
    async with session.get(item["url"]) as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        assert decoded(await response.read()).size == (1248, 832)


async def test_output_format_and_model(sdk: Client, prompt: str, truth: Truth) -> None:
    """The picture comes in the format that was asked for, and OpenAI's own model names mean the default model."""
    answer = await sdk.edit(prompt, output_format="webp", model="gpt-image-2")
    assert answer["output_format"] == "webp"
    assert shown(answer["pictures"][0]).format == "WEBP"
    assert (await truth.tasks(prompt))[0]["model"] == "flux-kontext-pro"


async def test_a_size_becomes_a_ratio(sdk: Client, prompt: str, truth: Truth) -> None:
    """`size` is sent as its ratio; the answer names the size the picture really has. No model means the default one."""
    answer = await sdk.edit(prompt, size="1024x1536", response_format="b64_json", model=None)
    assert answer["size"] == "832x1248"
    assert shown(answer["pictures"][0]).size == (832, 1248)
    assert (await truth.tasks(prompt))[0]["fields"]["aspect_ratio"] == "2:3"


async def test_fields_that_openai_does_not_have(sdk: Client, prompt: str, truth: Truth) -> None:
    """Kontext's own fields travel in `extra_body`."""
    extra = {"seed": 42, "aspect_ratio": "16:9", "safety_tolerance": 1, "prompt_upsampling": True}
    answer = await sdk.edit(prompt, extra=extra)
    assert answer["size"] == "1392x752"
    fields = (await truth.tasks(prompt))[0]["fields"]
    assert {name: fields[name] for name in extra} == extra


async def test_fields_that_kontext_does_not_have(sdk: Client, prompt: str, truth: Truth) -> None:
    """What OpenAI's clients send by habit is accepted and never reaches the vendor."""
    params: dict[str, Any] = {
        "quality": "high",
        "input_fidelity": "high",
        "background": "auto",
        "output_compression": 90,
        "size": "auto",
        "user": "user-1",
    }
    answer = await sdk.edit(prompt, extra={"moderation": "low"}, **params)
    assert len(answer["pictures"]) == 1
    (task,) = await truth.tasks(prompt)
    assert set(task["fields"]) == {"prompt", "input_image", "output_format", "safety_tolerance"}
    assert task["fields"]["safety_tolerance"] == 2


async def test_models(sdk: Client) -> None:
    """The list, which applications ask for as a test of the connection, has the catalogue; each of it can be had."""
    assert {"flux-kontext-pro", SLOW_MODEL, "flux1_kontext"} <= set(await sdk.models())
    assert (await sdk.model("flux-kontext-pro"))["models"] == ["flux-kontext-pro"]


@pytest.mark.parametrize("count", [1, 4])
async def test_the_ai_sdk_edits(ai_sdk: Client, count: int, prompt: str, truth: Truth) -> None:
    """Vercel's AI SDK gets its picture, with its provider's options as fields."""
    answer = await ai_sdk.edit(prompt, pictures=count, size="1024x1024", extra={"seed": 3, "output_format": "webp"})
    (item,) = answer["pictures"]
    assert item["media_type"] == "image/webp"
    assert shown(item).size == (1024, 1024)
    (task,) = await truth.tasks(prompt)
    assert task["seed"] == 3
    assert sum(name.startswith("input_image") for name in task["fields"]) == count


async def test_the_ai_sdk_gets_several(ai_sdk: Client, prompt: str, truth: Truth) -> None:
    """`n=3` in one call of the AI SDK is one answer with three pictures."""
    answer = await ai_sdk.edit(prompt, n=3)
    assert [shown(item).format for item in answer["pictures"]] == ["PNG"] * 3
    assert await truth.accepted(prompt) == 3


async def test_the_ai_sdk_follows_links(ai_sdk: Client, prompt: str) -> None:
    """With `response_format=url` the AI SDK fetches the gateway's link by itself."""
    answer = await ai_sdk.edit(prompt, extra={"response_format": "url"})
    assert base64.b64decode(answer["pictures"][0]["b64_json"]).startswith(b"\x89PNG")


def sha256(path: str) -> str:
    """How the emulator tells of a picture that it was sent."""
    return f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
