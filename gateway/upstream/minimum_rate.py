"""How slowly an answer may come before it is given up."""

from __future__ import annotations


class TooSlowly(TimeoutError):
    """Bytes come, and so few that the whole would not be there in time."""


class MinimumRate:
    """
    Looked at once a window, in which `least` bytes have to come. Time in which nobody reads does not count against the
    sender.
    """

    def __init__(self, least: int) -> None:
        self._least, self._came, self._reading = least, 0, True

    def came(self, count: int) -> None:
        """So many bytes were read, and are being worked on."""
        self._came += count
        self._reading = False

    def reads_on(self) -> None:
        self._reading = True

    def look(self) -> TooSlowly | None:
        """The window is over: an error when too little came in it."""
        came, self._came = self._came, 0
        return TooSlowly(f"{came} bytes") if self._reading and came < self._least else None
