"""Signed requests, by the commands that README gives to operators, as they stand there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Truth, shown
from tests.e2e.curl import Curl
from tests.e2e.stand import KEY, SIGNING_SECRET
from tests.e2e.test_client_edits import sha256
from tests.fakes.installed import installed
from tests.fakes.signer import body_mac, stamped_mac

GENERATIONS = "/v1/images/generations"
# Where README's gateway lives, and what it says is edited.
README_URL, README_PROMPT = "http://127.0.0.1:8080", "make it blue"

Shell = Callable[..., Awaitable[tuple[int, bytes]]]


def commands() -> tuple[str, str, str]:
    """README's three blocks: the body, its signature alone, and with a time."""
    security = (ROOT / "README.md").read_text().partition("## Security")[2]
    body, alone, stamped = re.findall(r"```sh\n(.*?)```", security, re.DOTALL)
    return body, alone, stamped


@pytest.fixture
def shell(files: list[str], tmp_path: Path, prompt: str) -> Shell:
    """Runs such blocks as they are, beside a `picture.png`: the status of the last curl and what it printed."""
    bash = installed("bash")
    for name in ("curl", "openssl"):
        installed(name)
    shutil.copy(files[0], tmp_path / "picture.png")
    known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "no_proxy": "*", "KEY": KEY}

    async def run(*blocks: str, at: str, secret: str = SIGNING_SECRET) -> tuple[int, bytes]:
        text = "\n".join(("set -euo pipefail", *blocks))
        assert README_URL in text
        text = text.replace(README_URL, at).replace(README_PROMPT, prompt)
        text = text.replace("curl ", "curl -q -sS --max-time 20 -w '%{http_code}' ")
        process = await asyncio.create_subprocess_exec(
            *(bash, "-c", text),
            cwd=tmp_path,
            env=known | {"APP_SECRET": secret},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()
        return int(told[-3:]), told[:-3]

    return run


async def test_the_commands_of_the_readme(
    shell: Shell, files: list[str], stand: dict[str, str], prompt: str, truth: Truth
) -> None:
    """Copied as they are they edit the picture, with the body's signature alone and with a time in it."""
    body, alone, stamped = commands()
    for number, (at, block) in enumerate((("signed", alone), ("stamped", stamped)), start=1):
        status, told = await shell(body, block, at=stand[at])
        assert status == 200, told
        assert shown(json.loads(told)["data"][0]).format == "PNG"
        assert await truth.accepted(prompt) == number
    assert [task["fields"]["input_image"] for task in await truth.tasks(prompt)] == [sha256(files[0])] * 2


@pytest.mark.parametrize("at", ["signed", "stamped"])
async def test_another_secret(shell: Shell, at: str, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """The same commands with a secret that is not the gateway's pay for nothing."""
    body, alone, stamped = commands()
    status, told = await shell(body, alone if at == "signed" else stamped, at=stand[at], secret="guess")
    assert (status, json.loads(told)["error"]["code"]) == (401, "invalid_signature")
    assert await truth.accepted(prompt) == 0


def document(prompt: str) -> bytes:
    return json.dumps({"model": "flux-pro-1.1", "prompt": prompt, "output_format": "jpeg"}).encode()


async def test_another_body(curl: Curl, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """One character more than was signed, an unsigned request, and a signature of the other form are all 401."""
    body, now = document(prompt), time.time()
    told = ["-H", "Content-Type: application/json", "--data-binary"]
    cases = [
        ("signed", body + b" ", body_mac(body)),
        ("signed", body, None),
        ("signed", body, stamped_mac(now, "POST", GENERATIONS, body)),
        ("stamped", body, body_mac(body)),
        ("stamped", body, stamped_mac(now, "POST", "/v1/images/edits", body)),
        ("stamped", body, stamped_mac(now - 3600, "POST", GENERATIONS, body)),
    ]
    for at, sent, mac in cases:
        signature = ["-H", f"X-Request-Signature: {mac}"] if mac else []
        reply = await curl(*told, sent.decode(), *signature, at=stand[at], path=GENERATIONS)
        assert (reply.status, reply.error["code"]) == (401, "invalid_signature")
        assert reply.headers["x-should-retry"] == "false"
    assert await truth.accepted(prompt) == 0


async def test_a_replay(curl: Curl, stand: dict[str, str], prompt: str, truth: Truth) -> None:
    """With a time a signature is good once; of the body alone it is good for the same body again."""
    body = document(prompt)
    told = ["-H", "Content-Type: application/json", "--data-binary", body.decode(), "-H"]
    stamp = f"X-Request-Signature: {stamped_mac(time.time(), 'POST', GENERATIONS, body)}"
    assert (await curl(*told, stamp, at=stand["stamped"], path=GENERATIONS)).status == 200
    again = await curl(*told, stamp, at=stand["stamped"], path=GENERATIONS)
    assert (again.status, again.error["code"]) == (401, "invalid_signature")
    assert await truth.accepted(prompt) == 1
    plain = f"X-Request-Signature: sha256={body_mac(body)}"
    for number in (2, 3):
        assert (await curl(*told, plain, at=stand["signed"], path=GENERATIONS)).status == 200
        assert await truth.accepted(prompt) == number


async def test_what_has_no_body(curl: Curl, stand: dict[str, str]) -> None:
    """A list of models is signed over nothing; health asks for no signature."""
    plain = f"X-Request-Signature: {body_mac(b'')}"
    assert (await curl("-H", plain, path="/v1/models", at=stand["signed"])).status == 200
    assert (await curl(path="/v1/models", at=stand["signed"])).status == 401
    stamp = f"X-Request-Signature: {stamped_mac(time.time(), 'GET', '/v1/models')}"
    assert (await curl("-H", stamp, path="/v1/models", at=stand["stamped"])).status == 200
    assert (await curl(path="/healthz", at=stand["signed"], key=None)).status == 200
