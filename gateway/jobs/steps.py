"""How long the steps of a submission take: for its client, and for the metrics."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from gateway.jobs.job import Job
from gateway.jobs.tools import Tools

T = TypeVar("T")


class Steps:
    """Of one submission of a job."""

    def __init__(self, tools: Tools, job: Job, index: int) -> None:
        self._tools, self._job, self._index = tools, job, index

    async def __call__(self, word: str, work: Awaitable[T]) -> T:
        """The work's result, its time noted as that of the step `word`."""
        clock, record = self._tools.clock, self._job.record
        self._job.step_begins(self._index, word, clock.now())
        try:
            return await work
        finally:
            seconds = self._job.step_ends(self._index, word, clock.now())
            self._tools.metrics.step_duration(word, record.platform, record.model).observe(seconds)
