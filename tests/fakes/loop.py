"""
An event loop on virtual time: nobody waits, and no assertion depends on how busy the machine is.

Time stands still while anything can run, however long that takes, and leaps to the next timer when nothing can. Before
it leaps, the loop makes sure that nothing is on its way to it:

- Sockets: both ends of every connection of a test belong to this loop, so bytes are either here or still in the
  kernel's queue between two loopback sockets. A byte sent through a connection of the loop's own comes out behind them.
- Threads: time stands still while an executor works, or inside of `outside()`, as nobody knows when that ends. After
  `HELD_S` without any news it goes on even so, as the thread may be waiting for a timer of this loop.

Where the other end is another process, or the kernel's own patience is tested, the world is not closed: such tests
run on `Loop(flowing=True)`, on which time passes as on the wall, but only while nothing can run.

With an `Adversary` the loop is a badly scheduled one: it runs what is ready in any order, one piece at a time, and
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
from contextlib import contextmanager, nullcontext
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack, cast

# A thread that is silent for this long, in seconds on the wall, waits for this loop.
HELD_S = 5.0

P = ParamSpec("P")
T = TypeVar("T")
Args = TypeVarTuple("Args")

Events = list[tuple[selectors.SelectorKey, int]]


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
    """See above. `time()` begins at 0 and is in seconds."""

    def __init__(self, *, flowing: bool = False, adversary: Adversary | None = None) -> None:
        self.adversary = adversary
        self._flowing, self._now, self._outside = flowing, 0.0, 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def pass_(self, seconds: float) -> None:
        """Time goes on."""
        self._now += seconds

    @property
    def held(self) -> bool:
        """True while somebody outside of the loop works for it."""
        return self._outside > 0

    @property
    def flowing(self) -> bool:
        return self._flowing

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Time stands still while somebody outside of the loop works for it: a thread, or a child process."""
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Args]], T], *args: *Args
    ) -> asyncio.Future[T]:
        self._outside += 1
        try:
            future = super().run_in_executor(executor, func, *args)
        except BaseException:
            self._outside -= 1
            raise
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _future: asyncio.Future[Any]) -> None:
        self._outside -= 1

    def _run_once(self) -> None:
        inner = cast(Any, super())
        ready = cast(Any, self)._ready
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


class _Selector(selectors.DefaultSelector):
    """What the loop asks when it has nothing to run."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop
        self._pair: tuple[socket.socket, socket.socket] | None = None

    def select(self, timeout: float | None = None) -> Events:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._loop.flowing:
            return self._flow(timeout)
        found = super().select(HELD_S) if self._loop.held else self._arrived()
        if not found:
            self._loop.pass_(timeout)
        return found

    def close(self) -> None:
        for end in self._pair or ():
            end.close()
        super().close()

    def _flow(self, timeout: float) -> Events:
        if not (found := super().select(0)):
            began = time.monotonic()
            found = super().select(timeout)
            self._loop.pass_(min(timeout, time.monotonic() - began) if found else timeout)
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
