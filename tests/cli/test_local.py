"""config/local.yaml, which `make run` uses, and the commands that look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.program import ROOT, run

LOCAL = ROOT / "config/local.yaml"
LOOKING = (("config", "check"), ("config", "show"), ("doctor",), ("route",), ("keys", "list"))
EMULATED = "with `serve --emulator`"


@pytest.mark.parametrize("command", LOOKING)
def test_the_file_of_make_run_is_taken(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The first file that anybody has, without a key or an account: what looks at it says who stands in for BFL."""
    free: dict[str, Any] = {"GATEWAY_PORT": "0", "GATEWAY_ADMIN_PORT": "0"}
    result = run(tmp_path, *command, "--config", str(LOCAL), **free)
    assert result.returncode == 0, result.stdout + result.stderr
    assert EMULATED in result.stdout + result.stderr
    assert "BFL_API_KEY;" not in result.stdout and "✗" not in result.stdout


@pytest.mark.parametrize(
    "text",
    [
        # Its own platforms: who names the variable means the real one.
        "platforms: {bfl: {kind: bfl, api_key: '${BFL_API_KEY}'}}\n",
        # For others too.
        "routes: {edits: [bfl]}\nlisten: {host: 0.0.0.0}\n",
        f"routes: {{edits: [bfl]}}\nauth: {{keys: [{{id: a, hash: 'sha256:{1:064x}'}}]}}\n",
        # Wrong in another way.
        "routes: {edits: [bfl, somebody]}\n",
        "routes: {edits: [openai]}\n",
    ],
)
@pytest.mark.parametrize("command", LOOKING[:3])
def test_nothing_else_is_taken_without_its_key(tmp_path: Path, text: str, command: tuple[str, ...]) -> None:
    """A forgotten key of a gateway in earnest is a problem, as before."""
    (tmp_path / "gateway.yaml").write_text(text)
    result = run(tmp_path, *command, "--config", "gateway.yaml")
    assert result.returncode == 2
    assert EMULATED not in result.stdout + result.stderr


def test_it_is_not_served_without_the_emulator(tmp_path: Path) -> None:
    """Looking is one thing; `serve` alone has nobody to send a picture to."""
    result = run(tmp_path, "serve", "--config", str(LOCAL))
    assert (result.returncode, result.stdout) == (2, "")
