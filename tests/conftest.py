"""A gateway and an emulator over real sockets, on a clock that does not wait."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import settings

from gateway.app import Gateway
from gateway.config.schema import Config
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from gateway.imaging.process import Worker
from gateway.jobs import pace
from gateway.stores.sqlite.writer import Writer
from tests.fakes.clock import UNHURRIED, fast_clock
from tests.fakes.loop import Loop, Pace, held, wall

# The gateway's clock in tests, and the emulator's speed, run this much faster than the wall.
FASTER = 100.0
KEY = "00000000-0000-4000-8000-000000000000"

# aioresponses 0.7.9 builds responses without an argument that aiohttp 3.14 requires, and limits bodies to 128 KiB:
# https://github.com/pnuckowski/aioresponses/issues/289. Inert as soon as that is released.
_writer = inspect.signature(aiohttp.ClientResponse.__init__).parameters.get("stream_writer")
if _writer is not None and _writer.default is inspect.Parameter.empty:

    class _Response(aiohttp.ClientResponse):
        def __init__(self, *args: Any, stream_writer: Any = None, **kwargs: Any) -> None:
            super().__init__(*args, stream_writer=stream_writer or Mock(output_size=0), **kwargs)

    def _reader(loop: Any = None) -> aiohttp.StreamReader:
        return aiohttp.StreamReader(ResponseHandler(loop=loop), limit=2**30, loop=loop)

    vars(aioresponses.core).update(ClientResponse=_Response, stream_reader_factory=_reader)

# Examples share two busy cores with other tests: how long one takes says nothing.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


# Folders without sockets, and those with other processes.
CLOSED = {"jobs", "stores"}
OPEN = {"cli", "crash", "e2e", "operations", "soak", "toys"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stall-ms",
        type=float,
        default=0.0,
        help="hold the process up for so long before one turn of the loop in twenty: what fails then, fails when busy",
    )


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """See `tests.fakes.loop`."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    if folder in OPEN or item.get_closest_marker("open_world"):
        return {"wall": asyncio.new_event_loop}
    pace = Pace.LEAPS if folder in CLOSED else Pace.FLOWS
    return {"virtual": partial(Loop, pace=pace, stall_s=config.getoption("stall_ms") / 1000)}


# What works outside of the loop, and of its executors.
Writer.write = held(Writer.write)  # type: ignore[method-assign]
Worker.work = held(Worker.work)  # type: ignore[method-assign]
Worker.start = staticmethod(held(Worker.start))  # type: ignore[method-assign]

# The emulator's wall clock, however it is made.
vars(EmulatorSettings)["__init__"].__kwdefaults__["now"] = wall

StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def bfl() -> AsyncIterator[Emulator]:
    """The emulator, in a hurry."""
    async with Emulator(EmulatorSettings(speed=FASTER)) as emulator:
        yield emulator


@pytest.fixture
def nothing_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that a test keeps for ever keeps its slot, as one does that is not past its age."""
    monkeypatch.setattr(pace, "LATE_LEAST_S", 900.0)


@pytest.fixture
async def start_gateway(tmp_path: Path, nothing_is_late: None) -> AsyncIterator[StartGateway]:
    """
    Start a gateway: `await start_gateway(bfl, jobs={"answer_within": 5}, platform={"defaults": …}, …)`.

    Keyword arguments are configuration keys; `platform` adds to the BFL platform's. Time runs `FASTER`.
    """
    async with AsyncExitStack() as stack:

        async def start(bfl: Emulator | None = None, *, platform: dict[str, Any] | None = None, **keys: Any) -> Gateway:
            platforms = dict(keys.pop("platforms", {}))
            if bfl is not None:
                account = {"kind": "bfl", "api_key": KEY, "base_url": bfl.api_url}
                platforms["bfl"] = account | (platform or {})
            document = {
                "listen": {"port": 0},
                "admin": {"port": 0},
                "state_dir": tmp_path / "state",
                "platforms": platforms,
                "jobs": {"drain": 0, **UNHURRIED, **keys.pop("jobs", {})},
                **keys,
            }
            return await stack.enter_async_context(
                Gateway(Config.model_validate(document), clock=fast_clock(FASTER), chance=lambda: 0.5)
            )

        yield start


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session
