"""The image's recipe, without Docker: rules that it keeps to, names that exist, a health check that is run."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from yarl import URL

from gateway.app import Gateway
from gateway.cli import COMMANDS
from gateway.config.environment import ENVIRONMENT
from gateway.emulator.server import Emulator
from tests.operations.dockerfile import IGNORED, WRITTEN, command, complaints, last, probe, steps, variables
from tests.operations.promtool import ROOT

StartGateway = Callable[..., Awaitable[Gateway]]

TEXT, KEPT_BACK = WRITTEN.read_text(), IGNORED.read_text()


def test_it_keeps_to_the_rules() -> None:
    """Nothing to complain about."""
    assert complaints(TEXT, KEPT_BACK) == set()


@pytest.mark.parametrize(
    ("old", "new", "about"),
    [
        ("USER 10001:10001", "USER gateway", "USER"),
        ("USER 10001:10001", "USER 0:0", "USER"),
        ("USER 10001:10001\n", "", "USER"),
        ("python:3.11-slim-bookworm", "python:latest", "FROM"),
        ("python:3.11-slim-bookworm", "registry.example:5000/python", "FROM"),
        ("COPY gateway gateway", "ADD gateway gateway", "ADD"),
        ("COPY gateway gateway", "COPY gatewai gateway", "COPY"),
        ("COPY gateway gateway", "COPY tests tests", "COPY"),
        ('ENTRYPOINT ["/opt/gateway/bin/gateway"]', "ENTRYPOINT /opt/gateway/bin/gateway", "ENTRYPOINT"),
        ('CMD ["serve"]', "CMD serve", "CMD"),
        ("HEALTHCHECK", "# HEALTHCHECK", "HEALTHCHECK"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "STOPSIGNAL"),
        ("EXPOSE 8080", "EXPOSE 8080 8081", "EXPOSE"),
        ('VOLUME ["/var/lib/image-gateway"]', 'VOLUME ["/data"]', "VOLUME"),
        ("install --require-hashes --only-binary :all: -r config/locks/build.txt", "install --upgrade pip", "RUN"),
        ("--no-deps --no-index /wheels", "/wheels", "RUN"),
        ("PYTHONDONTWRITEBYTECODE=1", "BFL_API_KEY=0123456789", "ENV"),
    ],
)
def test_each_rule_can_be_broken(old: str, new: str, about: str) -> None:
    """One change, and the complaint is about that instruction."""
    assert old in TEXT
    assert about in {complaint.split()[0] for complaint in complaints(TEXT.replace(old, new, 1), KEPT_BACK)}


def test_nothing_else_gets_into_the_context() -> None:
    """Everything is kept back first; what is let through is what is copied."""
    patterns = [line for line in KEPT_BACK.splitlines() if not line.startswith("#")]
    let_through = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    copied = {
        word
        for step in steps(TEXT)
        if step.word == "COPY" and "--from=" not in step.rest
        for word in step.rest.split()[:-1]
    }
    assert patterns[0] == "*"
    assert let_through == copied


def test_it_runs_what_there_is() -> None:
    """The script of pyproject.toml, a command of it, variables that it reads."""
    assert command(last(TEXT, "ENTRYPOINT"))[0].rsplit("/", 1)[1] == "gateway"
    assert '\ngateway = "gateway.__main__:main"\n' in (ROOT / "pyproject.toml").read_text()
    assert command(last(TEXT, "CMD"))[0] in COMMANDS
    own = {name for name in variables(TEXT) if name.startswith("GATEWAY_")}
    assert own
    assert own <= {variable.name for variable in ENVIRONMENT}


def test_its_python_is_one_of_the_locks() -> None:
    """The locks are made for the oldest Python that is supported, and it is the one of the image."""
    (version,) = re.findall(r"^ARG PYTHON=python:(\d+\.\d+)-", TEXT, re.MULTILINE)
    assert f"--python-version {version}" in (ROOT / "Makefile").read_text()


async def checked(text: str, port: int | None) -> int:
    """The exit code of the health check, run as Docker would, in an environment that names a proxy."""
    program, *arguments = probe(text)
    assert program == "python"
    environment = {"GATEWAY_ADMIN_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL, timeout=300
    )
    return done.returncode


async def test_the_health_check_tells_alive_from_dead(bfl: Emulator, start_gateway: StartGateway) -> None:
    """0 while the gateway answers; 1 for a path that is not there and for nobody at the port."""
    gateway = await start_gateway(bfl)
    assert await checked(TEXT, URL(gateway.admin_url).port) == 0
    assert await checked(TEXT.replace("/healthz", "/nothing"), URL(gateway.admin_url).port) == 1
    assert await checked(TEXT, 9) == 1
