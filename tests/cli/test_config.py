from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli.config import config
from gateway.config.environment import ENVIRONMENT
from tests.config.toy import Toy

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with a small model in the place of the real one, and no variable of this machine."""
    schema = ModuleType("gateway.config.schema")
    schema.Config = Toy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gateway.config.schema", schema)
    for variable in ENVIRONMENT:
        monkeypatch.delenv(variable.name, raising=False)
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)

    def invoke(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(config, arguments, env=environ)

    return invoke


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text('platforms: {bfl: {kind: bfl, api_key: "${K}"}}\n')
    return path


def test_check_says_ok(run: Run, file: Path) -> None:
    """What counts on stdout, what does not on stderr, exit code 0."""
    result = run("check", "--config", str(file), K="s3cr3t", GATEWAY_PORT="1", BFL_API_KEY="other")
    assert result.exit_code == 0
    assert result.stdout == f"OK: {file}, GATEWAY_PORT; everything else has its default\n"
    assert result.stderr == "environment: BFL_API_KEY: not used: the file lists its own platforms\n"


def test_check_without_anything(run: Run) -> None:
    """An empty environment is a valid one for this model."""
    result = run("check")
    assert (result.exit_code, result.stdout) == (0, "OK: nothing set; everything else has its default\n")


@pytest.mark.parametrize("command", ["check", "show"])
def test_problems_go_to_stderr_with_exit_code_2(run: Run, file: Path, command: str) -> None:
    """Every one of them on a line of its own, nothing on stdout."""
    file.write_text("prot: 1\nlisten: {port: s}\n")
    result = run(command, "--config", str(file), GATEWAY_MEMORY_BUDGET="big")
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        [f"{file}:1:1", "prot"],
        [f"{file}:2:16", "listen.port"],
        ["environment", "GATEWAY_MEMORY_BUDGET"],
    ]


def test_the_file_may_come_from_the_environment(run: Run, file: Path) -> None:
    """GATEWAY_CONFIG names it; a missing file is a problem like any other; blank is none."""
    assert str(file) in run("check", GATEWAY_CONFIG=str(file), K="k").stdout
    missing = run("check", GATEWAY_CONFIG=f"{file}.none")
    assert (missing.exit_code, missing.stderr) == (2, f"{file}.none: cannot be read: No such file or directory\n")
    assert run("check", GATEWAY_CONFIG="").exit_code == 0


def test_show_masks_secrets(run: Run, file: Path) -> None:
    """YAML on stdout, with and without origins."""
    for arguments in (["show"], ["show", "--origins"]):
        result = run(*arguments, "--config", str(file), K="s3cr3t")
        assert result.exit_code == 0
        assert "s3cr3t" not in result.output
        assert yaml.safe_load(result.stdout)["platforms"]["bfl"]["api_key"] == "***"
    assert f"# {file}:1:39" in result.stdout


def test_schema_prints_json(run: Run) -> None:
    """Ready to be written to a file, the same each time."""
    result = run("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "Toy"
    assert result.stdout.endswith("}\n")
    assert run("schema").stdout == result.stdout
