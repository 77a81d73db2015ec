"""One job: up to ten submissions of the same request, and everybody who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from math import inf

from gateway.domain.blob import Blob
from gateway.domain.errors import GatewayError, HandedOver, InternalError, Moderated, Paid, QueueFull, ShuttingDown
from gateway.jobs.clock import Clock
from gateway.stores.contract import Found, JobRecord, Made

Result = Made | GatewayError
Work = Callable[[], Awaitable[Made]]


class Job:
    """
    State of a job while somebody may ask for it; owned by the supervisor.

    `results` fill in as submissions end. `waiters` is how many requests want the answer; `delivered` when one has it
    all; `taken` when the vendor has accepted a submission, so that nobody else may be asked for it; `cancelled` when it
    is about to end without a result, `handed_over` when another process will have it.
    """

    def __init__(self, record: JobRecord, inputs: Sequence[Blob] = ()) -> None:
        self.record = record
        self.results: list[Result | None] = [None] * record.n
        self.waiters = 0
        self.delivered = self.taken = self.cancelled = self.handed_over = False
        self._steps: dict[str, float] = {}
        self._open_steps: dict[tuple[int, str], float] = {}
        self._inputs = tuple(inputs)
        self._needed = set(range(record.n))
        self._at_stake: set[int] = set()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sending: set[int] = set()
        self._ready: dict[int, float] = {}
        self._silent: dict[int, tuple[float, float]] = {}
        self._accepted = asyncio.Event()
        self._changed = asyncio.Event()
        self._wanted = asyncio.Event()

    @classmethod
    def of(cls, found: Found) -> Job:
        """A job of before, from its ledger rows. A submission without a row was never intended."""
        job = cls(found.job)
        for index in range(found.job.n):
            if index not in found.open:
                row = found.rows.get(index)
                result = row and (row.error or row.made)
                job.results[index] = result or QueueFull(
                    "This picture was never submitted; nothing was charged for it."
                )
        job._needed.clear()
        job._at_stake = set(found.rows)
        job.taken = True
        job._accepted.set()
        return job

    @property
    def finished(self) -> bool:
        return all(result is not None for result in self.results)

    @property
    def void(self) -> bool:
        """True when it has ended as if it had never been: nothing made, nothing refused, nothing charged."""
        return not self.intended and all(
            isinstance(result, GatewayError) and result.paid is Paid.NO and not isinstance(result, Moderated)
            for result in self.results
        )

    @property
    def intended(self) -> bool:
        """True while money may have been spent: then the job goes on without its client."""
        return bool(self._at_stake)

    @property
    def paid(self) -> Paid:
        """What an answer given now has to say about money."""
        return Paid.MAYBE if self.intended else Paid.NO

    def begin(self, works: Mapping[int, Work], crashed: Callable[[Exception], None]) -> None:
        """Start the submissions that are not over, by index; `crashed` is told of bugs."""
        self._tasks = {
            index: asyncio.create_task(self._one(index, work, crashed), name=f"{self.record.id}/{index}")
            for index, work in works.items()
        }

    async def until_over(self) -> None:
        """Return when every submission has ended, however it did."""
        await asyncio.wait(self._tasks.values())
        for index, result in enumerate(self.results):
            if result is None:  # cancelled before its first step
                self._end(index, self._cut())
        self._drop_inputs()

    def cancel(self) -> None:
        self.cancelled = True
        for task in self._tasks.values():
            task.cancel()

    def hand_over(self) -> None:
        """
        End here, for another process to go on by the ledger. What is being sent just now is let go once the answer is
        written down: without it nobody could go on.
        """
        self.cancelled = self.handed_over = True
        for index in self._tasks.keys() - self._sending:
            self._tasks[index].cancel()

    def cancel_if_free(self) -> None:
        """End a job that nobody waits for, if that costs nothing."""
        if not self.waiters and not self.intended:
            self.cancel()

    # What submissions tell.

    def intend(self, index: int) -> None:
        """From here on money may be spent on this submission."""
        self._at_stake.add(index)

    def at_stake(self, index: int) -> bool:
        """True while money may have been spent on this submission."""
        return index in self._at_stake

    def unpaid(self, index: int) -> None:
        """The vendor has certainly not taken this submission, so far."""
        self.heard(index)
        self._at_stake.discard(index)
        self.cancel_if_free()

    def sends(self, index: int) -> None:
        """From here until `sent` the vendor's answer is on its way."""
        self._sending.add(index)

    def sent(self, index: int) -> None:
        """There is an answer and it is written down, or none will come."""
        self._sending.discard(index)
        if self.handed_over and index in self._tasks:
            self._tasks[index].cancel()

    def accepted(self, index: int) -> None:
        """The vendor has taken this submission; with the last one the upload is no longer needed."""
        self.heard(index)
        self.taken = True
        self._accepted.set()
        self._needed.discard(index)
        if not self._needed:
            self._drop_inputs()

    def collects(self, index: int, now: float) -> None:
        """The task of this submission is over, and its picture is being fetched; `now` is monotonic."""
        self._ready[index] = now
        self.heard(index)
        self._tell()

    def silent(self, index: int, now: float, patience_s: float) -> None:
        """
        The vendor has said nothing of use about this submission for `patience_s`, which whoever comes now waits as
        well; `now` is monotonic.
        """
        self._silent.setdefault(index, (now, patience_s))
        self._accepted.set()
        self._tell()

    def heard(self, index: int) -> None:
        """The vendor answers again."""
        self._silent.pop(index, None)

    def step_begins(self, index: int, step: str, now: float) -> None:
        self._open_steps[index, step] = now

    def step_ends(self, index: int, step: str, now: float) -> float:
        """Returns the seconds it took."""
        seconds = now - self._open_steps.pop((index, step))
        self._steps[step] = max(self._steps.get(step, 0.0), seconds)
        return seconds

    # What waiters ask.

    def steps(self, now: float) -> dict[str, float]:
        """Seconds by step so far; the slowest submission is the one the client waited for. `now` is monotonic."""
        found = dict(self._steps)
        for (_, step), began in self._open_steps.items():
            found[step] = max(found.get(step, 0.0), now - began)
        return found

    async def until_accepted(self) -> None:
        """
        Return when the first submission was accepted, or all have ended: only then is it known whether another platform
        may be tried, see `fallback`. Also when the vendor keeps silent.
        """
        await self._accepted.wait()

    @property
    def collecting(self) -> bool:
        """True when nothing is missing but pictures that have been made."""
        return not self.finished and all(index in self._ready for index in self._missing)

    @property
    def unanswered(self) -> bool:
        """True when the vendor keeps silent about something that is missing."""
        return not self._silent.keys().isdisjoint(self._missing)

    async def until_answerable(self, clock: Clock, collect_within_s: float, came: float) -> None:
        """
        Return when every submission has ended, or nothing is missing but what has had its time: pictures whose host had
        so much since they were ready and since this waiter `came`, and a vendor that keeps silent.
        """
        while not self.finished:
            changed = self._changed
            overdue = max(self._overdue(index, came, collect_within_s) for index in self._missing)
            if overdue <= clock.now():
                return
            with suppress(TimeoutError):
                await (changed.wait() if overdue == inf else clock.within(overdue - clock.now(), changed.wait()))

    def join(self) -> None:
        """One more waits."""
        self.waiters += 1
        self._wanted.set()

    async def pause(self, clock: Clock, seconds: float, wanted_s: float) -> None:
        """Sleep; `wanted_s` only if somebody waits or begins to meanwhile."""
        began = clock.now()
        if not self.waiters:
            self._wanted.clear()
            try:
                await clock.within(seconds, self._wanted.wait())
            except TimeoutError:
                return
        if (left := began + wanted_s - clock.now()) > 0:
            await clock.sleep(left)

    async def until_finished(self) -> None:
        async for _ in self.ends():
            pass

    async def ends(self) -> AsyncIterator[tuple[int, Result]]:
        """Each submission's index and result as it ends, those already ended first."""
        told: set[int] = set()
        while True:
            changed = self._changed
            for index, result in enumerate(self.results):
                if result is not None and index not in told:
                    told.add(index)
                    yield index, result
            if len(told) == len(self.results):
                return
            # Whoever was told the last result may have been away for long: ends since then have set this event.
            await changed.wait()

    async def _one(self, index: int, work: Work, crashed: Callable[[Exception], None]) -> None:
        try:
            self._end(index, await work())
        except GatewayError as error:
            self._end(index, error)
        except asyncio.CancelledError:
            self._end(index, self._cut())
        except Exception as error:  # noqa: BLE001 - a bug must not leave a client waiting, nor invite a resend
            crashed(error)
            self._end(index, broken(self.paid))

    def _end(self, index: int, result: Result) -> None:
        if isinstance(result, GatewayError):
            # Kept and told again: the frames it was raised in, with all they hold, are not.
            result.__traceback__ = result.__cause__ = result.__context__ = None
            if result.paid is Paid.NO:
                self._at_stake.discard(index)
        self.results[index] = result
        self._needed.discard(index)
        if not self._needed:
            self._drop_inputs()
        if self.finished:
            self._accepted.set()
        self._tell()

    def _overdue(self, index: int, came: float, collect_within_s: float) -> float:
        if index in self._ready:
            return max(came, self._ready[index]) + collect_within_s
        since, patience_s = self._silent.get(index, (inf, 0.0))
        return max(since, came + patience_s)

    @property
    def _missing(self) -> list[int]:
        return [index for index, result in enumerate(self.results) if result is None]

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _cut(self) -> GatewayError:
        if self.intended and self.handed_over:
            text = "The gateway shuts down and the job goes on in the next process: send the same request again."
            return HandedOver(text, paid=Paid.MAYBE)
        if self.intended:
            text = "The gateway shut down while the job ran. It may have been charged, and is not sent again by itself."
            return ShuttingDown(text, paid=Paid.MAYBE)
        return ShuttingDown("The gateway is shutting down. Send the request again.", retry_after_s=5)

    def _drop_inputs(self) -> None:
        inputs, self._inputs = self._inputs, ()
        for blob in inputs:
            blob.release()


def broken(paid: Paid) -> InternalError:
    """What a bug in the middle of a job is called."""
    return InternalError("The gateway failed while working on the job; it may have been charged.", paid=paid)


def worst(errors: Sequence[GatewayError]) -> GatewayError:
    """
    The error that tells the client most: what may have been paid before what was refused before the rest.

    A copy: raising gathers frames, and the original is kept to be told again.
    """
    found = max(errors, key=lambda e: (e.paid is not Paid.NO, e.code == "moderation_blocked", not e.hopeful))
    again = type(found).__new__(type(found), *found.args)
    again.__dict__.update(found.__dict__)
    return again
