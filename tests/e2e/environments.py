"""
Environments of the official clients that the project's own does not hold: an older Python SDK, and Node's packages.

`python -m tests.e2e.environments` makes all of them from hashed locks; what is already there and current stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.fakes.installed import PROGRAMS, required, which

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENTS = HERE / ".envs"
OPENAI_1 = ENVIRONMENTS / "openai-1"
OPENAI_1_LOCK = ROOT / "config" / "locks" / "openai-1.txt"
NODE = HERE / "node"


class Missing(Exception):
    """An environment cannot be had; the text says why and what makes it."""


def openai_1() -> Path:
    """The Python of an environment with openai 1, made when it is not there yet. Raises: Missing."""
    python = OPENAI_1 / "bin" / "python"
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / "openai-1.lock").open("w") as lock:
        # Tests run in several processes; one of them makes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has_openai_1():
            _run([sys.executable, "-m", "venv", "--clear", str(OPENAI_1)], ROOT)
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            _run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(OPENAI_1_LOCK)], ROOT)
            (OPENAI_1 / ".stamp").write_text(_openai_1_stamp())
    return python


def node() -> str:
    """The `node` command, when the packages of the lock are installed. Raises: Missing."""
    command = which("node")
    if command is None:
        raise Missing("node is not installed")
    if not _has_node():
        raise Missing("Node's packages are not installed or not current; `make test` installs them")
    return command


def install_node() -> None:
    """Raises: Missing."""
    npm = which("npm")
    if npm is None:
        raise Missing("npm is not installed")
    _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], NODE)
    (NODE / "node_modules" / ".stamp").write_text(_node_stamp())


def _has_openai_1() -> bool:
    return _is_current(OPENAI_1, _openai_1_stamp())


def _openai_1_stamp() -> str:
    return _digest(OPENAI_1_LOCK.read_bytes(), sys.version.encode())


def _has_node() -> bool:
    return _is_current(NODE / "node_modules", _node_stamp())


def _node_stamp() -> str:
    return _digest((NODE / "package-lock.json").read_bytes())


def _is_current(where: Path, stamp: str) -> bool:
    told = where / ".stamp"
    return told.exists() and told.read_text() == stamp


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"{' '.join(command[:4])} … failed: {(done.stderr or done.stdout).strip()[-1000:]}")


def main() -> int:
    """A line for each: what is being made, and what cannot be. Exit code 1 with CI=true when something is missing."""
    failed = 0
    for name, current, make in (
        ("openai 1 for Python", _has_openai_1, openai_1),
        ("openai and ai for Node", _has_node, install_node),
    ):
        try:
            if not current():
                print(f"Making the environment of {name} (once) ...", flush=True)
                make()
        except Missing as why:
            print(f"{name}: {why}; its tests are left out", file=sys.stderr)
            failed += 1
    for program, package in PROGRAMS.items():
        if which(program) is None:
            print(f"{program}: not installed, its tests are left out (Debian: {package})", file=sys.stderr)
            failed += 1
    return 1 if failed and required() else 0


if __name__ == "__main__":
    sys.exit(main())
