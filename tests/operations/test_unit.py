"""The systemd unit: hardened, patient while it drains, and taken by systemd itself where that is installed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from gateway.config.environment import ENVIRONMENT
from gateway.jobs.settings import JobSettings
from tests.fakes.installed import installed
from tests.operations.promtool import ROOT
from tests.operations.unit import PRESENT, REQUIRED, WRITTEN, complaints, settings

TEXT = WRITTEN.read_text()
DRAIN_S = JobSettings().drain


def test_it_keeps_to_the_rules() -> None:
    """Nothing to complain about."""
    assert complaints(TEXT, drain_s=DRAIN_S) == set()


@pytest.mark.parametrize("name", [*REQUIRED, *PRESENT, "ExecReload"])
def test_each_rule_can_be_broken(name: str) -> None:
    """Without the setting the complaint is about it."""
    without = re.sub(rf"^{name}=.*\n", "", TEXT, flags=re.MULTILINE)
    assert {complaint.split()[0] for complaint in complaints(without, drain_s=DRAIN_S)} == {name}


@pytest.mark.parametrize(
    ("old", "new", "about"),
    [
        ("TimeoutStopSec=130", "TimeoutStopSec=90", "TimeoutStopSec"),
        ("ProtectSystem=strict", "ProtectSystem=full", "ProtectSystem"),
        ("DynamicUser=yes\n", "DynamicUser=yes\nUser=root\n", "User"),
        ("ExecStart=/opt/image-gateway/bin/gateway serve", "ExecStart=/bin/sh -c 'gateway serve'", "ExecStart"),
        ("ExecReload=/bin/kill -HUP", "ExecReload=/bin/kill -TERM", "ExecReload"),
        ("UMask=0077\n", "UMask=0077\nEnvironment=BFL_API_KEY=0123\n", "Environment"),
    ],
)
def test_what_is_wrong_is_seen(old: str, new: str, about: str) -> None:
    """Other values than those that are allowed are complained about."""
    assert old in TEXT
    assert {complaint.split()[0] for complaint in complaints(TEXT.replace(old, new), drain_s=DRAIN_S)} == {about}


def test_it_runs_what_there_is() -> None:
    """Commands of the program, variables that it reads, files of this repository."""
    told = settings(TEXT)
    _, command = shlex.split(told["ExecStart"][0])
    assert command in COMMANDS
    assert told["ExecReload"][0].split()[1] in COMMANDS
    names = {line.split("=", 1)[0] for line in told["Environment"]}
    assert names <= {variable.name for variable in ENVIRONMENT} | {"GATEWAY_CONFIG"}
    for path in re.findall(r"\bconfig/\S+", TEXT):
        assert (ROOT / path).exists(), path


def test_systemd_takes_it(tmp_path: Path) -> None:
    """`systemd-analyze verify` knows every setting; `security` says that little of the machine is exposed."""
    analyze = installed("systemd-analyze")
    # It looks for the program, which is not installed here.
    unit = tmp_path / WRITTEN.name
    unit.write_text(TEXT.replace("/opt/image-gateway/bin/gateway", sys.executable))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=300)
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])
    told = [analyze, "security", "--offline=true", "--threshold=15", str(unit)]
    done = subprocess.run(told, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
