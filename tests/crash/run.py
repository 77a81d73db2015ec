"""Many rounds, some at a time, and the reckoning."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from tests.crash.armed import FASTER, labels
from tests.crash.checks import Seen, wrong
from tests.crash.load import LABEL as LOAD
from tests.crash.load import LoadRound
from tests.crash.rig import Round

# A commit is come to a few times in each job; everything else once or twice.
OFTEN = 4
# Rounds under load, for one at each of the points.
LOADS = 12


def plan(rounds: int, seed: int, only: Sequence[str] = ()) -> list[tuple[str, int, bool]]:
    """Label, how many times it is come to, and whether the request has a key: every label before any comes again."""
    chance, names = random.Random(seed), [*(only or [*labels(), "random", *[LOAD] * LOADS])]
    found: list[tuple[str, int, bool]] = []
    while len(found) < rounds:
        turn = chance.sample(names, len(names))
        found += [(name, chance.randint(1, OFTEN) if "commit" in name else 1, chance.random() < 0.5) for name in turn]
    return found[:rounds]


async def crash(
    folder: Path,
    rounds: Sequence[tuple[str, int, bool]],
    *,
    seed: int,
    at_once: int = 2,
    build: str = "-",
    tell: Callable[[str], None] = lambda _line: None,
) -> list[str]:
    """The violations, each with its round."""
    found: list[str] = []
    turns = asyncio.Semaphore(at_once)

    async def one(number: int, label: str, nth: int, keyed: bool) -> None:
        async with turns, Emulator(EmulatorSettings(speed=FASTER)) as bfl:
            made = LoadRound if label == LOAD else Round
            turn = made(bfl, folder / str(number), label, nth, keyed=keyed or label == LOAD, wrong=build)
            name = f"round {number}, {label} ×{nth}, {'keyed' if keyed else 'unkeyed'}"
            try:
                seen: Seen | None = await turn.run(random.Random(seed + number))
                violations = list(turn.wrong() if isinstance(turn, LoadRound) else wrong(turn.seen))
            except Exception as error:  # noqa: BLE001 - a round that cannot be judged is a violation
                seen, violations = None, [f"{type(error).__name__}: {error}"]
            tell(f"{name}: {'; '.join(violations) or (seen and (seen.code or 'picture'))}")
            found.extend(f"{name}: {violation}" for violation in violations)

    await asyncio.gather(*(one(number, *each) for number, each in enumerate(rounds)))
    return found
