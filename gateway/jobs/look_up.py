"""Finding the job that a request is to join, among those in hand and those that the ledger remembers."""

from __future__ import annotations

from gateway.jobs import join
from gateway.jobs.job import Job
from gateway.jobs.order import Order
from gateway.jobs.tools import Tools
from gateway.stores.contract import Found


class LookUp:
    """
    `live` are the jobs in hand, by id: the supervisor's own, which takes in what is found. `put_down` counts those
    that left.
    """

    def __init__(self, tools: Tools, live: dict[str, Job]) -> None:
        self._tools, self._live = tools, live
        self.put_down = 0

    async def find(self, order: Order) -> tuple[Job, str] | None:
        """The job and why: `key`, `orphan` or `resend`. Raises: KeyReused, PlatformUnavailable."""
        if (found := join.live(self._live.values(), order)) is not None:
            return found
        here_s = self._tools.clock.now() - order.began
        rows = [row for row in await self._remembered(order) if row.job.id not in self._live]
        for row, how in join.ended(rows, order, here_s):
            if await self._kept(row):
                return self._live.setdefault(row.job.id, Job.of(row)), how
        return None

    async def by_id(self, id: str) -> Job | None:
        """In hand or remembered; of one that somebody else goes on with, how far it is."""
        if (job := self._live.get(id)) is not None:
            return job
        found = await self._tools.ledger.get(id)
        if found is None or id in self._live:
            return self._live.get(id)
        return Job.of(found)

    async def _remembered(self, order: Order) -> tuple[Found, ...]:
        wanted = {"key": order.key} if order.key is not None else {"fingerprint": order.fingerprint}
        while True:
            before = self.put_down
            rows = await self._tools.ledger.find(order.caller, **wanted)
            if before == self.put_down:  # else one that ended meanwhile was read as it was before
                return rows

    async def _kept(self, found: Found) -> bool:
        """True when every picture that was made is still there."""
        for row in found.rows.values():
            if row.made is not None:
                blob = await self._tools.results.open(row.made.ref)
                if blob is None:
                    return False
                blob.release()
        return True
