"""Programs of the machine that tests drive."""

from __future__ import annotations

import os
import shutil

import pytest

# Each with Debian's package, as .ci/run installs them.
PROGRAMS = {
    "bash": "bash",
    "caddy": "caddy",
    "curl": "curl",
    "jq": "jq",
    "nginx": "nginx",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
}
# Where Debian puts what only administrators call.
ALSO = "/usr/sbin:/sbin"


def required() -> bool:
    """In continuous integration nothing is left out in silence."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{ALSO}")


def installed(name: str) -> str:
    """The command of one of `PROGRAMS`. Without it a test is skipped; in continuous integration it fails."""
    command = which(name)
    if command is None:
        told = f"{name} is not installed; Debian has it in the package {PROGRAMS[name]}"
        if required():
            pytest.fail(f"{told}, and with CI=true nothing is left out")
        pytest.skip(told)
    return command
