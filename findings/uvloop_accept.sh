#!/usr/bin/env bash
# uvloop 0.23.0: one pending connection is accepted in a turn of the loop, where asyncio's own loop takes them all.
#
# Twenty clients have connected before the server starts to accept, so all twenty wait in the listen queue. asyncio's
# selector loop goes on accepting up to `backlog` times whenever the socket is readable: all twenty protocols are made
# within one turn. uvloop makes exactly one protocol in each turn, twenty turns in all, with the same `backlog` of 128.
#
# Why it matters to gateways: a turn also runs every other callback that is ready. A busy loop whose turns take 10 ms
# accepts at most 100 connections a second on one listening socket, and the twentieth of a burst waits twenty turns. Who
# moves from asyncio to uvloop for speed lowers this one limit.
#
# Seen with CPython 3.11 on Linux. Turns are counted by a callback that schedules itself again; no time is measured.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check uvloop==0.23.0

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import struct
import sys
from collections import Counter

import uvloop

CLIENTS, BACKLOG = 20, 128


def waiting(listener: socket.socket) -> int:
    """Connections in the listen queue: for a listening socket Linux tells them as `tcpi_unacked`."""
    return struct.unpack_from("=I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)[0]


async def accepted_per_turn() -> list[int]:
    loop = asyncio.get_running_loop()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(CLIENTS)]
    async with asyncio.timeout(60):
        while waiting(listener) < CLIENTS:
            await asyncio.sleep(0.01)
    turn, turns = 0, []
    everyone = loop.create_future()

    def count() -> None:
        nonlocal turn
        turn += 1
        if not everyone.done():
            loop.call_soon(count)

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            turns.append(turn)
            if len(turns) == CLIENTS:
                everyone.set_result(None)

    server = await loop.create_server(Accepted, sock=listener, backlog=BACKLOG)
    loop.call_soon(count)
    async with asyncio.timeout(60):
        await everyone
    server.close()
    for client in clients:
        client.close()
    return list(Counter(turns).values())


def run(name: str, factory) -> list[int]:
    with asyncio.Runner(loop_factory=factory) as runner:
        seen = runner.run(accepted_per_turn())
    print(f"{name}: {CLIENTS} pending connections, accepted in each turn that accepted any: {seen}")
    return seen


plain = run(f"asyncio of Python {sys.version.split()[0]}", asyncio.new_event_loop)
other = run(f"uvloop {uvloop.__version__}", uvloop.new_event_loop)
if plain != [CLIENTS] or other != [1] * CLIENTS:
    sys.exit("CHANGED: expected all in one turn with asyncio and one a turn with uvloop")
print("as described: asyncio accepts all in one turn, uvloop one in each")
PYTHON
