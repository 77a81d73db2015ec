"""Edits as JSON, which the reference defines and official SDKs send by `client.post`; and curl."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, shown
from tests.e2e.curl import Curl
from tests.e2e.test_client_edits import sha256

EDITS = "/images/edits"
ADDRESS = "https://pictures.example.com/cat.png?w=100&sig=a%2Fb"


def data_url(path: str) -> str:
    return f"data:image/png;base64,{base64.b64encode(Path(path).read_bytes()).decode()}"


async def test_a_data_url(sdk: Client, prompt: str, truth: Truth) -> None:
    """Pictures in data URLs reach the vendor byte for byte, in their order; the answer is that of a form."""
    body = {
        "model": "flux-kontext-pro",
        "prompt": prompt,
        "images": [{"image_url": data_url(path)} for path in sdk.files[:2]],
        "output_format": "webp",
    }
    answer = (await sdk.post(EDITS, body))["answer"]
    assert shown(answer["data"][0]).format == "WEBP"
    (task,) = await truth.tasks(prompt)
    sent = {name: value for name, value in task["fields"].items() if name.startswith("input_image")}
    assert sent == {"input_image": sha256(sdk.files[0]), "input_image_2": sha256(sdk.files[1])}


async def test_an_address(sdk: Client, prompt: str, truth: Truth) -> None:
    """An https address is the platform's to fetch: it gets it as it was written. The emulator fetches nothing."""
    error = (await sdk.post(EDITS, {"prompt": prompt, "images": [{"image_url": ADDRESS}]}))["error"]
    assert (error["class"], error["code"]) == ("InternalServerError", "platform_error")
    (task,) = await truth.tasks(prompt)
    assert task["fields"]["input_image"] == ADDRESS


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "loopback": ({"image_url": "https://127.0.0.1/a.png"}, "invalid_image_url", "images[0].image_url"),
    "metadata": ({"image_url": "https://169.254.169.254/latest"}, "invalid_image_url", "images[0].image_url"),
    "hex": ({"image_url": "https://0x7f000001/a.png"}, "invalid_image_url", "images[0].image_url"),
    "plain http": ({"image_url": "http://pictures.example.com/a.png"}, "invalid_image_url", "images[0].image_url"),
    "user name": ({"image_url": "https://a@pictures.example.com/a"}, "invalid_image_url", "images[0].image_url"),
    "a file": ({"file_id": "file-abc"}, "unsupported_parameter", "images[0].file_id"),
    "no picture": (
        {"image_url": "data:image/png;base64,R0lGODlhAQABAAAAACw="},
        "unsupported_file_mimetype",
        "images[0].image_url",
    ),
    "no base64": ({"image_url": "data:image/png;base64,*"}, "invalid_image_file", "images[0].image_url"),
}


@pytest.mark.parametrize(("picture", "code", "param"), REFUSED.values(), ids=REFUSED)
async def test_refused_pictures(
    sdk: Client, picture: dict[str, Any], code: str, param: str, prompt: str, truth: Truth
) -> None:
    """What no platform may be sent to, and what lies at OpenAI, is refused by its place in the document."""
    error = (await sdk.post(EDITS, {"prompt": prompt, "images": [picture]}))["error"]
    assert (error["class"], error["code"], error["param"]) == ("BadRequestError", code, param)
    assert await truth.accepted(prompt) == 0


async def test_curl_sends_json(curl: Curl, files: list[str], tmp_path: Path, prompt: str, truth: Truth) -> None:
    """A body from a file, with `\\/` and line breaks within the base64, as some tools write it."""
    lines = base64.encodebytes(Path(files[0]).read_bytes()).decode()
    picture = json.dumps(f"data:image/png;base64,{lines}").replace("/", "\\/")
    body = tmp_path / "body.json"
    body.write_text(f'{{"images": [{{"image_url": {picture}}}], "prompt": {json.dumps(prompt)}, "n": 2}}')
    reply = await curl("-H", "Content-Type: application/json", "--data-binary", f"@{body}")
    assert reply.status == 200
    assert len(json.loads(reply.body)["data"]) == 2
    tasks = await truth.tasks(prompt)
    assert [task["fields"]["input_image"] for task in tasks] == [sha256(files[0])] * 2


async def test_curl_sends_a_mask(curl: Curl, files: list[str], tmp_path: Path, prompt: str, truth: Truth) -> None:
    """`mask` has an `image_url` too; a picture without transparency is none, in the words of the form."""
    body = {"model": "flux-pro-1.0-fill", "prompt": prompt, "images": [{"image_url": data_url(files[0])}]}
    (tmp_path / "body.json").write_text(json.dumps(body | {"mask": {"image_url": data_url(files[0])}}))
    reply = await curl("--json", f"@{tmp_path / 'body.json'}")
    assert (reply.status, reply.error["code"]) == (400, "invalid_mask_image_format")
    assert await truth.accepted(prompt) == 0
