"""`gateway serve`: ready when it says so, gone when it is told to, and plain about what keeps it from starting."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.chain.samples import SAMPLES
from gateway.emulator import Emulator, EmulatorSettings
from tests.fakes.forms import edit_form
from tests.fakes.installed import installed
from tests.fakes.pictures import picture
from tests.fakes.program import HURRIED, environment, greeting, run, running

BFL_KEY = "00000000-0000-4000-8000-000000000000"
FREE: dict[str, Any] = {"GATEWAY_PORT": "0", "GATEWAY_ADMIN_PORT": "0"}


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=300) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
async def unhurried() -> AsyncIterator[Emulator]:
    """An emulator whose pictures take most of a second."""
    async with Emulator(EmulatorSettings(speed=8)) as emulator:
        yield emulator


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """What it prints can be called at once; then a quiet end with exit code 0, and a spool nobody else can read."""
    with running(tmp_path, "serve", BFL_API_KEY=BFL_KEY, **FREE) as process:
        told = greeting(process)
        admin = told["metrics"].removesuffix("/metrics")
        assert get(f"{admin}/readyz") == (200, b'{"status":"ready","platforms":{"bfl":"closed; 0 of 24 slots in use"}}')
        status, body = get(f"{told['gateway']}/models")
        assert (status, json.loads(body)["object"]) == (200, "list")
        assert b"gateway_build_info" in get(told["metrics"])[1]
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert told["gateway"] in told["curl"]
    assert told["gateway"] in told["python"]
    assert BFL_KEY not in out + err
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["request", "draining"]
    assert (tmp_path / ".local/state/image-gateway/spool").stat().st_mode & 0o077 == 0


async def test_running_jobs_are_finished(tmp_path: Path, unhurried: Emulator) -> None:
    """After SIGTERM it is not ready, takes no new job, and still answers the one it works on; then it ends."""
    vendor: dict[str, Any] = {"BFL_API_KEY": BFL_KEY, "BFL_BASE_URL": unhurried.api_url}
    with running(tmp_path, "serve", program=HURRIED, **vendor, **FREE) as process:
        told = await asyncio.to_thread(greeting, process)
        admin = told["metrics"].removesuffix("/metrics")
        async with aiohttp.ClientSession() as client:
            first = asyncio.create_task(client.post(f"{told['gateway']}/images/edits", data=edit_form()))
            async with asyncio.timeout(60):
                while not unhurried.counts.accepted:
                    await asyncio.sleep(0.01)
            process.terminate()
            async with asyncio.timeout(60):
                while (await asyncio.to_thread(get, f"{admin}/readyz"))[0] != 503:
                    await asyncio.sleep(0.01)
            async with client.post(f"{told['gateway']}/images/edits", data=edit_form(seed=1)) as second:
                assert (second.status, (await second.json())["error"]["code"]) == (503, "shutting_down")
            async with await first as answer:
                assert answer.status == 200
                assert len((await answer.json())["data"]) == 1
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert unhurried.counts.accepted == 1


async def test_a_second_signal_ends_it_at_once(tmp_path: Path, unhurried: Emulator) -> None:
    """Whoever cannot wait for the drain need not."""
    with running(tmp_path, "serve", BFL_API_KEY=BFL_KEY, BFL_BASE_URL=unhurried.api_url, **FREE) as process:
        told = await asyncio.to_thread(greeting, process)
        async with aiohttp.ClientSession() as client:
            first = asyncio.create_task(
                client.post(f"{told['gateway']}/images/edits", data=edit_form("[[fault:pending_forever]]"))
            )
            async with asyncio.timeout(60):
                while not unhurried.counts.accepted:
                    await asyncio.sleep(0.01)
            process.terminate()
            with pytest.raises(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, 0.5)
            process.terminate()
            began = time.monotonic()
            assert await asyncio.to_thread(process.wait, 60) != 0
            assert time.monotonic() - began < 60
            await asyncio.gather(first, return_exceptions=True)


async def test_with_the_emulator(tmp_path: Path) -> None:
    """No account, one option, and a picture comes back."""
    with running(tmp_path, "serve", "--emulator", "--port", "0", GATEWAY_ADMIN_PORT="0") as process:
        told = await asyncio.to_thread(greeting, process)
        assert get(told["gateway"] + "/models")[0] == 200
        async with aiohttp.ClientSession() as client:
            answer = await client.post(f"{told['gateway']}/images/edits", data=edit_form("[[fault:submit_402]]"))
            assert (await answer.json())["error"]["code"] == "platform_out_of_credits"
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0


@pytest.mark.parametrize("keys", ["", "gw-mine-0123456789 gw-yours-0123456789"])
def test_what_it_prints_can_be_pasted(tmp_path: Path, keys: str) -> None:
    """Both commands edit a picture, in a shell as they are, with one of the clients' keys or without any."""
    shell, curl, jq = installed("bash"), installed("curl"), installed("jq")
    assert curl and jq
    (tmp_path / "picture.png").write_bytes(picture(64, 48))
    arguments = ("serve", "--emulator", "--port", "0")
    variables: dict[str, Any] = {"GATEWAY_ADMIN_PORT": "0"} | ({"FORWARD_KEY": keys} if keys else {})
    with running(tmp_path, *arguments, **variables) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.strip().startswith("python -c"):
                break
        text = "".join(lines)
        assert ("export GATEWAY_KEY" in text) == bool(keys)
        start = text.index("  curl ")
        for command in (text[start : text.index("  python -c")], text[text.index("  python -c") :]):
            (tmp_path / "edited.png").unlink(missing_ok=True)
            done = subprocess.run(
                [shell, "-euc", command.replace("python -c", f"{sys.executable} -c")],
                cwd=tmp_path,
                env=environment(tmp_path, GATEWAY_KEY=keys.partition(" ")[0], no_proxy="*"),
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
            assert (tmp_path / "edited.png").read_bytes().startswith(b"\x89PNG")
            # What went wrong is shown, and is no success.
            refused = command.replace("make it blue", "").replace("python -c", f"{sys.executable} -c")
            done = subprocess.run(
                [shell, "-uc", refused],
                cwd=tmp_path,
                env=environment(tmp_path, GATEWAY_KEY=keys.partition(" ")[0], no_proxy="*"),
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode != 0 and "Missing required parameter" in done.stdout + done.stderr
        process.terminate()
        assert process.wait(300) == 0


@pytest.mark.parametrize("which", ["GATEWAY_PORT", "GATEWAY_ADMIN_PORT"])
def test_a_taken_port_is_told(tmp_path: Path, which: str) -> None:
    """One line with the address, exit code 1, and whatever had been opened is closed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run(tmp_path, "serve", BFL_API_KEY=BFL_KEY, **{**FREE, which: port})
    assert (result.returncode, result.stdout) == (1, "")
    assert "cannot start" in result.stderr
    assert port in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_state_directory_that_is_none_is_told(tmp_path: Path) -> None:
    """The path and the reason, exit code 1."""
    (tmp_path / "file").write_text("")
    result = run(tmp_path, "serve", BFL_API_KEY=BFL_KEY, GATEWAY_STATE_DIR=str(tmp_path / "file/state"), **FREE)
    assert result.returncode == 1
    assert str(tmp_path / "file/state") in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ((), {"IMAGE_EDIT_PLATFORM": "flux1_kontext"}, "BFL_API_KEY"),
        (("--host", "0.0.0.0"), {"BFL_API_KEY": BFL_KEY}, "FORWARD_KEY"),
    ],
)
def test_a_bad_configuration_is_told(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, Any], expected: str
) -> None:
    """Exit code 2, what is wrong and what would be right, and no secret in it."""
    result = run(tmp_path, "serve", *arguments, **{**FREE, **variables})
    assert (result.returncode, result.stdout) == (2, "")
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert BFL_KEY not in result.stderr


def test_without_any_platform_it_says_so(tmp_path: Path) -> None:
    """It starts, since everything may come by a reload, and names the variable that is missing."""
    with running(tmp_path, "serve", **FREE) as process:
        greeting(process)
        process.terminate()
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "BFL_API_KEY" in err


def test_keys_to_worry_about_are_in_the_log(tmp_path: Path) -> None:
    """Each time that a configuration counts, so that nobody learns of it from clients."""
    keys = [
        f"    - {{id: guest, hash: 'sha256:{1:064x}', expires: 2001-01-31}}",
        f"    - {{id: b, hash: 'sha256:{hashlib.sha256(SAMPLES[0].encode()).hexdigest()}'}}",
    ]
    (tmp_path / "gateway.yaml").write_text("\n".join(["auth:", "  keys:", *keys, ""]))
    with running(tmp_path, "serve", "--config", "gateway.yaml", **FREE) as process:
        greeting(process)
        process.terminate()
        _, err = process.communicate(timeout=300)
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    (told,) = [line for line in lines if line["event"] == "keys end"]
    (copied,) = [line for line in lines if line["event"].startswith("keys of the sample")]
    assert copied["keys"] == ["b"]
    assert (told["level"], told["expired"], told["soon"]) == ("warning", ["guest (2001-01-31)"], [])


def test_an_unfit_runtime_is_told(tmp_path: Path) -> None:
    """Without its C parser it does not meet strangers."""
    result = run(tmp_path, "serve", BFL_API_KEY=BFL_KEY, AIOHTTP_NO_EXTENSIONS="1", **FREE)
    assert (result.returncode, result.stdout) == (1, "")
    assert "C parser" in result.stderr
    assert "Traceback" not in result.stderr
