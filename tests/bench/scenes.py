"""The measurements. Each scene runs gateway and reference in turns, so that a noisy neighbour meets both."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench import load, pauses
from tests.bench.exchanges import Chat, Echo, Edit, Request, echo_bytes
from tests.bench.load import Answer
from tests.bench.processes import MEASURED_CORE, BenchFailed, CoreTime, Process
from tests.bench.stage import Stage
from tests.bench.table import Row
from tests.bench.vendors import LARGE, SMALL, TIMED_S

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of it: `rounds` of `seconds` each; `burdens` also puts the memory scenes' load on the reference."""

    rounds: int
    seconds: float
    burdens: bool


FULL, QUICK = Effort(3, 2.5, True), Effort(1, 0.8, False)


@dataclass(frozen=True, slots=True)
class Run:
    """One process under one load for a while. `cpu_s` and `wall_s` are of all answers together."""

    answers: Sequence[Answer]
    cpu_s: float
    wall_s: float

    @property
    def cpu_ms(self) -> float:
        return self.cpu_s * 1000 / len(self.answers)

    @property
    def per_s(self) -> float:
        return len(self.answers) / self.wall_s

    def added_ms(self, quantile: float) -> float:
        return (at(sorted(answer.seconds for answer in self.answers), quantile) - TIMED_S) * 1000

    def first_ms(self, quantile: float) -> float:
        return at(sorted(answer.first_s for answer in self.answers), quantile) * 1000


Measure = Callable[[Run], float]


class Scenes:
    """All rows of the table, one after the other."""

    def __init__(self, stage: Stage, effort: Effort) -> None:
        self._stage, self._effort = stage, effort
        self._before = self._now()

    async def rows(self) -> AsyncIterator[Row]:
        stage, bare = self._stage, self._stage.bare
        yield self._row("start", "s", *stage.starts, aim=1.0)
        yield self._row("idle RSS", "MB", *stage.idle, aim=80)
        # First, while no large body has gone through that process yet.
        async for row in self._memory():
            yield row

        small = Edit.of("small", sent=SMALL, got=SMALL)
        ours, theirs = await self._turns(stage.gateway, bare, small, at_once=64)
        yield self._of("CPU per edit, 10 KB in, 10 KB out", "ms", ours, theirs, lambda run: run.cpu_ms, aim=1.0)
        yield self._of("edits a second, 10 KB, 64 at once", "/s", ours, theirs, lambda run: run.per_s)

        async for row in self._ledger(small):
            yield row

        middle = Edit.of("large", sent=MB, got=LARGE)
        ours, theirs = await self._turns(stage.gateway, bare, middle, at_once=32)
        yield self._of("CPU per edit, 1 MB in, 1.5 MB out", "ms", ours, theirs, lambda run: run.cpu_ms, aim=6)

        big = Edit.of("large", sent=20 * MB, got=LARGE)
        ours, theirs = await self._turns(stage.gateway, bare, big, at_once=4)
        yield self._of("CPU per edit, 20 MB in, 1.5 MB out", "ms", ours, theirs, lambda run: run.cpu_ms, aim=45)
        spooled, _ = await self._turns(stage.spooling, None, big, at_once=4)
        yield self._of("  the same, spooled", "ms", spooled, theirs, lambda run: run.cpu_ms, aim=75)

        timed = Edit.of("timed", sent=MB, got=LARGE)
        ours, theirs = await self._turns(stage.gateway, bare, timed, at_once=8)
        for quantile in (0.5, 0.99):
            name = f"added to the platform's {TIMED_S:g} s, 1 MB, p{quantile * 100:g}"
            yield self._of(name, "ms", ours, theirs, lambda run, q=quantile: run.added_ms(q))  # type: ignore[misc]

        async for row in self._pauses(big):
            yield row
        for length in (MB, 20 * MB):
            echo = Echo(echo_bytes(length))
            ours, theirs = await self._turns(stage.gateway, bare, echo, at_once=4)
            name = f"CPU per relayed {length // MB} MB up and down"
            yield self._of(name, "ms", ours, theirs, lambda run: run.cpu_ms, aim=1.3, aim_is_ratio=True)
        ours, theirs = await self._turns(stage.gateway, bare, Chat(), at_once=4)
        yield self._of("relayed chat, first byte, p50", "ms", ours, theirs, lambda run: run.first_ms(0.5))
        yield self._of("CPU per relayed chat", "ms", ours, theirs, lambda run: run.cpu_ms, aim=1.3, aim_is_ratio=True)

    async def _ledger(self, small: Edit) -> AsyncIterator[Row]:
        """The gateway beside itself: without a ledger, with one, and with finished pictures in files as well."""
        stage = self._stage
        noted, forgetful = await self._turns(stage.unfiled, stage.forgetful, small, at_once=24)
        name = "CPU per edit, 10 KB, 24 at once: ledger beside none"
        yield self._of(name, "ms", noted, forgetful, lambda run: run.cpu_ms, aim=1.15, aim_is_ratio=True)
        filed, unfiled = await self._turns(stage.filed, stage.unfiled, small, at_once=24)
        file_ms = median(run.cpu_ms for run in filed) - median(run.cpu_ms for run in unfiled)
        yield self._row("  CPU of the result's file", "ms", file_ms, None, aim=0.8)

    async def _memory(self) -> AsyncIterator[Row]:
        for at_once, sent, aim in ((32, 20 * MB, 160), (500, MB, 220)):
            edit = Edit.of("timed", sent=sent, got=LARGE)
            peaks: list[float | None] = []
            for process in (self._stage.tight, self._stage.bare):
                if process is self._stage.bare and not self._effort.burdens:
                    peaks.append(None)
                    continue
                process.forget_peak()
                await self._run(process, edit, at_once=at_once, seconds=0)
                peaks.append(process.peak_rss_mb())
            ours, theirs = peaks
            assert ours is not None
            yield self._row(f"peak RSS, {at_once} × {sent // MB} MB, 64 MiB, 24 active", "MB", ours, theirs, aim=aim)

    async def _pauses(self, edit: Edit) -> AsyncIterator[Row]:
        stage, found = self._stage, []
        for process, path in ((stage.watched, stage.watched_pauses), (stage.bare, stage.bare_pauses)):
            async with pauses.watching(path) as seconds:
                await self._run(process, edit, at_once=8, seconds=self._effort.seconds * self._effort.rounds)
            found.append(at(seconds, 0.999) * 1000)
        yield self._row("loop pauses, 8 uploads of 20 MB, p99.9", "ms", *found, aim=20)

    async def _turns(
        self, ours: Process, theirs: Process | None, request: Request, *, at_once: int
    ) -> tuple[list[Run], list[Run]]:
        runs: tuple[list[Run], list[Run]] = ([], [])
        for _ in range(self._effort.rounds):
            for process, into in zip((ours, theirs), runs, strict=True):
                if process is not None:
                    into.append(await self._run(process, request, at_once=at_once, seconds=self._effort.seconds))
        return runs

    async def _run(self, process: Process, request: Request, *, at_once: int, seconds: float) -> Run:
        """Raises: BenchFailed, also when the vendor has not seen every upload whole, and once."""
        assert process.port is not None
        edit = request if isinstance(request, Edit) else None
        before = await self._stage.told(edit.model) if edit else (0, 0)
        cpu, wall = process.cpu_s(), time.monotonic()
        answers = await load.loop(process.port, request.make, request.check, at_once=at_once, seconds=seconds)
        run = Run(answers, process.cpu_s() - cpu, time.monotonic() - wall)
        if edit:
            after = await self._stage.told(edit.model)
            each = (after[1] - before[1]) / len(answers) - len(edit.picture) * 4 / 3
            if after[0] - before[0] != len(answers) or not 0 < each < 1000:
                raise BenchFailed(f"{len(answers)} edits, {after[0] - before[0]} submissions, {each:+.0f} bytes each")
        return run

    def _of(
        self,
        name: str,
        unit: str,
        ours: list[Run],
        theirs: list[Run],
        measure: Measure,
        *,
        aim: float | None = None,
        aim_is_ratio: bool = False,
    ) -> Row:
        here, there = (median(map(measure, runs)) for runs in (ours, theirs))
        return self._row(name, unit, here, there, aim=aim, aim_is_ratio=aim_is_ratio)

    def _row(
        self,
        name: str,
        unit: str,
        ours: float,
        theirs: float | None,
        *,
        aim: float | None = None,
        aim_is_ratio: bool = False,
    ) -> Row:
        (core, own), (core_before, own_before) = self._now(), self._before
        total = max(core.total - core_before.total, 1e-9)
        if total > 0.1:
            self._before = core, own
        others = max(0.0, core.busy - core_before.busy - (own - own_before)) / total
        return Row(name, unit, ours, theirs, aim, aim_is_ratio, others, (core.stolen - core_before.stolen) / total)

    def _now(self) -> tuple[CoreTime, float]:
        return CoreTime.read(MEASURED_CORE), sum(process.cpu_s() for process in self._stage.measured)


def at(ascending: Sequence[float], quantile: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * quantile))]
