"""Keys are made once, shown once, and kept as a hash."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gateway.chain.settings import KeySettings
from gateway.cli.keys import keys
from tests.fakes.program import run


def test_a_new_key(tmp_path: Path) -> None:
    """A key of 256 bits, and an entry for the file that this key opens."""
    result = run(tmp_path, "keys", "new", "alice")
    assert (result.returncode, result.stderr) == (0, "")
    (key,) = re.findall(r"^  (gw-[A-Za-z0-9_-]{43})$", result.stdout, re.MULTILINE)
    (entry,) = yaml.safe_load(result.stdout[result.stdout.index("  - id") :])
    assert KeySettings.model_validate(entry).id == "alice"
    assert entry["hash"] == f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def test_keys_differ() -> None:
    """Each its own."""
    outputs = {CliRunner().invoke(keys, ["new"]).output for _ in range(3)}
    assert len(outputs) == 3


@pytest.mark.parametrize("name", ["a b", "", "-", "x" * 65, "a:b", "prénom", "a\nb"])
def test_only_names_that_the_file_takes(name: str) -> None:
    """What would be refused there is refused here, before a key is handed out."""
    result = CliRunner().invoke(keys, ["new", "--", name])
    assert result.exit_code == 2
    assert "gw-" not in result.output
