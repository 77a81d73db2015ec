"""The gateway's end of one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import gateway
from gateway.imaging.frames import END, FRAME_BYTES, HEAD_BYTES, READY, Order, Verdict, frame, pieces

Sink = Callable[[bytes], Awaitable[None]]

# Where the interpreter and its libraries are. Keys and everything else stay here.
KEPT = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
# From the end of its pipe to its exit.
LAST_BREATH_S = 1.0
_ROOT = Path(gateway.__file__).parents[1]


class Confines(Protocol):
    """What a worker may use: bytes, pixels, seconds."""

    @property
    def memory(self) -> int: ...
    @property
    def max_pixels(self) -> int: ...
    @property
    def within(self) -> float: ...


class Lost(Exception):
    """The worker has died, or talks nonsense; the text is for the log."""


class Worker:
    """One process, one job at a time. After any exception from `work` it is to be buried."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    @classmethod
    async def start(cls, confines: Confines) -> Worker:
        """Raises: OSError when there can be no further process, Lost when it does not come up."""
        arguments = (str(confines.memory), str(confines.max_pixels), str(confines.within))
        # Safe path, no user's packages, no warnings. A session of its own: Ctrl-C on a terminal is not for workers.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-W", "ignore", "-m", "gateway.imaging.worker", *arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment(),
            close_fds=True,
            start_new_session=True,
        )
        worker = cls(process)
        try:
            if await worker._receive() != READY:
                raise Lost("its greeting is wrong")
        except BaseException:
            await worker.bury()
            raise
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._stdout.at_eof()

    async def work(self, order: Order, source: AsyncIterator[bytes], sink: Sink) -> Verdict:
        """
        Have one picture made. `sink` gets the result in pieces, when the verdict is good.

        Raises: Lost; and what `source` and `sink` raise.
        """
        await self._send(order.pack())
        async for chunk in source:
            for piece in pieces(chunk):
                await self._send(frame(piece))
        await self._send(END)
        try:
            verdict = Verdict.read(await self._receive())
        except (ValueError, LookupError, TypeError) as error:
            raise Lost("its verdict cannot be read") from error
        if verdict.fault is None:
            while part := await self._receive():
                await sink(part)
        return verdict

    def kill(self) -> None:
        """End it at once; whoever has a job there finds it lost."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def bury(self) -> None:
        """Kill it and wait until it is gone. Not while a job is there."""
        self.kill()
        self._stdin.close()
        await self._gone()

    async def _gone(self) -> None:
        # Until its pipe is empty asyncio does not call a process ended.
        while await self._stdout.read(FRAME_BYTES):
            pass
        await self._process.wait()

    async def _send(self, data: bytes) -> None:
        if self._stdin.is_closing():  # writing all the same is a RuntimeError of uvloop's
            raise Lost(await self._end())
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except OSError as error:
            raise Lost(await self._end()) from error

    async def _receive(self) -> bytes:
        try:
            length = int.from_bytes(await self._stdout.readexactly(HEAD_BYTES), "big")
            if length > FRAME_BYTES:
                raise Lost("its frame is too long")
            return await self._stdout.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Lost(await self._end()) from error

    async def _end(self) -> str:
        """How it ended: it has closed a pipe, which it does at its very end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_BREATH_S):
                await self._gone()
        return ending(self._process.returncode)


def ending(code: int | None) -> str:
    """The exit of a worker in words."""
    if code is None:
        return "it has closed its pipe"
    if code >= 0:
        return f"it ended with {code}" + (f" ({os.strerror(code)})" if code else "")
    return f"it was ended by signal {-code}"


def environment() -> dict[str, str]:
    """A worker's, without anything that is the gateway's."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": str(_ROOT)}
