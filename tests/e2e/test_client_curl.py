"""curl, which sends what no library would and waits for `100 Continue` as the standard says."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Truth, decoded
from tests.e2e.curl import Curl

MIB = 1024 * 1024


async def test_one_line_edits_a_picture(curl: Curl, files: list[str], prompt: str, truth: Truth) -> None:
    """The README's curl line: a form with a file and a prompt, no model."""
    reply = await curl("-F", f"image=@{files[0]}", "-F", f"prompt={prompt}")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert reply.headers["x-gateway-platform"] == "bfl/flux-kontext-pro"
    assert "poll;dur=" in reply.headers["server-timing"]
    assert "server" not in reply.headers
    (item,) = json.loads(reply.body)["data"]
    assert decoded(base64.b64decode(item["b64_json"])).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("field", ["image", "image[]"])
async def test_several_pictures(curl: Curl, field: str, files: list[str], prompt: str, truth: Truth) -> None:
    """A repeated `image` and `image[]` are both lists, and the prompt may come last."""
    parts = [part for file in files[:3] for part in ("-F", f"{field}=@{file}")]
    reply = await curl(*parts, "-F", f"prompt={prompt}", "-F", "output_format=jpeg")
    assert reply.status == 200
    (task,) = await truth.tasks(prompt)
    assert sum(name.startswith("input_image") for name in task["fields"]) == 3


@pytest.mark.parametrize("expect", ["100-continue", ""])
@pytest.mark.parametrize("framing", ["", "chunked"])
async def test_a_large_upload(curl: Curl, large: Path, expect: str, framing: str, prompt: str, truth: Truth) -> None:
    """A large file arrives with and without waiting for `100 Continue`, with a length and in chunks."""
    heads = ["-H", f"Expect: {expect}" if expect else "Expect:"]
    heads += ["-H", f"Transfer-Encoding: {framing}"] if framing else []
    reply = await curl(*heads, "-F", f"prompt={prompt}", "-F", f"image=@{large}", "-F", "output_format=jpeg")
    assert reply.status == 200
    assert reply.continued == bool(expect)
    assert reply.uploaded > large.stat().st_size
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("key", ["gw-nobody", None])
async def test_no_upload_without_a_key(curl: Curl, large: Path, key: str | None, prompt: str, truth: Truth) -> None:
    """Whoever waits for `100 Continue` with a wrong key hears 401 and keeps the upload."""
    reply = await curl("-H", "Expect: 100-continue", "-F", f"image=@{large}", "-F", f"prompt={prompt}", key=key)
    assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert not reply.continued
    assert reply.uploaded == 0
    assert await truth.accepted(prompt) == 0


async def test_a_refusal_is_heard_while_uploading(curl: Curl, large: Path, prompt: str) -> None:
    """Whoever does not wait hears the same 401, not a broken connection."""
    reply = await curl("-H", "Expect:", "-F", f"image=@{large}", "-F", f"prompt={prompt}", key="gw-nobody")
    assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("expect", ["100-continue", ""])
async def test_too_large(curl: Curl, expect: str, tmp_path: Path, prompt: str) -> None:
    """More than ten pictures' worth is 413 by its declared length alone, before or during the upload."""
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(250 * MIB)
    heads = ["-H", f"Expect: {expect}" if expect else "Expect:"]
    reply = await curl(*heads, "-F", f"prompt={prompt}", "-F", f"image=@{path}")
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")
    assert reply.headers["x-should-retry"] == "false"
    assert reply.uploaded == 0 if expect else reply.uploaded < 60 * MIB


IMAGE, PROMPT = ("-F", "image=@{0}"), ("-F", "prompt=a")
BAD: dict[str, tuple[tuple[str, ...], int, str, str | None]] = {
    "no prompt": (IMAGE, 400, "missing_required_parameter", "prompt"),
    "empty prompt": ((*IMAGE, "-F", "prompt= "), 400, "missing_required_parameter", "prompt"),
    "no image": (PROMPT, 400, "missing_required_parameter", "image"),
    "text for a file": (("-F", "image=hello", *PROMPT), 400, "invalid_type", "image"),
    "empty file": (("-F", "image=@/dev/null;filename=a.png", *PROMPT), 400, "invalid_image_file", "image"),
    "mask": ((*IMAGE, *PROMPT, "-F", "mask=@{0}"), 400, "unsupported_parameter", "mask"),
    "gif": ((*IMAGE, *PROMPT, "-F", "output_format=gif"), 400, "unsupported_parameter", "output_format"),
    "n": ((*IMAGE, *PROMPT, "-F", "n=many"), 400, "invalid_value", "n"),
    "twice": ((*IMAGE, *PROMPT, *PROMPT), 400, "duplicate_parameter", "prompt"),
    "unknown field": ((*IMAGE, *PROMPT, "-F", "colour=red"), 400, "unknown_parameter", "colour"),
    "tolerance": ((*IMAGE, *PROMPT, "-F", "safety_tolerance=6"), 400, "invalid_value", "safety_tolerance"),
    "no body": (("-X", "POST"), 415, "unsupported_media_type", None),
    "torn": (
        ("-H", "Content-Type: multipart/form-data; boundary=x", "--data-binary", "--x\r\nbroken"),
        400,
        "invalid_multipart",
        None,
    ),
    "form without files": (("-d", "prompt=a"), 415, "unsupported_media_type", None),
    "compressed": ((*IMAGE, *PROMPT, "-H", "Content-Encoding: gzip"), 415, "unsupported_media_type", None),
    "other expectation": ((*IMAGE, *PROMPT, "-H", "Expect: tea"), 417, "expectation_failed", None),
}


@pytest.mark.parametrize(("arguments", "status", "code", "param"), BAD.values(), ids=BAD)
async def test_bad_requests(
    curl: Curl, arguments: tuple[str, ...], status: int, code: str, param: str | None, files: list[str], truth: Truth
) -> None:
    """Each mistake has its status, code and field, in the envelope, and costs nothing."""
    before = (await truth.counts())["submits_seen"]
    reply = await curl(*(argument.format(files[0]) for argument in arguments))
    assert (reply.status, reply.error["code"], reply.error["param"]) == (status, code, param)
    assert reply.headers["x-should-retry"] == "false"
    assert (await truth.counts())["submits_seen"] == before


async def test_paths_that_are_not_there(curl: Curl) -> None:
    """Unknown paths answer in the envelope; below /v1 they name the key that would open them."""
    assert (await curl(path="/nothing")).error["code"] == "not_found"
    reply = await curl(path="/v1/chat/completions")
    assert (reply.status, reply.error["code"]) == (404, "platform_not_configured")
    assert "OPENAI_API_KEY" in reply.error["message"]


async def test_a_link_and_a_part_of_it(curl: Curl, files: list[str], prompt: str) -> None:
    """A result's link works without a key, in parts, and not at all with another signature."""
    form = ["-F", f"image=@{files[0]}", "-F", f"prompt={prompt}", "-F", "response_format=url"]
    url = json.loads((await curl(*form)).body)["data"][0]["url"]
    path = "/results/" + url.partition("/results/")[2]
    part = await curl("-r", "0-7", path=path, key=None)
    assert (part.status, part.body) == (206, b"\x89PNG\r\n\x1a\n")
    assert (await curl(path=path[:-4] + "0000", key=None)).error["code"] == "not_found"
