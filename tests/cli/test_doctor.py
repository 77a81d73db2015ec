"""`gateway doctor` as its users have it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor import diagnose
from gateway.config.schema import Config
from gateway.emulator import Emulator, EmulatorSettings
from tests.fakes.openai_server import answer, bodyless, fake_openai
from tests.fakes.program import run

KEY = "a-key-of-bfl-0000"
FREE: dict[str, Any] = {"GATEWAY_PORT": "0", "GATEWAY_ADMIN_PORT": "0"}


async def doctor(
    home: Path, *arguments: str, encoding: str = "utf-8", **variables: str
) -> subprocess.CompletedProcess[str]:
    found = {**FREE, "PYTHONIOENCODING": encoding, **variables}
    return await asyncio.to_thread(run, home, "doctor", *arguments, **found)


async def test_all_is_well(tmp_path: Path) -> None:
    """A line for each check, exit code 0, nothing on stderr, no key anywhere, nothing left behind."""
    async with Emulator(EmulatorSettings(credits=50)) as bfl:
        result = await doctor(tmp_path, BFL_API_KEY=KEY, BFL_BASE_URL=bfl.api_url)
    assert (result.returncode, result.stderr) == (0, "")
    *lines, blank, summary = result.stdout.splitlines()
    assert (blank, summary) == ("", "no problems, no warnings")
    assert all(line.startswith("✓ ") for line in lines)
    assert [line[2:20].strip() for line in lines] == [
        *("configuration", "runtime", "keys", "state_dir", "disk", "descriptors", "listen", "admin"),
        *("bfl: name", "bfl: connection", "bfl: clock", "bfl: account", "clock"),
    ]
    assert "50 credits are left" in result.stdout and KEY not in result.stdout
    assert not list(tmp_path.iterdir())


async def test_problems(tmp_path: Path) -> None:
    """Exit code 1; what is wrong says what to do; a terminal of seven bits gets seven bits."""
    (tmp_path / "file").touch()
    async with Emulator(EmulatorSettings(keys=frozenset({"another-key-0000"}))) as bfl:
        result = await doctor(
            tmp_path,
            encoding="ascii",
            BFL_API_KEY=KEY,
            BFL_BASE_URL=bfl.api_url,
            GATEWAY_STATE_DIR=str(tmp_path / "file/state"),
        )
    assert (result.returncode, result.stderr) == (1, "")
    wrong = [line for line in result.stdout.splitlines() if line.startswith("x ")]
    assert len(wrong) == 2 and wrong[0].startswith("x state_dir ") and wrong[1].startswith("x bfl: account ")
    assert all(line.endswith(".") for line in wrong) and KEY not in result.stdout
    assert "2 problems, no warnings" in result.stdout and result.stdout.isascii()


@pytest.mark.parametrize(("arguments", "status"), [([], None), (["--json"], "unusable")])
async def test_an_unusable_configuration(tmp_path: Path, arguments: list[str], status: str | None) -> None:
    """Every problem with its place, exit code 2."""
    path = tmp_path / "gateway.yaml"
    path.write_text("memory: {budget: many}\nplatform: {}\n")
    result = await doctor(tmp_path, "--config", str(path), *arguments)
    assert (result.returncode, result.stderr) == (2, "")
    if status is None:
        assert "2 problems, no warnings" in result.stdout
        assert f"✗ configuration      {path}:2:1: platform: unknown key" in result.stdout
    else:
        found = json.loads(result.stdout)
        assert found["status"] == status
        assert {check["check"] for check in found["checks"]} == {"configuration"}


async def test_for_machines(tmp_path: Path) -> None:
    """One object. A clock that is off is a warning, and warnings are no failure."""
    late = bodyless(200, [("Date", formatdate(1_700_000_000, usegmt=True))])
    async with fake_openai(late, answer({"data": []})) as service:
        result = await doctor(tmp_path, "--json", OPENAI_API_KEY="sk-hidden-key", OPENAI_BASE_URL=service.url)
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["status"] == "warning" and "sk-hidden-key" not in result.stdout
    assert all(set(check) == {"platform", "check", "mark", "text", "advice"} for check in found["checks"])
    (clock,) = (c for c in found["checks"] if (c["platform"], c["check"]) == ("openai", "clock"))
    assert clock["mark"] == "warning" and "ahead of the platform's" in clock["text"] and clock["advice"]


async def test_nothing_is_configured(tmp_path: Path) -> None:
    """Said, with what to do; and a variable that does not count."""
    path = tmp_path / "gateway.yaml"
    path.write_text("platforms: {}\n")
    result = await doctor(tmp_path, "--config", str(path), BFL_API_KEY=KEY)
    assert result.returncode == 0
    assert "! configuration      no platform is configured" in result.stdout
    assert "! configuration      BFL_API_KEY is set and not used" in result.stdout


async def test_platforms_are_looked_at_together(tmp_path: Path) -> None:
    """In the order of the configuration, however long each takes; no text holds a secret, not even a vendor's."""
    async with Emulator(EmulatorSettings(credits=0)) as bfl:
        accounts = {
            name: {"kind": "bfl", "api_key": f"{KEY}-{name}", "base_url": url}
            for name, url in (("gone", "http://127.0.0.1:1"), ("empty", bfl.api_url))
        }
        document = {"listen": {"port": 0}, "admin": {"port": 0}, "state_dir": tmp_path, "platforms": accounts}
        found = await diagnose(Config.model_validate(document))
    order = [each.platform for each in found if each.platform is not None]
    assert order == ["gone"] * 2 + ["empty"] * 4
    assert KEY not in str(found)
