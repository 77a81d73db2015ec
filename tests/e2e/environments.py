"""
Environments of the official clients that the project's own does not hold: an older Python SDK, and Node's packages.

`python -m tests.e2e.environments` makes all of them from hashed locks; what is already there and current stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENTS = HERE / ".envs"
OPENAI_1_LOCK = ROOT / "config" / "locks" / "openai-1.txt"
NODE = HERE / "node"


class Missing(Exception):
    """An environment cannot be had; the text says why and what makes it."""


def required() -> bool:
    """In continuous integration nothing is left out in silence."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def openai_1() -> Path:
    """The Python of an environment with openai 1, made when it is not there yet. Raises: Missing."""
    where = ENVIRONMENTS / "openai-1"
    python = where / "bin" / "python"
    stamp = _digest(OPENAI_1_LOCK.read_bytes(), sys.version.encode())
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / "openai-1.lock").open("w") as lock:
        # Tests run in several processes; one of them makes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(where, stamp):
            _run([sys.executable, "-m", "venv", "--clear", str(where)], ROOT)
            pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            _run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(OPENAI_1_LOCK)], ROOT)
            (where / ".stamp").write_text(stamp)
    return python


def node() -> str:
    """The `node` command, when the packages of the lock are installed. Raises: Missing."""
    command = shutil.which("node")
    if command is None:
        raise Missing("node is not installed")
    if not _is_current(NODE / "node_modules", _digest((NODE / "package-lock.json").read_bytes())):
        raise Missing("Node's packages are not installed or not current; `make e2e` installs them")
    return command


def install_node() -> None:
    """Raises: Missing."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is not installed")
    try:
        node()
    except Missing:
        _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], NODE)
        (NODE / "node_modules" / ".stamp").write_text(_digest((NODE / "package-lock.json").read_bytes()))


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
    failed = 0
    for name, make in (("openai 1 (Python)", openai_1), ("Node's packages", install_node)):
        try:
            make()
            print(f"  {name}: ready")
        except Missing as why:
            print(f"  {name}: {why}", file=sys.stderr)
            failed += 1
    return 1 if failed and required() else 0


if __name__ == "__main__":
    sys.exit(main())
