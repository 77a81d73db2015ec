"""
An event loop with a clock of its own, so that no assertion depends on how busy the machine is.

However long anything takes to run, time does not see it. What it does while nothing can run is the loop's `Pace`:

- `LEAPS`: on to the next timer, so nobody waits. For tests without other processes. Where a test has sockets, both ends
  belong to the loop, and bytes are either here or in the kernel's queue between two loopback sockets: before it leaps,
  the loop sends a byte through a connection of its own, which comes out behind them.
- `FLOWS`: as on the wall, in slices; of a stall no more than `SLICE_S` counts. For tests over real sockets: what a
  client, the gateway and an emulator tell each other takes `TURN_S` a turn, a silence as long as it says.

Tests in which another process takes part, or a thread with timers of its own, need the clock that it has as well: they
run on an ordinary loop, with margins of minutes.

Time also stands still while an executor works, or inside of `outside()`, as nobody knows when that ends. After `HELD_S`
without any news it goes on even so, as the thread may be waiting for a timer of this loop: none does today, and a disk
that is busy can hold a thread up for longer than one thinks.

With an `Adversary` the loop is a badly scheduled one: it runs what is ready in any order, a few pieces at a time, and
stalls in between.
"""

from __future__ import annotations

import asyncio
import functools
import random
import selectors
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext, suppress
from enum import Enum
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack, cast

# A thread that is silent for this long, in seconds on the wall, waits for this loop.
HELD_S = 120.0
# Seconds that a stall counts at most, and that a turn takes, whatever the machine says.
SLICE_S, TURN_S = 0.002, 0.000_02
_BEGAN = time.time()

P = ParamSpec("P")
T = TypeVar("T")
Args = TypeVarTuple("Args")

Events = list[tuple[selectors.SelectorKey, int]]


class Pace(Enum):
    """How a loop's time passes while nothing can run."""

    LEAPS = "to the next timer"
    FLOWS = "as on the wall, but stands still while a thread works"


class Adversary:
    """
    Decides what runs next and when. Everything follows from `seed`.

    Args:
        stalls: how likely a stall is before a turn of the loop.  longest_s: how long one takes at most.
    """

    def __init__(self, seed: int, *, stalls: float = 0.1, longest_s: float = 30.0) -> None:
        self.dice, self._stalls, self._longest_s = random.Random(seed), stalls, longest_s

    def stall_s(self) -> float:
        """Before the next turn, in seconds."""
        if self.dice.random() >= self._stalls:
            return 0.0
        # Short ones are as likely as long ones: each timer has a length of its own to be missed by.
        return float(self._longest_s * 10.0 ** -(4.0 * self.dice.random()))

    def chosen(self, ready: list[Any]) -> tuple[list[Any], list[Any]]:
        """What runs in the next turn, and what later."""
        self.dice.shuffle(ready)
        count = self.dice.randint(1, len(ready))
        return ready[:count], ready[count:]


class Loop(asyncio.SelectorEventLoop):
    """
    See above. `time()` begins at 0 and is in seconds.

    `stall_s` holds the whole process up for so long before one turn in twenty, as a busy machine does.
    """

    def __init__(self, *, pace: Pace = Pace.LEAPS, adversary: Adversary | None = None, stall_s: float = 0.0) -> None:
        self.pace, self.adversary = pace, adversary
        self._stall_s, self._dice = stall_s, random.Random(0)
        self._now, self._outside, self._tired = 0.0, 0, False
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def pass_(self, seconds: float) -> None:
        """Time goes on."""
        self._now += seconds

    @property
    def held(self) -> bool:
        """True while somebody outside of the loop works for it, as far as it is known."""
        return self._outside > 0 and not self._tired

    def tired(self) -> None:
        """Nobody has come back for too long."""
        self._tired = True

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Time stands still while somebody outside of the loop works for it: a thread, or a child process."""
        self._outside += 1
        try:
            yield
        finally:
            self._back()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Args]], T], *args: *Args
    ) -> asyncio.Future[T]:
        self._outside += 1
        try:
            future = super().run_in_executor(executor, func, *args)
        except BaseException:
            self._back()
            raise
        future.add_done_callback(self._back)
        return future

    def _back(self, _future: object = None) -> None:
        self._outside -= 1
        self._tired = False

    def _run_once(self) -> None:
        inner = cast(Any, super())
        ready = cast(Any, self)._ready
        if self.pace is not Pace.LEAPS:
            self._now += TURN_S
        if self._stall_s and self._dice.random() < 0.05:
            time.sleep(self._stall_s)
        if self.adversary is None or not ready:
            inner._run_once()
            return
        self._now += self.adversary.stall_s()
        now, later = self.adversary.chosen(list(ready))
        ready.clear()
        ready.extend(now)
        inner._run_once()
        ready.extend(later)


def held(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The same, as something that works outside of the loop."""

    @functools.wraps(method)
    async def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        with loop.outside() if isinstance(loop, Loop) else nullcontext():
            return await method(*args, **kwargs)

    return inner


def wall() -> float:
    """Unix time in seconds, that goes on with the running loop."""
    with suppress(RuntimeError):
        if isinstance(loop := asyncio.get_running_loop(), Loop):
            return _BEGAN + loop.time()
    return time.time()


class _Selector(selectors.DefaultSelector):
    """What the loop asks when it has nothing to run."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop
        self._pair: tuple[socket.socket, socket.socket] | None = None

    def select(self, timeout: float | None = None) -> Events:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._loop.held:
            if not (found := super().select(HELD_S)):
                self._loop.tired()
            return found
        if self._loop.pace is not Pace.LEAPS:
            return self._flow(timeout)
        if not (found := self._arrived()):
            self._loop.pass_(timeout)
        return found

    def close(self) -> None:
        for end in self._pair or ():
            end.close()
        super().close()

    def _flow(self, timeout: float) -> Events:
        """As long as the timer that is next, or until something comes."""
        if found := super().select(0):
            return found
        slice_s = min(timeout, SLICE_S)
        began = time.monotonic()
        found = super().select(slice_s)
        self._loop.pass_(min(slice_s, time.monotonic() - began) if found else slice_s)
        return found

    def _arrived(self) -> Events:
        """What has come, once everything that was sent has."""
        if (found := super().select(0)) or len(self.get_map()) == 1:
            return found
        if self._pair is None:
            self._pair = _pair()
        here, there = self._pair
        here.send(b".")
        there.recv(1)
        return super().select(0)


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection through the same network as everybody's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname())
        there, _ = server.accept()
    here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return here, there
