"""`gateway demo`: one command, one picture, and where its time went."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from gateway.cli.demo import demo
from tests.fakes.program import HURRIED, run


def test_a_picture_and_its_times(tmp_path: Path) -> None:
    """Both pictures are there, differ, and each step has its milliseconds; the ports are free ones."""
    result = run(tmp_path, "demo", program=HURRIED)
    assert result.returncode == 0, result.stderr
    original, edited = Image.open(tmp_path / "demo-original.png"), Image.open(tmp_path / "demo-edited.png")
    assert original.format == edited.format == "PNG"
    assert original.convert("RGB").getpixel((5, 5)) != edited.convert("RGB").getpixel((5, 5))
    steps = [line.split()[0] for line in result.stdout.splitlines() if line.endswith(" ms")]
    assert steps == ["admit", "read", "queue", "submit", "poll", "collect"]
    # No log line lands in the middle of its progress.
    assert result.stderr.strip() == ""


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Said before anything is drawn."""
    result = CliRunner().invoke(demo, ["-o", str(tmp_path / "none/out.png")])
    assert result.exit_code == 2
    assert "is not a folder" in result.output
