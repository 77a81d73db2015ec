"""
How far one account's call-backs are relied on.

They are proven by coming before a poll has found the end, several times in a row, and one that does not ends that at
once. While they are relied on polls come a little later, and some tasks are polled as if there were no calls, so that
calls that have become slow are noticed as well as missing ones.
"""

from __future__ import annotations

import structlog

from gateway.telemetry.catalogue import Catalogue

log = structlog.get_logger("gateway.jobs")

# So many in a row that came first prove that calls come; so many missing in a row are told as silence.
PROVEN, SILENT = 3, 3
# How much later a poll is sent while a call is relied on, which is all that a missing call may cost.
THIN_S = 2.0
# One in so many tasks is polled at the learned pace all the same.
CHECKED_EVERY = 8
# A call is late when a poll was first, and missing when it has not come so long after that.
LATE_S = 5.0


class Trust:
    """That in one account; `name` is the platform's."""

    def __init__(self, name: str, metrics: Catalogue) -> None:
        self._name, self._metrics = name, metrics
        self._in_row = self._missing = self._tasks = 0

    def thin_s(self) -> float:
        """Asked once for each task: how many seconds later than the pace says it is to be polled."""
        self._tasks += 1
        return THIN_S if self.proven and self._tasks % CHECKED_EVERY else 0.0

    @property
    def proven(self) -> bool:
        return self._in_row >= PROVEN

    def in_time(self) -> None:
        """A call told of an end that no poll had found."""
        self._in_row += 1
        self._came("in_time")

    def overtaken(self) -> None:
        """A poll has found the end of a task, and no call has told of it yet."""
        self._in_row = 0

    def late(self) -> None:
        """The call came after that."""
        self._came("late")

    def missing(self) -> None:
        """It did not come."""
        self._missing += 1
        self._metrics.webhooks(self._name, "missing").inc()
        if self._missing == SILENT:
            log.warning("webhook silent", platform=self._name, tasks=SILENT)

    def _came(self, outcome: str) -> None:
        self._metrics.webhooks(self._name, outcome).inc()
        if self._missing >= SILENT:
            log.info("webhook calls again", platform=self._name)
        self._missing = 0
