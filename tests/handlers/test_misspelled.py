"""A `base_url` that is not quite right, and typos: an answer that helps, and nothing for anybody else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.emulator.server import Emulator
from tests.conftest import StartGateway
from tests.fakes.forms import BOUNDARY, edit_body, key_settings
from tests.fakes.openai_server import FakeOpenAi, fake_openai
from tests.fakes.raw import exchange

WRONG = {
    "/images/edits": "/v1/images/edits",
    "/v1/v1/images/edits": "/v1/images/edits",
    "/v1/images/edit": "/v1/images/edits",
    "/v1/images/generate": "/v1/images/generations",
    "/v1/image/generations": "/v1/images/generations",
    "/openai/v1/v1/images/edits": "/v1/images/edits",
    "/openai/images/edits": "/v1/images/edits",
    "/v1/v1/chat/completions": "/v1/chat/completions",
    "/chat/completions": "/v1/chat/completions",
    "/v1/images/upscale": "/v1/images/edits or {}/v1/images/generations",
}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai() as fake:
        yield fake


@pytest.mark.parametrize("prefix", ["", "/pictures"])
async def test_a_wrong_path_is_told_the_right_one(
    bfl: Emulator, upstream: FakeOpenAi, start_gateway: StartGateway, prefix: str
) -> None:
    """404 in the envelope, for every kind of key; the picture that came with it goes nowhere."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    free, models, paths = key_settings("free", "models", "paths")
    keys = [free, models | {"models": ["flux-*", "gpt-*"]}, paths | {"paths": ["/v1/images/edits"]}]
    gateway = await start_gateway(bfl, platforms={"openai": relay}, auth={"keys": keys}, route_prefix=prefix)
    body = edit_body(model="gpt-image-2")
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    for path, meant in WRONG.items():
        for key in ("free", "models", "paths"):
            lines = (f"Authorization: Bearer {key}", kind, f"Content-Length: {len(body)}")
            heard = await exchange(gateway.url, f"POST {prefix}{path} HTTP/1.1", *lines, body=body)
            assert (heard.status, heard.error["code"]) == (404, "not_found"), (path, key, heard)
            assert f"Did you mean {prefix}{meant.format(prefix)}?" in heard.error["message"], (path, key)
            assert heard.headers["x-should-retry"] == "false"
    assert not upstream.seen and not bfl.counts.accepted


async def test_a_forgotten_prefix(bfl: Emulator, start_gateway: StartGateway) -> None:
    """A base_url without the operator's prefix."""
    gateway = await start_gateway(bfl, route_prefix="/pictures")
    heard = await exchange(gateway.url, "POST /v1/images/edits HTTP/1.1")
    assert heard.status == 404
    assert "Did you mean /pictures/v1/images/edits? A base_url ends with /pictures/v1." in heard.error["message"]


async def test_a_wrong_path_with_a_wrong_key(upstream: FakeOpenAi, start_gateway: StartGateway) -> None:
    """Strangers are told nothing about paths."""
    gateway = await start_gateway(auth={"keys": key_settings("k")})
    for path in WRONG:
        heard = await exchange(gateway.url, f"POST {path} HTTP/1.1", "Authorization: Bearer x")
        assert (heard.status, "Did you mean" in heard.error["message"]) == (401, False)
