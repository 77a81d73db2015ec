"""What goes to OpenAI: changed where the operator says so and nowhere else, which is seen by asking it directly too."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, relayed, shown
from tests.e2e.curl import Curl
from tests.e2e.upstream import fields, parts

CHAT: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "naïve 图\u2028 1.0"}], "x": 1.0}


def form(seen: dict[str, Any]) -> list[tuple[dict[str, str], bytes]]:
    return parts(seen["headers"]["content-type"], seen["body"])


@pytest.mark.parametrize("how", ["list", "files"])
async def test_a_changed_form_keeps_every_part(
    sdk: Client, how: str, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """Model, size and quality are the operator's; all else, files with their names, is what OpenAI itself would get."""
    asked: dict[str, Any] = {"model": "flux-kontext-pro", "size": "1000x700", "quality": "high", "user": "me"}
    for at, rule in ((stand["upstream"], {}), (stand["family"], {"X-Rule": "mini"})):
        answer = await sdk.edit(prompt, how=how, pictures=3, at=at, headers=rule, **asked)
        assert shown(answer["pictures"][0]).size == (16, 8)
    wanted, seen = await relayed(session, stand, prompt)
    changes = {"model": b"gpt-image-2.6-flare", "size": b"1008x704", "quality": b"low"}
    changed = [(head, changes.get(head["content-disposition"].split('"')[1], text)) for head, text in form(wanted)]
    assert form(seen) == changed
    assert {name for name, _ in changes.items()} < set(fields(wanted["headers"]["content-type"], wanted["body"]))


async def test_a_changed_document_keeps_every_member(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """The same for JSON; the answer says what was changed, and who served it."""
    asked: dict[str, Any] = {"model": "gpt-image-2", "n": 2, "background": "opaque", "size": "1536x1024"}
    answer = await sdk.generate(prompt, at=stand["family"], headers={"X-Rule": "mini"}, raw=True, **asked)
    assert len(answer["pictures"]) == 2
    assert answer["heads"]["x-gateway-platform"] == "openai/gpt-image-2.6-flare"
    assert "model" in answer["heads"]["x-gateway-translation"]
    (seen,) = await relayed(session, stand, prompt)
    changed = {"model": "gpt-image-2.6-flare", "quality": "low"}
    assert json.loads(seen["body"]) == {"prompt": prompt, **asked, **changed}


async def test_x_image_model(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession, truth: Truth
) -> None:
    """`X-ImageModel`, set once for a client, puts a family of platforms first: both serve a FLUX model's request."""
    for family, platform in (("openai", "openai/gpt-image-2"), ("flux", "bfl/flux-kontext-pro")):
        heads = {"default_headers": {"X-ImageModel": family}}
        words = f"{prompt} {family}"
        answer = await sdk.edit(words, at=stand["family"], client=heads, raw=True, model="gpt-image-2")
        assert answer["heads"]["x-gateway-platform"] == platform
        assert len(await relayed(session, stand, words)) == (family == "openai")
        assert await truth.accepted(words) == (family == "flux")


async def test_chat_is_relayed_byte_for_byte(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """What is no picture goes as the client wrote it, with the operator's key instead of the client's."""
    body = CHAT | {"user": prompt}
    for at in ("upstream", "family"):
        answer = await sdk.post("/chat/completions", body, at=stand[at])
        assert answer["answer"]["object"] == "chat.completion"
    wanted, seen = await relayed(session, stand, prompt)
    assert seen["body"] == wanted["body"]
    assert seen["target"] == wanted["target"] == "/v1/chat/completions"
    kept = ("content-type", "user-agent", "accept", "x-stainless-lang")
    assert [seen["headers"].get(name) for name in kept] == [wanted["headers"].get(name) for name in kept]
    assert seen["headers"]["authorization"] != wanted["headers"]["authorization"]


async def test_curl_streams_through_a_relay(
    curl: Curl, prompt: str, files: list[str], stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """An edit's partial pictures come as events, of OpenAI's own writing."""
    told = ["-F", f"image[]=@{files[0]}", "-F", f"prompt={prompt}", "-F", "model=gpt-image-2", "-F", "stream=true"]
    reply = await curl(*told, "-F", "partial_images=1", at=stand["family"])
    assert reply.headers["content-type"] == "text/event-stream"
    kinds = [line for line in reply.body.decode().splitlines() if line.startswith("event: ")]
    assert kinds == ["event: image_edit.partial_image", "event: image_edit.completed"]
    assert len(await relayed(session, stand, prompt)) == 1


async def test_a_refusal_of_the_relay(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """OpenAI's own error reaches the user as it was written, after one attempt."""
    prompt += "[[relay:400]]"
    error = (await sdk.generate(prompt, at=stand["family"], model="gpt-image-2"))["error"]
    assert (error["class"], error["code"]) == ("BadRequestError", "moderation_blocked")
    assert error["text"].find("rejected by the safety system") >= 0
    assert len(await relayed(session, stand, prompt)) == 1
