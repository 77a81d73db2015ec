"""
An OpenAI for the stand: it answers as the real one does as far as the official clients look, and tells what it saw.

`GET /_seen?TEXT` lists the requests that have TEXT in their bodies. A body with `[[relay:STATUS]]` gets that status.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any
from urllib.parse import unquote_plus

from tests.fakes.openai_server import Exchange, FakeOpenAi, Script, Seen, fake_openai
from tests.fakes.pictures import picture

OPENAI_KEY = "sk-end-to-end-0123456789abcdef"
PNG = base64.b64encode(picture(16, 8)).decode()
REFUSED: dict[int, dict[str, Any]] = {
    400: {"message": "Your request was rejected by the safety system.", "code": "moderation_blocked"},
    429: {"message": "Rate limit reached.", "code": "rate_limit_exceeded"},
}
CHAT = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5", "choices": []}
MODELS = {"object": "list", "data": [{"id": "gpt-5", "object": "model", "created": 1, "owned_by": "openai"}]}


def parts(media_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    """A form's parts in their order, as Python's own library reads them: the lines of the head, and the content."""
    form = message_from_bytes(f"Content-Type: {media_type}\r\n\r\n".encode() + body)
    found = []
    for part in form.get_payload():
        assert isinstance(part, Message)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append(({name.lower(): value for name, value in part.items()}, content))
    return found


def fields(media_type: str, body: bytes) -> dict[str, Any]:
    """What was asked by name, files left out, in a form or in JSON."""
    if not media_type.startswith("multipart/"):
        return dict(json.loads(body or b"{}"))
    texts = [(head["content-disposition"], text) for head, text in parts(media_type, body)]
    return {said.split('"')[1]: text.decode() for said, text in texts if "filename" not in said}


@asynccontextmanager
async def upstream() -> AsyncIterator[FakeOpenAi]:
    """A running one. Its `url` ends in /v1."""
    async with fake_openai() as fake:
        fake.play(_player(fake))
        yield fake


def _player(fake: FakeOpenAi) -> Script:
    async def play(exchange: Exchange) -> None:
        await exchange.read_body()
        seen, body = exchange.seen, bytes(exchange.seen.body)
        path, _, query = seen.target.partition("?")
        if path == "/_seen":
            await _json(exchange, [_told(one) for one in fake.seen[:-1] if unquote_plus(query).encode() in one.body])
        elif told := re.search(rb"\[\[relay:(\d+)\]\]", body):
            status = int(told[1])
            error = {"type": "invalid_request_error", "param": None, **REFUSED[status]}
            await _json(exchange, {"error": error}, status)
        elif path.startswith("/v1/images/"):
            kind = "image_edit" if path.endswith("/edits") else "image_generation"
            await _picture(exchange, kind, fields(seen.one("Content-Type") or "", body))
        else:
            await _json(exchange, MODELS if path == "/v1/models" else CHAT)

    return play


def _told(seen: Seen) -> dict[str, Any]:
    heads = {name.lower(): value for name, value in seen.headers}
    return {"target": seen.target, "headers": heads, "body": base64.b64encode(seen.body).decode()}


async def _picture(exchange: Exchange, kind: str, asked: dict[str, Any]) -> None:
    about = {"size": "16x8", "output_format": "png"}
    if str(asked.get("stream")).lower() != "true":
        data = [{"b64_json": PNG}] * int(asked.get("n", 1))
        return await _json(exchange, {"created": 1_800_000_000, "data": data, **about})
    told = {"b64_json": PNG, "created_at": 1_800_000_000, **about}
    partial = range(int(asked.get("partial_images", 0)))
    events = [{"type": f"{kind}.partial_image", "partial_image_index": number, **told} for number in partial]
    await exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    for event in [*events, {"type": f"{kind}.completed", **told}]:
        await exchange.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    return await exchange.send(b"0\r\n\r\n")


async def _json(exchange: Exchange, value: object, status: int = 200) -> None:
    data = json.dumps(value).encode()
    heads = [("Content-Type", "application/json"), ("Content-Length", str(len(data))), ("x-request-id", "req_upstream")]
    await exchange.head(status, heads)
    await exchange.send(data)
