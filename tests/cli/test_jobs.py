"""What an operator sees of the ledger."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import aiohttp
import pytest

from gateway.emulator.server import Emulator
from tests.conftest import StartGateway
from tests.fakes.customer import Customer
from tests.fakes.program import run


@pytest.fixture
async def ids(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> list[str]:
    """A delivered job and one whose answer was lost; the gateway goes on running."""
    customer = Customer(await start_gateway(bfl), client)
    replies = [await customer.edit(f"make it blue{fault}") for fault in ("", " [[fault:submit_reset]]")]
    await customer.gateway.stores.ledger.find("local", fingerprint="-")
    return [reply.headers["x-job-id"] for reply in replies]


def on(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(tmp_path, *arguments, GATEWAY_STATE_DIR=str(tmp_path / "state"))


async def test_listing(ids: list[str], tmp_path: Path) -> None:
    """All, or those in a state; as a table and for machines."""
    every = on(tmp_path, "jobs", "list")
    assert every.returncode == 0 and all(id in every.stdout for id in ids)
    unknown = on(tmp_path, "jobs", "list", "--state", "unknown", "--json")
    (row,) = map(json.loads, unknown.stdout.splitlines())
    assert (row["job"], row["state"], row["platform"]) == (ids[1], "unknown", "bfl")


async def test_showing(ids: list[str], tmp_path: Path) -> None:
    """What the platform said, without the address that opens the task; and a plain word for what is not there."""
    shown = on(tmp_path, "jobs", "show", ids[0]).stdout
    assert "ticket.task" in shown and "made.ref" in shown and "polling" not in shown and "get_result" not in shown
    assert "platform_answer_lost" in on(tmp_path, "jobs", "show", ids[1]).stdout
    absent = on(tmp_path, "jobs", "show", "job_none")
    assert absent.returncode == 1 and "no job job_none" in absent.stderr


async def test_pruning(ids: list[str], tmp_path: Path) -> None:
    """What is old enough; what is younger stays, as it answers repetitions."""
    done = on(tmp_path, "jobs", "prune", "--older-than", "1")
    assert (done.returncode, done.stdout) == (0, "0 jobs forgotten; their pictures go when the gateway starts again\n")
    assert ids[0] in on(tmp_path, "jobs", "list").stdout


def test_without_a_ledger(tmp_path: Path) -> None:
    """Where to look, instead of an empty list."""
    done = run(tmp_path, "jobs", "list", GATEWAY_STATE_DIR=str(tmp_path))
    assert done.returncode == 1 and "there is no ledger" in done.stderr
