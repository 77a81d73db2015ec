"""Three platforms behind one gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from gateway.emulator.server import Emulator
from tests.conftest import StartGateway
from tests.fakes.company import PATIENCE, Company, company
from tests.fakes.openai_server import Script

ALL = ["bfl", "spare/flux-2-pro", "openai/gpt-image-1"]

Office = Callable[..., Awaitable[Company]]


@pytest.fixture
async def office(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> AsyncIterator[Office]:
    """`await office("bfl", "openai", scripts=…)`: everything goes to these, in order; to all three without a word."""
    async with AsyncExitStack() as stack:

        async def start(*to: Any, scripts: tuple[Script, ...] = (), **more: Any) -> Company:
            more.setdefault("jobs", PATIENCE)
            made = company(start_gateway, client, bfl, list(to or ALL), *scripts, **more)
            return await stack.enter_async_context(made)

        yield start
