"""Where the gateway is going to listen: free, or taken by a gateway that runs already."""

from __future__ import annotations

import asyncio
import errno

import aiohttp
import orjson

from gateway.cli.checks.finding import Finding, fine, problem
from gateway.config.schema import Listener

WITHIN_S = 5.0
ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not listened on
# What a gateway of this kind says at `/healthz`, on both of its listeners.
HEALTHY = {"status": "ok"}


async def listener(name: str, place: Listener, prefix: str = "") -> Finding:
    """`name` is the configuration's key."""
    spelled = f"{place.host}:{place.port}"
    if not place.port:
        return fine(name, f"{place.host}, any free port")
    loop = asyncio.get_running_loop()
    try:
        server = await asyncio.wait_for(loop.create_server(asyncio.Protocol, place.host, place.port), WITHIN_S)
    except TimeoutError:
        return problem(name, f"{place.host} has no address within {WITHIN_S:g} s", f"Write an address into {name}.host")
    except OSError as error:
        return await _taken(name, place, prefix, error)
    server.close()
    return fine(name, f"{spelled} is free")


async def _taken(name: str, place: Listener, prefix: str, error: OSError) -> Finding:
    spelled = f"{place.host}:{place.port}"
    if error.errno == errno.EADDRINUSE:
        if await _is_gateway(place, prefix):
            return fine(name, f"{spelled} is served by a running gateway")
        return problem(name, f"{spelled} is taken by another program", f"End that, or choose another {name}.port")
    if error.errno == errno.EACCES:
        return problem(name, f"{spelled} is for root only", f"Choose a {name}.port of 1024 or more")
    return problem(
        name, f"{spelled} cannot be listened on: {error.strerror}", f"Write an address of this machine to {name}.host"
    )


async def _is_gateway(place: Listener, prefix: str) -> bool:
    host = ANYWHERE.get(place.host, place.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{place.port}{prefix}/healthz"
    times = aiohttp.ClientTimeout(total=WITHIN_S)
    try:
        async with aiohttp.ClientSession(timeout=times) as session, session.get(url, allow_redirects=False) as answer:
            return bool(orjson.loads(await answer.content.read(1000)) == HEALTHY)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return False
