"""What the tests drive is what CI installs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.installed import PROGRAMS

ROOT = Path(__file__).parents[1]
# Which no Debian is without.
EVERYWHERE = {"bash"}


def test_ci_installs_every_program() -> None:
    """One that a test asks for and .ci/run does not would be found missing on the first bare machine."""
    needed = set(re.findall(r"^need ([a-z0-9.-]+) ", (ROOT / ".ci/run").read_text(), re.MULTILINE))
    assert set(PROGRAMS.values()) - EVERYWHERE <= needed


def test_every_program_is_in_the_table() -> None:
    """Whoever asks for one by name asks by this table."""
    sources = [path.read_text() for path in (ROOT / "tests").rglob("*.py") if ".envs" not in path.parts]
    asked = {name for text in sources for name in re.findall(r"installed\(\"([a-z0-9-]+)\"\)", text)}
    assert asked and asked <= set(PROGRAMS)
