"""The house: imports point down only, pure packages do no I/O, and modules stay small and named for what they do."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "gateway").rglob("*.py"))
PURE = ("domain", "wire", "routing", "dialects", "platforms")
FORBIDDEN = {
    *("aiohttp", "asyncio", "socket", "time", "random", "secrets", "os", "threading", "subprocess", "ssl", "select"),
    *("PIL", "prometheus_client", "apsw", "sqlite3", "structlog", "logging", "uvloop", "aiohappyeyeballs", "redis"),
}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base", "tools_", "stuff"}
LONGEST = 400

EVERY = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def imported(path: Path) -> set[str]:
    """Every module named in an import, also inside of functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_contracts_are_kept() -> None:
    """import-linter's, from setup.cfg."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_package_is_in_the_contract() -> None:
    """A package nobody placed would be outside of the law."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    path = setup["importlinter:contract:path"]
    placed = {name.strip() for name in f"{path['layers']}\n{path['exhaustive_ignores']}".replace("|", "\n").split("\n")}
    packages = {
        entry.stem
        for entry in (ROOT / "gateway").iterdir()
        if entry.suffix == ".py" or (entry / "__init__.py").exists()
    }
    assert packages - {"__init__"} == placed - {""}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.relative_to(ROOT / "gateway").parts[0] in PURE],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_pure_packages_do_no_io(path: Path) -> None:
    """Neither the world nor time nor chance: they are tested with `==`."""
    assert not {name.split(".")[0] for name in imported(path)} & FORBIDDEN
    assert not any(name.startswith("gateway.telemetry") for name in imported(path))
    names = {node.id for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Name)}
    assert not names & {"open", "print", "input", "eval", "exec", "__import__"}


@EVERY
def test_names_say_what_is_inside(path: Path) -> None:
    """No drawers for anything and everything."""
    assert not set(path.with_suffix("").relative_to(ROOT / "gateway").parts) & EMPTY_NAMES


@EVERY
def test_modules_say_what_they_are_for_and_stay_small(path: Path) -> None:
    """A docstring first, and no more than can be read in one go."""
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= LONGEST
