"""The command line as its users have it: a process of its own, with an environment that is only what a test says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
GATEWAY = (sys.executable, "-m", "gateway")


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Nothing of this machine but where programs are."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "COVERAGE_PROCESS_START") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), **variables}


def run(
    home: Path, *arguments: str, program: tuple[str, ...] = GATEWAY, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`gateway ARGUMENTS`, started in `home`, to its end."""
    return subprocess.run(
        [*program, *arguments],
        env=environment(home, **variables),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# `gateway`, on a clock that runs twenty times faster than the wall, and unhurried where the file says nothing else.
HURRIED = (
    sys.executable,
    "-c",
    """
from functools import partial
import gateway.cli.demo, gateway.cli.serve
from gateway.cli import main
from gateway.config.schema import Config
from gateway.jobs.settings import JobSettings
from tests.fakes.clock import UNHURRIED, fast_clock
for name, seconds in UNHURRIED.items():
    JobSettings.model_fields[name].default = seconds
for settings in (JobSettings, Config):
    settings.model_rebuild(force=True)
for module in (gateway.cli.demo, gateway.cli.serve):
    module.Gateway = partial(module.Gateway, clock=fast_clock(20))
gateway.cli.demo.EmulatorSettings = partial(gateway.cli.demo.EmulatorSettings, speed=20)
main()
""",
)


@contextmanager
def running(
    home: Path, *arguments: str, program: tuple[str, ...] = GATEWAY, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """The same, while it runs; ended in any case."""
    with subprocess.Popen(
        [*program, *arguments],
        env=environment(home, **variables),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def greeting(process: subprocess.Popen[str]) -> dict[str, str]:
    """What `gateway serve` prints once it listens: addresses by their names, and the commands to try."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    for line in process.stdout:
        name, _, rest = line.strip().partition(" ")
        found[name] = rest.strip()
        if name == "python":
            return found
    assert process.stderr is not None
    raise AssertionError(f"it ended: {process.stderr.read()}")
