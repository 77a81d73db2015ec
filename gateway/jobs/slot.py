"""The slot of one submission: waited for in the queue, held while its task may run, given up once."""

from __future__ import annotations

from gateway.domain.caller import Caller
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform


class Slot:
    """`id` is the submission's, `who` its caller."""

    def __init__(self, tools: Tools, platform: Platform, model: str, id: str, who: Caller) -> None:
        self._tools, self._account, self._id = tools, platform.account, id
        self._model, self._who = model, who
        self._active = tools.metrics.submissions_active(platform.name, model)
        self.held = self._lost = False

    async def adopt(self) -> None:
        """The task runs already: it has its slot, whatever the ceilings say."""
        await self._tools.queue.adopt(self._account, self._model, self._id)
        self.held = True
        self._active.inc()

    async def take(self, *, first: bool) -> None:
        """
        Wait for it. `first`: it was in the line before.

        Noted by whoever gets the turn: if it is cut off in the next moment, the slot is known to be held.
        """
        caller, weight = self._who.id, self._who.weight
        await self._tools.queue.turn(self._account, self._model, caller, self._id, weight=weight, first=first)
        self.held = True
        self._active.inc()

    def release(self) -> None:
        """The task has ended, or there never was one."""
        self._tools.queue.expect_no_more(self._account, self._id)
        if self._give_up():
            self._tools.queue.release(self._account, self._id)

    def accepted(self, late_in_s: float) -> None:
        """The vendor took the submission; practically all such tasks have ended `late_in_s` seconds from now."""
        self._tools.queue.accepted(self._account, self._id, late_in_s)

    def silent(self, silent: bool) -> None:
        """Whether the vendor has said nothing of use about the task for long."""
        self._tools.queue.silent(self._account, self._id, silent=silent)

    def lost(self, for_s: float) -> None:
        """Nobody knows whether the task runs; it is over after `for_s` seconds if it does. Not awaited."""
        if self._give_up():
            self._lost = True
            self._tools.queue.lost(self._account, self._id, for_s)

    async def found(self, late_in_s: float) -> None:
        """Where it was lost, it is known now that its task runs; it is past its age `late_in_s` seconds from now."""
        if self._lost:
            self._lost = False
            await self.adopt()
            self.accepted(late_in_s)

    def gone(self) -> None:
        """Where it was lost, it is known now that no task runs."""
        if self._lost:
            self._lost = False
            self._tools.queue.release(self._account, self._id)

    def pushed_back(self, retry_after_s: float | None) -> None:
        """The vendor said 429."""
        self._give_up()
        self._tools.queue.pushed_back(self._account, self._id, retry_after_s)

    def _give_up(self) -> bool:
        """True for the one who has to give it back."""
        held, self.held = self.held, False
        if held:
            self._active.dec()
        return held
