"""Many rounds, some at a time, and the reckoning."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from tests.crash.armed import FASTER, labels
from tests.crash.checks import wrong
from tests.crash.load import LOAD, TROUBLE, LoadRound
from tests.crash.rig import Round

# A commit is come to a few times in each job; everything else once or twice.
OFTEN = 4
# Rounds under load, and with a vendor in trouble as well, for one at each of the points.
LOADS, TROUBLES = 6, 12


def plan(rounds: int, seed: int, only: Sequence[str] = ()) -> list[tuple[str, int, bool]]:
    """Label, how many times it is come to, and whether the request has a key: every label before any comes again."""
    chance, names = random.Random(seed), [*(only or [*labels(), "random", *[LOAD] * LOADS, *[TROUBLE] * TROUBLES])]
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
            loaded = label in (LOAD, TROUBLE)
            made, place = LoadRound if loaded else Round, folder / str(number)
            turn = made(bfl, place, label, nth, keyed=keyed or loaded, wrong=build)
            name = f"round {number}, {label} ×{nth}, {'keyed' if keyed else 'unkeyed'}"
            try:
                await turn.run(random.Random(seed + number))
                violations = list(turn.wrong() if isinstance(turn, LoadRound) else wrong(turn.seen))
            except Exception as error:  # noqa: BLE001 - a round that cannot be judged is a violation
                violations = [f"{type(error).__name__}: {error}"]
            told = str(turn) if isinstance(turn, LoadRound) else turn.seen.code or "picture"
            tell(f"{name}: {'; '.join(violations) or told}")
            if not violations:  # each has a ledger with its reserve
                shutil.rmtree(place)
            found.extend(f"{name}: {violation}" for violation in violations)

    await asyncio.gather(*(one(number, *each) for number, each in enumerate(rounds)))
    return found
