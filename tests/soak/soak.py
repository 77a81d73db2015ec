"""The load itself: clients for a while, reloads and scrapes beside them, quiet, and the reckoning."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.soak import checks
from tests.soak.checks import Sample, Trouble
from tests.soak.clients import NAMES, Load, client, dealt, good
from tests.soak.stage import ACTIVE, BUDGET, FASTER, RETENTION_S, Stage, staged
from tests.soak.troubles import troubles

CLIENTS = 12
GOOD = 3
# So large a part of the good requests has to be served, and after so many seconds of the gateway, beside what the
# machine takes, no trouble is felt any more.
LEAST, FEW_S = 0.9, 15.0
# Faults that cost the vendor nothing, and look as if they might have.
UNPAID = ("submit_502", "submit_reset")
SAMPLE_S, RELOAD_S, TELL_S = 0.5, 1.5, 5.0
# The slots of lost answers, and when it is waited for that results are forgotten, retention and the sweep, on the
# gateway's clock; then some for a busy machine.
QUIET_S, FORGOTTEN_S = 120 / FASTER + 20, RETENTION_S / FASTER + 30
# A shorter load is not worth waiting for that.
LONG_S = 60.0
# How much longer it may take until every kind of client has come.
MORE_S = 40.0
# The dearest submission of the mix, in credits: https://docs.bfl.ai/quick_start/pricing
DEAREST = 40.0
# Connections to platforms that are kept for the next call, and pipes to the imaging processes.
KEPT = 24
# What may not have been begun yet when the gateway was first looked at.
STARTED = 4
# `jobs.drain` is 110 s by default, of the gateway's clock.
DRAIN_S = 110 / FASTER + 10


@dataclass(frozen=True, slots=True)
class Report:
    """`rows` are for reading, `wrong` is what should not be."""

    rows: list[tuple[str, str]]
    wrong: list[str]


async def soak(folder: Path, seconds: float, seed: int, tell: Callable[[str], None]) -> Report:
    """Load for so many seconds of the wall."""
    async with staged(folder) as stage, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        load, samples = Load(stage.url, session, random.Random(seed)), list[Sample]()
        seen = list[Trouble]()
        idle = await stage.sample()
        ends = time.monotonic() + seconds

        def over() -> bool:
            if (now := time.monotonic()) < ends:
                return False
            return now > ends + MORE_S or not checks.missing(load.asked, NAMES)

        beside = [asyncio.create_task(work) for work in (_watch(stage, samples, load, tell), _reload(stage))]
        unrest = troubles(stage, random.Random(seed), seen, load.asked.good, over, tell)
        clients = [
            *(client(load, first, over) for first in dealt(load.dice, CLIENTS)),
            *(good(load, over) for _ in range(GOOD)),
        ]
        await asyncio.gather(unrest, *clients)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        tell("quiet, then the reckoning")
        stage.write(0)
        await session.close()
        limits = dict.fromkeys(("requests_in_flight", "queue_depth", "active_bfl", "slots", "jobs_parked"), 0.0)
        limits |= {"event_loop_tasks": idle.tasks + STARTED, "process_open_fds": idle.descriptors + KEPT}
        if forgotten := seconds >= LONG_S:
            limits |= {"memory_held": 0.0, "spool_bytes": 0.0}
        told = await _quiet(stage, limits, FORGOTTEN_S if forgotten else QUIET_S)
        after, counts = await stage.sample(), await stage.counts()
        wrong = checks.settled(told, limits)
        stage.gateway.send_signal(signal.SIGTERM)
        code = await _ended(stage)
        left = list((folder / "state" / "spool").rglob("*")) + list((folder / "state").rglob("*.tmp"))

    spent, paid = told["spent_credits_total"], counts["charged"]
    struck, lost = counts["struck_by_prompt"], sum(counts["faults"].get(fault, 0) for fault in UNPAID)
    within_s = FEW_S / FASTER + 2 * max(each.took_s for each in samples)
    countable = checks.countable(load.asked.good, seen, struck, within_s)
    refusals = Counter(one.told for one in countable if not one.served)
    outlived = checks.outlived(load.asked.good, seen, struck)
    wrong += checks.served(countable, LEAST)
    wrong += [
        f"{trouble.name} was felt {late:.1f} s after its end, past {within_s:.1f} s"
        for trouble, late in outlived
        if late > within_s
    ]
    wrong += checks.lost_in_truth(load.asked, struck)
    wrong += checks.paid_once(load.asked, counts["accepted_by_prompt"], stage.relayed)
    wrong += checks.answered(load.asked, NAMES)
    wrong += checks.grows("memory (MB)", [each.rss for each in samples], ratio=0.10, slack=8)
    for name in ("descriptors", "threads", "tasks"):
        wrong += checks.grows(name, [getattr(each, name) for each in samples], ratio=0.2, slack=5)
    wrong += checks.above("children", [each.children for each in samples], 2)
    wrong += checks.above("picture bytes in memory", [each.held for each in samples], BUDGET)
    wrong += checks.above("running submissions", [each.running for each in samples], ACTIVE)
    wrong += checks.balanced("submissions", told["bfl_submit"], counts["submits_seen"])
    wrong += checks.balanced("credits", spent, paid, more=lost * DEAREST)
    wrong += checks.crashed(stage.log)
    wrong += [f"{counts['leaked_keys']} keys went where none belongs"] * bool(counts["leaked_keys"])
    wrong += [f"SIGTERM ended it with {code}"] * (code != 0)
    wrong += [f"files are left: {left[:3]}"] * bool(left)
    wrong += checks.reloads([each.reloaded for each in samples], after.reloaded)
    answers: dict[int, int] = {}
    for (_, status), count in load.asked.answers.items():
        answers[status] = answers.get(status, 0) + count
    rows = [
        ("requests", f"{sum(answers.values())}: " + ", ".join(f"{s} × {n}" for s, n in sorted(answers.items()))),
        ("submissions", f"{counts['submits_seen']}, {counts['accepted']} accepted, {counts['active_max']} at once"),
        ("relayed pictures", str(len(stage.relayed))),
        ("credits", f"{spent:g} counted, {paid:g} charged, {lost} of unaccepted submissions lost on purpose"),
        (
            "good requests",
            f"{sum(one.served for one in countable)} of {len(countable)} served, "
            f"{len(load.asked.good) - len(countable)} others met a fault; refusals: "
            + (", ".join(f"{told} × {n}" for told, n in refusals.items()) or "none"),
        ),
        *(
            (
                f"after {name}",
                f"felt for {max(late for each, late in outlived if each.name == name) * FASTER:.0f} s of the "
                f"gateway at most, {sum(each.name == name for each, _ in outlived)} times",
            )
            for name in sorted({trouble.name for trouble in seen})
        ),
        ("faults played", str(sum(counts["faults"].values()))),
    ]
    for name, field in (("memory (MB)", "rss"), ("descriptors", "descriptors"), ("tasks", "tasks")):
        most = max(getattr(each, field) for each in samples)
        rows.append((name, f"{getattr(idle, field):.0f} idle, {most:.0f} at most, {getattr(after, field):.0f} after"))
    rows.append(("ended", f"exit code {code}"))
    return Report(rows, wrong)


async def _watch(stage: Stage, samples: list[Sample], load: Load, tell: Callable[[str], None]) -> None:
    began = told = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_S)
        samples.append(now := await stage.sample())
        if (moment := time.monotonic()) - told > TELL_S:
            told = moment
            done = sum(load.asked.answers.values())
            served = sum(one.served for one in load.asked.good)
            tell(
                f"{moment - began:4.0f} s  {done} requests, {len(load.asked.surprises)} surprises; {served} of "
                f"{len(load.asked.good)} good ones served; {now.waiting:.0f} wait, {now.running:.0f} run; "
                f"{now.rss:.0f} MB, {now.descriptors:.0f} descriptors, {now.tasks:.0f} tasks"
            )


async def _reload(stage: Stage) -> None:
    turn = 0
    while True:
        await asyncio.sleep(RELOAD_S)
        turn += 1
        stage.write(turn, good=turn % 3 != 2)


async def _quiet(stage: Stage, limits: dict[str, float], within_s: float) -> dict[str, float]:
    """The metrics once they are what they should be, or when that takes too long."""
    told = await stage.metrics()
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while checks.settled(told, limits):
                await asyncio.sleep(0.2)
                told = await stage.metrics()
    return told


async def _ended(stage: Stage) -> int | str:
    try:
        return await asyncio.to_thread(stage.gateway.wait, DRAIN_S)
    except subprocess.TimeoutExpired:
        return "nothing yet"
