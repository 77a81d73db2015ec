"""
How many submissions a vendor bears at a time, learned from its own refusals.

A 429 costs nothing and is the truth about an account, which others may share. So the limit is a window as TCP's is,
over submissions under way in place of bytes:

- What the vendor has lately borne is the *level*; below it everything goes. A submission beyond it is a probe.
- A refusal, one for all that set out before it was heard, lowers the level to what is under way, cuts the threshold by
  the ratio `BETA` and pauses probes. When nothing was accepted since the one before, and it was no probe, the trouble
  is another than a full account, and everything is paused.
- Each pause ends by a timer, never by feedback, with one probe beyond what is under way: a window that only feedback
  opens stays closed when there is no feedback left (TCP's persist timer, RFC 9293 section 3.8.6.1). Pauses double while
  probes fail, up to `PAUSE_LONGEST_S`, whatever `Retry-After` asks for.
- An accepted probe raises the level. Below the threshold the number of probes side by side doubles with each round
  that was accepted (slow start, RFC 5681 section 3.1); above it they go one at a time. The threshold grows with the
  quiet time since the last refusal, by CUBIC's curve (RFC 9438 section 4.2; the constants are those of botocore's
  adaptive retries too): it is back where it was cut after `k` seconds, and well beyond soon after.

Pure: time is an argument, in seconds. The operator's own ceiling is kept elsewhere, by the slots.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto

BETA, CUBIC = 0.7, 0.4
# With its jitter the longest pause, and so the time for which a refusal can outlive its cause, stays below 13 s.
PAUSE_S, PAUSE_LONGEST_S, JITTER = 2.0, 10.0, 0.25
# A probe that is not answered by then no longer keeps the next one from going.
PROBE_S = 10.0
# While somebody waits there is an answer at least so often, so an older refusal says nothing about now.
LATELY_S = PAUSE_LONGEST_S * (1 + JITTER) + PROBE_S


class Step(Enum):
    """How far a submission is, as far as the limit is concerned."""

    SENT = auto()
    ACCEPTED = auto()
    UNCOUNTED = auto()


@dataclass(slots=True)
class _Submission:
    sent_at: float
    step: Step


class ConcurrencyLimit:
    """
    One account's, or that of one model with a ceiling of its own. `ceiling` is what the operator believes, and where
    the level begins.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = self.level = ceiling
        """`level` is how many under way the vendor has lately borne."""
        self._under_way: dict[str, _Submission] = {}
        self._steps = Counter[Step]()
        self._probes: dict[str, float] = {}
        self._width, self._passed = 1, 0
        self._pause_s = 0.0
        self._paused_until: float | None = None
        self._probe_at = 0.0
        self._refused_at: float | None = None
        self._accepted_since = True
        self._still_since: float | None = None
        # CUBIC's curve: its plateau, and how long after the refusal it is reached.
        self._plateau, self._k_s = float(ceiling), 0.0

    def __len__(self) -> int:
        """How many are under way, those included whose answer was lost and those past their age."""
        return len(self._under_way)

    @property
    def working(self) -> int:
        """How many of them the vendor has taken, and may end at any moment."""
        return self._steps[Step.ACCEPTED]

    def configure(self, ceiling: int) -> None:
        """Another ceiling from now on. What refusals have taught is kept; a level that never met one follows it."""
        if self._refused_at is None:
            self.level = ceiling
        self.level, self.ceiling = min(self.level, ceiling), ceiling

    def opens_at(self, now: float) -> float:
        """When the next submission may go: not later than `now` if it may already."""
        if self._paused_until is not None:
            if now < self._paused_until:
                return self._paused_until
            # Nothing is taken for granted after a pause: the first to go is a probe.
            self._paused_until, self.level = None, min(self.level, len(self))
        if len(self) < self.level:
            return now
        out = sorted(sent_at + PROBE_S for sent_at in self._probes.values() if now < sent_at + PROBE_S)
        return self._probe_at if len(out) < self._width else max(self._probe_at, out[len(out) - self._width])

    def sent(self, submission: str, now: float) -> None:
        """It is on its way to the vendor."""
        if len(self) >= self.level:
            self._probes[submission] = now
        self._put(submission, now, Step.SENT)

    def adopted(self, submission: str, now: float) -> None:
        """The vendor took it before this process began."""
        self._put(submission, now, Step.ACCEPTED)

    def accepted(self, submission: str, now: float) -> None:
        """The vendor took it."""
        found, probe = self._under_way.get(submission), self._probes.pop(submission, None) is not None
        if found is None or found.step is not Step.SENT:
            return
        self._put(submission, found.sent_at, Step.ACCEPTED)
        self._still_since = None
        self.level = max(self.level, self._steps[Step.ACCEPTED] + self._steps[Step.UNCOUNTED])
        if self._refused_at is not None and found.sent_at <= self._refused_at:
            return
        self._accepted_since = True
        if probe:
            self._pause_s, self._passed = self._pause_s / 2, self._passed + 1
            if self._passed >= self._width:
                self._passed, self._width = 0, 2 * self._width if self.level < self.threshold(now) else 1

    def uncounted(self, submission: str) -> None:
        """
        Nobody knows whether its task runs: its answer was lost, or it is past its age. It stays under way until
        `ended`, and others may take its place as long as the vendor says yes.
        """
        self._probes.pop(submission, None)
        if (found := self._under_way.get(submission)) is not None:
            self._put(submission, found.sent_at, Step.UNCOUNTED)

    def ended(self, submission: str) -> None:
        """Its task is over, or there never was one."""
        self._probes.pop(submission, None)
        if (found := self._under_way.pop(submission, None)) is not None:
            self._steps[found.step] -= 1

    def refused(self, submission: str, now: float, retry_after_s: float | None = None, chance: float = 0.0) -> None:
        """The vendor said 429. `chance` is 0 ≤ x < 1, for jitter."""
        found, probe = self._under_way.get(submission), submission in self._probes
        level, threshold = self.level, self.threshold(now)
        self.ended(submission)
        self.level = min(level, len(self))
        if found is None or (self._refused_at is not None and found.sent_at <= self._refused_at):
            return  # one refusal for all that set out before it was heard
        borne, self._accepted_since = self._accepted_since, False
        if self._still_since is None or now - (self._refused_at or now) > LATELY_S:
            self._still_since = now
        self._refused_at, self._width, self._passed = now, 1, 0
        self._pause_s = min(PAUSE_LONGEST_S, max(PAUSE_S, 2 * self._pause_s, retry_after_s or 0.0))
        self._probe_at = now + self._pause_s * (1 + JITTER * chance)
        if not borne and not probe:
            self._paused_until = self._probe_at
        self._plateau = max(1.0, float(level) if borne else threshold)
        self._k_s = ((1 - BETA) * self._plateau / CUBIC) ** (1 / 3)

    def threshold(self, now: float) -> float:
        """Up to here the level may be raised by several at a time."""
        most = float(self.ceiling + self._steps[Step.UNCOUNTED])
        if self._refused_at is None:
            return most
        return min(max(1.0, self._plateau + CUBIC * (now - self._refused_at - self._k_s) ** 3), most)

    def expected(self, now: float) -> int:
        """How many will probably run side by side before long, for estimates of waiting."""
        return max(1, min(self.ceiling, max(self.level, int(self.threshold(now)))))

    def paused_s(self, now: float) -> float:
        """How long nothing goes yet, in seconds."""
        return 0.0 if self._paused_until is None else max(0.0, self._paused_until - now)

    def still_s(self, now: float) -> float:
        """For how long nothing but refusals has come, in seconds; 0 when there was none lately."""
        if self._still_since is None or self._refused_at is None or now - self._refused_at > LATELY_S:
            return 0.0
        return self._refused_at - self._still_since

    def _put(self, submission: str, sent_at: float, step: Step) -> None:
        if (before := self._under_way.get(submission)) is not None:
            self._steps[before.step] -= 1
        self._under_way[submission] = _Submission(sent_at, step)
        self._steps[step] += 1
