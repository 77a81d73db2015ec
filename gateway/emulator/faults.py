"""Scripted misbehaviour: one table of names, armed by a marker in a prompt or for the next N calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.emulator.fault_table import FAULTS, Fault, Stage

_MARKER = re.compile(r"\[\[fault:([a-z0-9_]+)(?:=([^\]*]*))?(?:\*(\d+))?\]\]")


@dataclass(slots=True)
class Armed:
    """
    A fault waiting for its call.

    Args:
        value: what was written after `=`.  left: calls it still spoils, None for all.
        skip: calls of its stage that pass untouched first.
        share: of the calls that it could spoil, from 0 to 1.  chance: 0 ≤ x < 1, for that.
    """

    fault: Fault
    value: str | None
    left: int | None
    skip: int = 0
    share: float = 1.0
    chance: Callable[[], float] = lambda: 0.0

    @property
    def name(self) -> str:
        return self.fault.name

    def fires(self) -> bool:
        """Whether this call is spoiled; counts the call either way."""
        if self.skip:
            self.skip -= 1
            return False
        if self.chance() >= self.share:
            return False
        if self.left is None:
            return True
        if self.left == 0:
            return False
        self.left -= 1
        return True


def marked(prompt: str) -> list[Armed]:
    """
    The faults written in a prompt as `[[fault:NAME]]`, `[[fault:NAME=VALUE]]`, `[[fault:NAME*TIMES]]`.

    Unknown names are ignored, as any other words of a prompt.
    """
    found = []
    for name, value, times in _MARKER.findall(prompt):
        fault = FAULTS.get(name)
        if fault:
            found.append(Armed(fault, value or None, int(times) if times else fault.times, fault.skip))
    return found


class Faults:
    """What is armed at the moment: the next-N-calls script, and counters of markers seen on submit."""

    def __init__(self, chance: Callable[[], float] = lambda: 0.0) -> None:
        self._chance = chance
        self._script: list[Armed] = []
        self._prompts: dict[str, list[Armed]] = {}

    def script(self, name: str, *, times: int | None = 1, value: str | None = None, share: float = 1.0) -> None:
        """
        Spoil the next `times` calls of the fault's stage, whoever makes them; None spoils all. With a `share` only
        that part of them, by chance.

        Raises:
            KeyError: no fault has that name.
        """
        self._script.append(Armed(FAULTS[name], value, times, FAULTS[name].skip, share, self._chance))

    def calm(self) -> None:
        """Forget the script; what prompts carry stays."""
        self._script.clear()

    def reset(self) -> None:
        """Forget everything that is armed."""
        self._script.clear()
        self._prompts.clear()

    def before_reading(self, first_bytes: bytes) -> Armed | None:
        """The fault that strikes a submit whose body has only begun to arrive."""
        for armed in self._script:
            if armed.fault.unread and armed.fires():
                return armed
        if b"[[fault:" not in first_bytes:
            return None
        text = first_bytes.decode("utf-8", "replace")
        return self._next(self._of_prompt(text, marked(text)), "submit", unread=True)

    def on_submit(self, prompt: str) -> Armed | None:
        """The fault that strikes a submit whose body was read."""
        return self._next(self._of_prompt(prompt, marked(prompt)), "submit") or self._next(self._script, "submit")

    def riding(self, prompt: str) -> list[Armed]:
        """The faults a task carries with it from now on: its outcome, its polls, its deliveries."""
        carried = [armed for armed in marked(prompt) if armed.fault.stage != "submit"]
        scripted = self._next(self._script, "task")
        return [*carried, scripted] if scripted else carried

    def take(self, stage: Stage, carried: Iterable[Armed]) -> Armed | None:
        """The fault that strikes this call: one the task carries, else the script's next."""
        return self._next(carried, stage) or self._next(self._script, stage)

    def _next(self, candidates: Iterable[Armed], stage: Stage, *, unread: bool = False) -> Armed | None:
        for armed in candidates:
            if armed.fault.stage == stage and armed.fault.unread == unread and armed.fires():
                return armed
        return None

    def _of_prompt(self, prompt: str, fresh: list[Armed]) -> list[Armed]:
        """Markers that stop after N submits need one memory per prompt, not per request."""
        return self._prompts.setdefault(prompt, fresh) if fresh else fresh
