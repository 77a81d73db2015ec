"""`gateway edit`: a picture in, a picture out, and a sentence when there is none."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from gateway.app import Gateway
from gateway.cli.edit import EditFailed
from gateway.cli.edit import edit as command
from gateway.cli.edit import run as send
from gateway.emulator.server import Emulator
from tests.fakes.forms import key_settings
from tests.fakes.openai_server import answer, body, fake_openai
from tests.fakes.pictures import picture
from tests.fakes.program import run

StartGateway = Callable[..., Awaitable[Gateway]]

KEY = "gw-edit-0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "in.png").write_bytes(picture())
    return tmp_path


async def edit(home: Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run, home, "edit", "in.png", "-p", "make it blue", *arguments, **variables)


async def test_an_edit(home: Path, bfl: Emulator, start_gateway: StartGateway) -> None:
    """The format of the name, the size and the time on stdout, nothing on stderr where no terminal is."""
    gateway = await start_gateway(bfl, auth={"keys": key_settings(KEY)})
    result = await edit(
        home, "-o", "out.jpg", "--size", "16:9", "--model", "flux-kontext-max",
        GATEWAY_URL=f"{gateway.url}/v1", GATEWAY_KEY=KEY,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    image = Image.open(home / "out.jpg")
    assert image.format == "JPEG"
    assert image.width > image.height
    first, *steps = result.stdout.splitlines()
    assert first.startswith("out.jpg: ")
    assert [line.split()[0] for line in steps] == ["admit", "read", "queue", "submit", "poll", "collect"]
    assert bfl.counts.accepted_by_model == {"flux-kontext-max": 1}


async def test_what_the_gateway_says_is_told(home: Path, bfl: Emulator, start_gateway: StartGateway) -> None:
    """Status, message and request id, exit code 1, no file, no key."""
    gateway = await start_gateway(bfl, auth={"keys": key_settings(KEY)})
    for arguments, said in (
        (("--key", "gw-wrong-key-0123456789"), "401: Incorrect API key"),
        (("--key", KEY, "--size", "9000x10"), "400: size asks for"),
    ):
        result = await edit(home, "-o", "out.png", "--url", f"{gateway.url}/v1", *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith(f"gateway edit: {said}")
        assert "(request req_" in result.stderr
        assert "gw-" not in result.stderr
    assert not (home / "out.png").exists()
    assert bfl.counts.submits_seen == 0


async def test_a_gateway_that_is_not_there(home: Path) -> None:
    """Says where it was looked for and asks the obvious question."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        result = await edit(home, "-o", "out.png", "--url", url)
    assert (result.returncode, result.stdout) == (1, "")
    assert url in result.stderr
    assert "Is the gateway running?" in result.stderr
    assert "Traceback" not in result.stderr


async def test_answers_that_are_none(home: Path) -> None:
    """Whatever speaks at that address: a sentence, never a traceback."""
    for script, said in (
        (answer({"data": []}), "no picture"),
        (answer({"data": [{"b64_json": "!"}]}), "no picture"),
        (answer([]), "no picture"),
        (body(b"<html>"), "no picture"),
        (body(b"<html>", 502), "502: no reason given"),
        (answer({"error": {"message": "why not"}}, 418), "418: why not"),
        (body(b"", 200, [("Content-Encoding", "gzip")]), "no picture"),
    ):
        async with fake_openai(script) as fake:
            with pytest.raises(EditFailed, match=said):
                await send(fake.url, "none", (home / "in.png",), {"prompt": "x"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("in.png -p x -o none/out.png", "none is not a folder"),
        ("in.png -p x -o .", "is a directory"),
        ("none.png -p x -o out.png", "does not exist"),
        (". -p x -o out.png", "is a directory"),
        ("in.png -o out.png", "--prompt"),
        ("in.png -p x -o out.png --url 127.0.0.1:8080/v1", "begin with http:// or https://"),
    ],
)
def test_nothing_is_sent_that_could_not_be_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, said: str
) -> None:
    """An edit costs money: what can be known before is looked at before."""
    monkeypatch.chdir(home)
    result = CliRunner().invoke(command, arguments, env={"GATEWAY_URL": "http://127.0.0.1:9/v1"})
    assert result.exit_code == 2
    assert said in result.stderr
