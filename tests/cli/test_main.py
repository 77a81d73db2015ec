"""The command's outside: what it lists, how soon, and what it says to a slip of the finger."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import __version__
from gateway.cli import COMMANDS, main
from tests.fakes.program import environment, run

HEAVY = ("aiohttp", "pydantic", "prometheus_client", "PIL", "yaml", "uvloop")


def test_help_lists_every_command(tmp_path: Path) -> None:
    """With a line on each."""
    result = run(tmp_path, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    for name, text in COMMANDS.items():
        assert f"  {name} " in result.stdout
        assert text in result.stdout


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_outside_is_light(tmp_path: Path, argument: str) -> None:
    """Nothing of the server is imported to say what there is."""
    program = (
        "import sys; from gateway.cli import main\n"
        f"try: main([{argument!r}])\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_version(tmp_path: Path) -> None:
    """One line."""
    assert run(tmp_path, "--version").stdout == f"gateway, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["srve"], ["serve", "--prot", "1"], ["edit"], ["keys", "old"], ["demo", "x"]])
def test_slips(arguments: list[str]) -> None:
    """Exit code 2 and a sentence on stderr."""
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
