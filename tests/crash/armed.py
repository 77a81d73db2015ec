"""
`python -m tests.crash.armed LABEL NTH WRONG ANSWER_S serve …`: the gateway as it is, and SIGKILL when it comes to a
point.

The points are wrapped around the program's own methods from outside: before they begin, and after they have ended. A
wrong build is one that a checker has to catch. An answer to a submission is waited for ANSWER_S seconds of the wall,
which no fast clock makes shorter; `-` leaves it as it is.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp

import gateway.cli.serve
import gateway.stores.disk
from gateway.cli import main
from gateway.handlers import respond
from gateway.handlers.take import Taker
from gateway.jobs.look_up import LookUp
from gateway.stores.disk import DiskResults
from gateway.stores.limits import MemoryLimits
from gateway.stores.sqlite.ledger import SqliteLedger
from gateway.stores.sqlite.writer import Writer
from gateway.upstream import session
from gateway.upstream.download import Download
from gateway.upstream.session import Session
from tests.fakes.clock import fast_clock

FASTER = 20.0
WRAPPED: dict[str, tuple[Any, str]] = {
    "take": (Taker, "take"),
    "limits.reserve_all": (MemoryLimits, "reserve_all"),
    "limits.settle": (MemoryLimits, "settle"),
    "ledger.find": (SqliteLedger, "find"),
    "ledger.intent": (SqliteLedger, "intent"),
    "ledger.submitted": (SqliteLedger, "submitted"),
    "ledger.ready": (SqliteLedger, "ready"),
    "ledger.stored": (SqliteLedger, "stored"),
    "ledger.delivered": (SqliteLedger, "delivered"),
    "ledger.adopt": (SqliteLedger, "adopt"),
    "commit": (Writer, "_attempt"),
    "send": (Session, "send"),
    "fetch": (Download, "fetch"),
    "results.put": (DiskResults, "put"),
    "results.write": (gateway.stores.disk, "_write"),
    "results.open": (DiskResults, "open"),
    "respond": (respond, "whole"),
}


def labels() -> list[str]:
    """Every point by its name; sends by what is sent."""
    names = [name for name in WRAPPED if name != "send"] + ["send.submit", "send.poll"]
    return [f"{name}:{when}" for name in names for when in ("before", "after")]


def arm(label: str, nth: int) -> None:
    """Die when `label` is come to for the `nth` time, counted from 1."""
    seen: Counter[str] = Counter()

    def reached(point: str) -> None:
        seen[point] += 1
        if point == label and seen[point] == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    for name, (place, method) in WRAPPED.items():
        setattr(place, method, _around(getattr(place, method), name, reached))


def _around(method: Callable[..., Any], name: str, reached: Callable[[str], None]) -> Callable[..., Any]:
    def named(arguments: tuple[Any, ...]) -> str:
        return f"send.{arguments[1].name}" if name == "send" else name

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def asynchronous(*arguments: Any, **more: Any) -> Any:
            point = named(arguments)
            reached(f"{point}:before")
            found = await method(*arguments, **more)
            reached(f"{point}:after")
            return found

        return asynchronous

    @functools.wraps(method)
    def synchronous(*arguments: Any, **more: Any) -> Any:
        reached(f"{name}:before")
        found = method(*arguments, **more)
        reached(f"{name}:after")
        return found

    return synchronous


async def _nothing(*_arguments: Any, **_more: Any) -> None:
    await asyncio.sleep(0)


def _forget() -> None:
    SqliteLedger.submitted = _nothing  # type: ignore[method-assign]


def _pay_again() -> None:
    LookUp.find = _nothing  # type: ignore[method-assign]


def _answer_early() -> None:
    SqliteLedger.stored = _nothing  # type: ignore[method-assign]


def _leave_books_open() -> None:
    MemoryLimits.settle = _nothing  # type: ignore[method-assign]
    MemoryLimits.settle_as_reserved = _nothing  # type: ignore[method-assign]


WRONG: dict[str, Callable[[], None]] = {
    "forgets-the-task": _forget,
    "pays-again": _pay_again,
    "answers-before-storing": _answer_early,
    "leaves-the-books-open": _leave_books_open,
}

if __name__ == "__main__":
    label, nth, wrong, answer_s, *rest = sys.argv[1:]
    if wrong != "-":
        WRONG[wrong]()
    if answer_s != "-":
        session.SUBMIT_TIMES = aiohttp.ClientTimeout(total=2 * float(answer_s), sock_read=float(answer_s))
    arm(label, int(nth))
    gateway.cli.serve.Gateway = partial(gateway.cli.serve.Gateway, clock=fast_clock(FASTER))  # type: ignore[assignment,attr-defined]
    main(rest)
