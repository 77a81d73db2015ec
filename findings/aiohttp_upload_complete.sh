#!/usr/bin/env bash
# aiohttp 3.14.5: UploadTracker calls an upload complete whose end never left the machine.
#
# The tracker is the client's answer to "did the whole body go out before the connection broke?". Two uploads over
# loopback, each cut by a reset from a peer that takes only part of it (or nothing):
#   300,000 bytes, peer reads 90,000: the kernel sent about 98,000, and the tracker says 300,000 and complete;
#   60,000 bytes, small socket buffer, peer reads nothing: more than half is still in the event loop's own buffer and has
#   not even reached the kernel, and the tracker says 60,000 and complete.
# In both cases upload_complete holds a plain result and no exception, although the request itself raised; and
# bytes_written, described as leaving out what is still queued in the loop, counts that too once the body is written.
# What really left is in the kernel's TCP_INFO (bytes sent less bytes sent again), read through a duplicate of the
# descriptor, because the transport closes its own.
#
# Why it matters to gateways: a paid POST may be repeated only when the vendor cannot have all of it. Here the vendor had
# a third of one body and nothing of the other, both were safe to repeat, and the tracker's word would forbid it.
#
# Seen with CPython 3.11 on Linux. Needs Linux 4.19 or newer, which counts the bytes sent.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check aiohttp==3.14.5

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import struct
import sys
from dataclasses import dataclass

import aiohttp


@dataclass
class Kernel:
    sent: int  # bytes of payload that left, each counted once
    waiting: int  # bytes taken by the kernel and not sent


def ask(tap: socket.socket) -> Kernel:
    told = tap.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
    if len(told) < 216:
        sys.exit("this kernel does not count the bytes it sends")
    sent, resent = struct.unpack_from("=QQ", told, 200)
    (waiting,) = struct.unpack_from("=I", told, 144)
    return Kernel(sent - resent, waiting)


async def upload(size: int, peer_reads: int, send_buffer: int | None) -> bool:
    loop = asyncio.get_running_loop()
    taps: list[socket.socket] = []

    def connectable(address: tuple) -> socket.socket:
        made = socket.socket(*address[:3])
        if send_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        made.setblocking(False)
        taps.append(made.dup())
        return made

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    tracker = aiohttp.UploadTracker()

    async def peer() -> Kernel:
        connection, _ = await loop.sock_accept(listener)
        left = peer_reads
        while left:
            left -= len(await loop.sock_recv(connection, left))
        while tracker.bytes_written < size:  # an outer time limit ends this if it never comes to be
            await asyncio.sleep(0.01)
        before = ask(taps[0])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # with that option: a reset
        return before

    raised = "nothing"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=connectable)) as session:
        peering = asyncio.create_task(peer())
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            async with session.post(url, data=bytes(size), upload_tracker=tracker):
                pass
        except aiohttp.ClientError as error:
            raised = type(error).__name__
        before = await peering
    after = ask(taps[0])
    told = tracker.upload_complete
    complete = told.done() and told.exception() is None
    print(f"body of {size} bytes, peer reads {peer_reads} and resets; the request raised {raised}")
    print(f"  tracker: bytes_written={tracker.bytes_written} upload_complete={complete}")
    print(f"  kernel:  sent={after.sent} (head included), had been given {before.sent + before.waiting} before the reset")
    for used in (*taps, listener):
        used.close()
    in_loop_only = before.sent + before.waiting < size
    return complete and tracker.bytes_written == size and 0 < after.sent < size and in_loop_only == (send_buffer is not None)


async def main() -> bool:
    async with asyncio.timeout(60):
        kernel_holds_the_end = await upload(300_000, 90_000, None)
        loop_holds_the_end = await upload(60_000, 0, 8192)
        return kernel_holds_the_end and loop_holds_the_end


print("aiohttp", aiohttp.__version__)
try:
    same = asyncio.run(main())
except TimeoutError:
    same = False
if not same:
    sys.exit("CHANGED: the tracker no longer calls these cut uploads complete")
print("as described: both uploads are called complete and neither left the machine whole")
PYTHON
