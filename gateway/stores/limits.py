"""What callers use against what they may, in memory: right for one process, as long as it lives."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from gateway.domain.caller import Allowance, Caller
from gateway.domain.errors import LimitReached, LimitTooSmall, SpendReached
from gateway.domain.window import MONEY, PER_MINUTE, Window
from gateway.stores.contract import Usage
from gateway.stores.purse import MICRO, Purse, ends, micro, periods
from gateway.stores.sliding import SPAN_S, Sliding


@dataclass(slots=True)
class _Account:
    rates: dict[str, Sliding] = field(default_factory=lambda: {name: Sliding() for name in PER_MINUTE})
    jobs: int = 0
    purse: Purse = field(default_factory=Purse)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What settling needs to know: money in millionths, by unit, and the periods in whose books it stands."""

    caller: str
    jobs: int
    money: dict[str, int]
    periods: tuple[str, ...]


class Entry(NamedTuple):
    """How many millionths of a unit stand in a caller's book of a period."""

    caller: str
    period: str
    unit: str
    micros: int


class Journal:
    """Told of all money, and how the books stand then, so that it can be read again after a restart. Keeps nothing."""

    def opened(self, id: str, reservation: Reservation, books: Iterable[Entry]) -> None: ...
    def closed(self, id: str, books: Iterable[Entry]) -> None: ...
    def forgotten(self, caller: str, periods: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Rated:
    """What undoing needs to know, for as long as it counts."""

    caller: str
    when: float
    amounts: dict[str, int]


class MemoryLimits:
    """
    Implements `Limits`. `now` is monotonic and measures minutes, `wall` makes days and months; both in seconds.

    Money goes through the journal; rates are a minute's matter and begin anew with the process.
    """

    def __init__(self, now: Callable[[], float], wall: Callable[[], float], journal: Journal = Journal()) -> None:  # noqa: B008 - keeps nothing
        self._now, self._wall, self._journal = now, wall, journal
        self._accounts: dict[str, _Account] = {}
        self._open: dict[str, Reservation] = {}
        self._rated: OrderedDict[str, _Rated] = OrderedDict()

    def restore(self, books: Iterable[Entry], reserved: Mapping[str, Reservation]) -> None:
        """What the journal has kept, before anything is counted."""
        for caller, period, unit, amount in books:
            self._purse(caller).add([period], {unit: amount})
        for id, reservation in reserved.items():
            self._open[id] = reservation
            self._accounts.setdefault(reservation.caller, _Account()).jobs += reservation.jobs

    def reserved(self) -> Collection[str]:
        return tuple(self._open)

    async def settle_as_reserved(self, id: str) -> None:
        """It is over, and nobody has told what it cost."""
        if (found := self._open.get(id)) is not None:
            self._end(id, found.money)

    async def reserve(self, id: str, caller: Caller, usage: Usage) -> Mapping[str, Window]:
        return await self.reserve_all(caller, {id: usage})

    async def reserve_all(self, caller: Caller, usages: Mapping[str, Usage]) -> Mapping[str, Window]:
        self._forget()
        new = {id: usage for id, usage in usages.items() if id not in self._open and id not in self._rated}
        if not _limits(caller.allowance):
            for id, usage in new.items():
                self._count(id, caller, usage)
            return {}
        wanted = _wanted(list(usages.values()))
        if not new:
            return self._windows(caller, wanted)
        self._check(caller, wanted if len(new) == len(usages) else _wanted(list(new.values())))
        for id, usage in new.items():
            self._count(id, caller, usage)
        return self._windows(caller, wanted)

    async def settle(self, id: str, credits: float, cents: float) -> None:
        self._end(id, {"credits": micro(credits), "cents": micro(cents)})

    async def give_back(self, id: str) -> None:
        self._end(id, {"credits": 0, "cents": 0})

    async def undo(self, id: str) -> None:
        self._forget()
        if (found := self._rated.get(id)) is not None:
            for name, amount in found.amounts.items():
                self._accounts[found.caller].rates[name].remove(found.when, amount)
        self._end(id, {"credits": 0, "cents": 0})

    def _forget(self) -> None:
        old = self._now() - SPAN_S
        while self._rated and next(iter(self._rated.values())).when <= old:
            self._rated.popitem(last=False)

    def _account(self, caller: Caller) -> _Account:
        account = self._accounts.setdefault(caller.id, _Account())
        for rate in account.rates.values():
            rate.forget(self._now())
        return account

    def _check(self, caller: Caller, wanted: Mapping[str, int]) -> None:
        account, today = self._account(caller), periods(self._wall())
        for name, limit in _limits(caller.allowance).items():
            if name not in wanted:
                continue
            amount, windows = wanted[name], self._windows(caller, wanted)
            if name in MONEY:
                used = account.purse.used(*_shelf(name, today))
                if used + amount > limit or used >= limit:
                    raise SpendReached(_spent(name, limit, self._wall()), limit=name, windows=windows)
            elif amount > limit:
                text = f"The request alone comes to {_told(amount)} {name}, and this key may have {_told(limit)}"
                raise LimitTooSmall(f"{text}{_how(name)}. Ask for less at once.", limit=name, windows=windows)
            elif name == "jobs":
                if account.jobs * MICRO + amount > limit:
                    text = (
                        f"This key may have {_told(limit)} jobs at the same time. Send the request when one has ended."
                    )
                    raise LimitReached(text, limit=name, windows=windows)
            elif wait := account.rates[name].room_in(self._now(), amount, limit):
                text = f"This key may have {_told(limit)} {name} a minute. Try again in {math.ceil(wait)} s."
                raise LimitReached(text, limit=name, retry_after_s=math.ceil(wait), windows=windows)

    def _count(self, id: str, caller: Caller, usage: Usage) -> None:
        account, now, limited = self._account(caller), self._now(), _limits(caller.allowance)
        rated = {name: micro(getattr(usage, name)) for name in PER_MINUTE if name in limited and getattr(usage, name)}
        for name, amount in rated.items():
            account.rates[name].add(now, amount)
        if rated:
            self._rated[id] = _Rated(caller.id, now, rated)
        if usage.jobs or usage.credits or usage.cents:
            money, today = {"credits": micro(usage.credits), "cents": micro(usage.cents)}, periods(self._wall())
            opened = self._open[id] = Reservation(caller.id, usage.jobs, money, tuple(today.values()))
            account.jobs += usage.jobs
            self._book(opened, money)
            if not usage.jobs:  # a job by itself costs nothing, and ends with its process
                self._journal.opened(id, opened, self._standing(opened))

    def _end(self, id: str, cost: Mapping[str, int]) -> None:
        self._rated.pop(id, None)
        if (found := self._open.pop(id, None)) is None:
            return
        self._accounts[found.caller].jobs -= found.jobs
        money = {unit: cost[unit] - set_aside for unit, set_aside in found.money.items()}
        self._book(found, money)
        if not found.jobs:
            self._journal.closed(id, self._standing(found))

    def _book(self, reservation: Reservation, money: dict[str, int]) -> None:
        if gone := self._purse(reservation.caller).add(reservation.periods, money):
            self._journal.forgotten(reservation.caller, gone)

    def _standing(self, of: Reservation) -> list[Entry]:
        used = self._purse(of.caller).used
        return [Entry(of.caller, period, unit, used(unit, period)) for period in of.periods for unit in of.money]

    def _purse(self, caller: str) -> Purse:
        return self._accounts.setdefault(caller, _Account()).purse

    def _windows(self, caller: Caller, touched: Mapping[str, int]) -> dict[str, Window]:
        account, today, over = self._account(caller), periods(self._wall()), ends(self._wall())
        found = {}
        for name, limit in _limits(caller.allowance).items():
            if name not in touched:
                continue
            if name in MONEY:
                unit, period = _shelf(name, today)
                used = account.purse.used(unit, period)
                reset_s = over[name.partition("-")[2]].timestamp() - self._wall()
            elif name == "jobs":
                used, reset_s = account.jobs * MICRO, math.inf if account.jobs else 0.0
            else:
                used, reset_s = account.rates[name].used, account.rates[name].whole_in(self._now())
            found[name] = Window(limit / MICRO, max(0, limit - used) / MICRO, reset_s)
        return found


@lru_cache
def _limits(allowance: Allowance) -> Mapping[str, int]:
    """The limits there are, by name, in millionths."""
    names = {
        "requests": allowance.requests,
        "images": allowance.images,
        "megapixels": allowance.megapixels,
        "jobs": allowance.jobs,
        "credits-day": allowance.credits_day,
        "credits-month": allowance.credits_month,
        "cents-day": allowance.cents_day,
        "cents-month": allowance.cents_month,
    }
    return {name: micro(limit) for name, limit in names.items() if limit is not None}


def _wanted(usages: list[Usage]) -> dict[str, int]:
    """What is touched, by limit, in millionths. A job touches money whatever it is thought to cost."""
    rates = {name: sum(micro(getattr(usage, name)) for usage in usages) for name in (*PER_MINUTE, "jobs")}
    money = {
        name: sum(micro(getattr(usage, name.partition("-")[0])) for usage in usages)
        for name in MONEY
        if any(usage.jobs or usage.credits or usage.cents for usage in usages)
    }
    return {name: amount for name, amount in rates.items() if amount} | money


def _shelf(name: str, today: Mapping[str, str]) -> tuple[str, str]:
    """Unit and period of a money limit."""
    unit, _, span = name.partition("-")
    return unit, today[span]


def _how(name: str) -> str:
    return " at the same time" if name == "jobs" else " a minute"


def _told(amount: int) -> str:
    return f"{amount / MICRO:.6f}".rstrip("0").rstrip(".")


def _spent(name: str, limit: int, wall: float) -> str:
    unit, _, span = name.partition("-")
    return (
        f"What is left of this key's {_told(limit)} {unit} a {span} does not pay for the request. "
        f"The next {span} begins at {ends(wall)[span]:%Y-%m-%d %H:%M} UTC."
    )
