"""One job: up to ten submissions of the same request, and everybody who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from gateway.domain.blob import Blob
from gateway.domain.errors import GatewayError, InternalError, Paid, ShuttingDown
from gateway.stores.contract import Found, JobRecord, Made

Result = Made | GatewayError


class Job:
    """
    State of a job while somebody may ask for it; owned by the supervisor.

    `results` fill in as submissions end. `waiters` is how many requests want the answer.
    """

    def __init__(self, record: JobRecord, inputs: Sequence[Blob] = ()) -> None:
        self.record = record
        self.results: list[Result | None] = [None] * record.n
        self.waiters = 0
        self.intended = False
        self.steps: dict[str, float] = {}
        self._inputs = tuple(inputs)
        self._needed = set(range(record.n))
        self._tasks: list[asyncio.Task[None]] = []
        self._accepted = asyncio.Event()
        self._changed = asyncio.Event()

    @classmethod
    def over(cls, found: Found) -> Job:
        """A job that has ended, from its ledger rows."""
        job = cls(found.job)
        for index, row in found.rows.items():
            job.results[index] = row.error or row.made
        job.intended = True
        job._accepted.set()
        return job

    @property
    def finished(self) -> bool:
        return all(result is not None for result in self.results)

    @property
    def paid(self) -> Paid:
        """What an answer given now has to say about money."""
        return Paid.MAYBE if self.intended else Paid.NO

    async def run(self, works: Sequence[Callable[[], Awaitable[Made]]], crashed: Callable[[Exception], None]) -> None:
        """Run every submission to its end. A cancelled job has none."""
        self._tasks = [
            asyncio.create_task(self._one(index, work, crashed), name=f"{self.record.id}/{index}")
            for index, work in enumerate(works)
        ]
        try:
            await asyncio.wait(self._tasks)
        finally:
            self.drop_inputs()

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def intend(self) -> None:
        """From here on money may be spent, so the job goes on without its client."""
        self.intended = True

    def accepted(self, index: int) -> None:
        """The vendor has taken this submission; with the last one the upload is no longer needed."""
        self._accepted.set()
        self._needed.discard(index)
        if not self._needed:
            self.drop_inputs()

    def drop_inputs(self) -> None:
        inputs, self._inputs = self._inputs, ()
        for blob in inputs:
            blob.release()

    def spent(self, step: str, seconds: float) -> None:
        """The slowest submission is the one the client waited for."""
        self.steps[step] = max(self.steps.get(step, 0.0), seconds)

    async def until_accepted(self) -> None:
        """Return when the first submission was accepted, or has ended."""
        await self._accepted.wait()

    async def until_finished(self) -> None:
        async for _ in self.ends():
            pass

    async def ends(self) -> AsyncIterator[tuple[int, Result]]:
        """Each submission's index and result as it ends, those already ended first."""
        told: set[int] = set()
        while True:
            for index, result in enumerate(self.results):
                if result is not None and index not in told:
                    told.add(index)
                    yield index, result
            if len(told) == len(self.results):
                return
            changed = self._changed
            if all(result is None or index in told for index, result in enumerate(self.results)):
                await changed.wait()

    async def _one(
        self, index: int, work: Callable[[], Awaitable[Made]], crashed: Callable[[Exception], None]
    ) -> None:
        result: Result
        try:
            result = await work()
        except GatewayError as error:
            result = error
        except asyncio.CancelledError:
            result = ShuttingDown("The gateway is shutting down. Send the request again.", paid=self.paid)
        except Exception as error:  # noqa: BLE001 - a bug must not leave a client waiting, nor invite a resend
            crashed(error)
            result = InternalError(
                "The gateway failed while working on the job; it may have been charged.", paid=self.paid
            )
        self.results[index] = result
        self._accepted.set()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
