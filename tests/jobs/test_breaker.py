"""A breaker as a table of what it hears, and against a plain model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.domain.blob import Link
from gateway.domain.errors import (
    AnswerLost,
    ForeignPollingHost,
    GatewayError,
    InvalidField,
    Paid,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformError,
    PlatformOutOfCredits,
    PlatformUnavailable,
)
from gateway.domain.outcome import Failed, Finished, Outcome, Refused, Stage, Ticket, Unsure, Working
from gateway.jobs.breaker import Account, Attempt, Breaker, State, Verdict
from gateway.jobs.breakers import Breakers
from gateway.jobs.settings import BreakerSettings
from gateway.upstream.session import Answered, MaybeSent, NotSent, Sent
from gateway.wire.call import Answer

WELL, FAULT, HOPELESS, NOTHING = Verdict.WELL, Verdict.FAULT, Verdict.HOPELESS, Verdict.NOTHING
CLOSED, HALF_OPEN, OPEN = State.CLOSED, State.HALF_OPEN, State.OPEN
ANSWERED = Answered(Answer(200, {}, b""))


class Stand:
    """One breaker on a clock of its own: opens after 3 faults, for 10 s and at most 60 s."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.settings = BreakerSettings(failures=3, open_for=10, longest=60)
        self.breaker = Breaker(Account("bfl"), lambda: self.settings, lambda: self.time)

    @property
    def state(self) -> State:
        return self.breaker.standing.state

    def open(self) -> None:
        """By what all others would meet as well, met twice."""
        for _ in range(2):
            self.attempt(HOPELESS)

    def attempt(self, verdict: Verdict) -> None:
        with self.breaker.attempt() as attempt:
            attempt.verdict, attempt.why = verdict, "x"

    def refused(self) -> GatewayError:
        with pytest.raises(PlatformUnavailable) as refused, self.breaker.attempt():
            raise AssertionError("it was let through")
        return refused.value


@pytest.mark.parametrize(
    ("sent", "outcome", "verdict"),
    [
        (NotSent("dns"), None, FAULT),
        (MaybeSent("reset"), None, FAULT),
        (ANSWERED, Failed(AnswerLost("502", paid=Paid.MAYBE)), FAULT),
        (ANSWERED, Failed(ForeignPollingHost("odd", paid=Paid.MAYBE)), FAULT),
        (ANSWERED, Unsure("out of order"), FAULT),
        (ANSWERED, Failed(PlatformAuthFailed("401")), HOPELESS),
        (ANSWERED, Failed(PlatformOutOfCredits("402")), HOPELESS),
        (ANSWERED, Failed(PlatformBusy("429")), NOTHING),
        (ANSWERED, Failed(InvalidField("422", param="size")), WELL),
        (ANSWERED, Failed(PlatformError("404")), WELL),
        (ANSWERED, Refused(Stage.INPUT, ()), WELL),
        (ANSWERED, Working(Ticket("t", "u", "m", "a"), "submitted"), WELL),
        (ANSWERED, Finished((Link("https://x.example"),)), WELL),
    ],
)
def test_what_an_attempt_says(sent: Sent, outcome: Outcome | None, verdict: Verdict) -> None:
    """Only what the platform is to blame for is its fault; a 429 says nothing, and any other clear answer is a sign of
    life."""
    attempt = Attempt()
    attempt.heard(sent, outcome)
    assert attempt.verdict is verdict
    assert bool(attempt.why) is (verdict is not WELL or isinstance(outcome, Failed))


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], CLOSED),
        ([FAULT, FAULT], CLOSED),
        ([FAULT, FAULT, FAULT], OPEN),
        ([FAULT, FAULT, WELL, FAULT, FAULT], CLOSED),
        ([FAULT, FAULT, NOTHING, FAULT], OPEN),
        ([NOTHING] * 20, CLOSED),
        ([HOPELESS], CLOSED),
        ([HOPELESS, WELL, HOPELESS], CLOSED),
        ([WELL, HOPELESS, HOPELESS], OPEN),
    ],
)
def test_opening(verdicts: Sequence[Verdict], state: State) -> None:
    """After so many faults in a row, or one that all others would meet as well."""
    stand = Stand()
    for verdict in verdicts:
        stand.attempt(verdict)
    assert stand.state is state


@pytest.mark.parametrize(
    ("faults", "text"),
    [(0, "closed"), (1, "closed, after one fault (x)"), (2, "closed, after 2 faults in a row (x)")],
)
def test_closed_says_what_was_seen(faults: int, text: str) -> None:
    stand = Stand()
    for _ in range(faults):
        stand.attempt(FAULT)
    assert str(stand.breaker.standing) == text


def test_open_is_unpaid_and_says_when() -> None:
    """Nothing is sent; whoever asks hears how long it will be."""
    stand = Stand()
    stand.open()
    stand.time += 3.0
    told = stand.refused()
    assert (told.paid, told.retry_after_s, told.hopeful) == (Paid.NO, 7.0, True)
    assert str(stand.breaker.standing) == "open for another 7 s; last fault: x"


@pytest.mark.parametrize(
    ("verdict", "state", "next_open_s"),
    [(WELL, CLOSED, 10.0), (FAULT, OPEN, 20.0), (HOPELESS, OPEN, 20.0), (NOTHING, HALF_OPEN, None)],
)
def test_a_probe_decides(verdict: Verdict, state: State, next_open_s: float | None) -> None:
    """One at a time: meanwhile all others are refused. A probe without a verdict leaves the next one to be it."""
    stand = Stand()
    stand.open()
    stand.time += 10.0
    assert stand.state is HALF_OPEN
    stand.breaker.check()
    with stand.breaker.attempt() as attempt:
        assert stand.refused().retry_after_s == 10.0
        attempt.verdict = verdict
    assert stand.state is state
    if next_open_s is None:
        stand.attempt(WELL)
        assert stand.state is CLOSED
        return
    if state is CLOSED:
        stand.open()
    assert stand.breaker.standing.opens_in_s == next_open_s


def test_a_probe_that_breaks_off() -> None:
    """Cancelled, or a bug: the breaker is not stuck."""
    stand = Stand()
    stand.open()
    stand.time += 10.0
    with pytest.raises(ZeroDivisionError), stand.breaker.attempt():
        raise ZeroDivisionError
    assert stand.state is HALF_OPEN
    stand.attempt(WELL)
    assert stand.state is CLOSED


def test_pauses_double_up_to_the_longest() -> None:
    """And begin anew after a success."""
    stand, pauses = Stand(), []
    stand.open()
    for _ in range(5):
        pauses.append(stand.breaker.standing.opens_in_s)
        stand.time += pauses[-1]
        stand.attempt(FAULT)
    assert pauses == [10, 20, 40, 60, 60]


def test_what_set_out_before_says_nothing_after() -> None:
    """Twenty that were on their way when it opened neither close it nor lengthen the pause."""
    stand = Stand()
    with ExitStack() as together:
        attempts = [together.enter_context(stand.breaker.attempt()) for _ in range(20)]
        for attempt in attempts:
            attempt.verdict = FAULT
        attempts[0].verdict = WELL  # the last to leave
    assert stand.state is OPEN and stand.breaker.standing.opens_in_s == 10.0
    assert stand.breaker.standing.faults == 3


def test_accounts_are_apart() -> None:
    """One breaker each, told once, and all to be seen."""
    told: list[tuple[str, str]] = []
    opened: list[tuple[str, str]] = []
    breakers = Breakers(
        BreakerSettings(failures=1),
        lambda: 0.0,
        watch=lambda account, model, _breaker: told.append((account, model)),
        opened=lambda account, model: opened.append((account, model)),
    )
    with breakers.of("one", "m").attempt() as attempt:
        attempt.verdict = FAULT
    breakers.of("one", "other").check()
    breakers.of("two").check()
    assert {pair: found.state for pair, found in breakers.states().items()} == {
        ("one", "m"): OPEN,
        ("one", "other"): CLOSED,
        ("two", ""): CLOSED,
    }
    assert told == [("one", "m"), ("one", "other"), ("two", "")] and opened == [("one", "m")]
    breakers.configure(BreakerSettings(failures=2))
    with breakers.of("two").attempt() as attempt:
        attempt.verdict = FAULT
    assert breakers.states()["two", ""].state is CLOSED
    assert breakers.told()["one"].startswith("m: open for another")
    assert breakers.told()["two"].startswith("closed, after one fault (")


CAUSES: list[type[GatewayError]] = [PlatformOutOfCredits, PlatformAuthFailed, PlatformUnavailable]


@pytest.mark.parametrize("cause", CAUSES)
def test_a_shut_account(cause: type[GatewayError]) -> None:
    """Nobody is let through, everybody hears why; what made it shut has ended with it, and nothing else has."""
    shut: list[str] = []
    breakers = Breakers(BreakerSettings(failures=1), lambda: 0.0, shut=shut.append)
    for model, error in (("a", PlatformOutOfCredits), ("b", PlatformAuthFailed), ("c", PlatformUnavailable)):
        with breakers.of("bfl", model).attempt() as attempt:
            attempt.verdict, attempt.cause = (FAULT if error is PlatformUnavailable else HOPELESS), error
    for _ in range(3):
        breakers.shut("bfl", cause, "so it says")
    assert shut == ["bfl"] and "so it says" in breakers.told()["bfl"]
    with pytest.raises(cause) as told:
        breakers.of("bfl", "well").check()
    assert told.value.paid is Paid.NO and told.value.retry_after_s and "nothing was charged" in told.value.text.lower()
    breakers.of("other").check()
    breakers.good("bfl")
    breakers.of("bfl", "well").check()
    expected = dict.fromkeys("abc", HALF_OPEN)
    if cause is not PlatformUnavailable:
        expected["ab"[CAUSES.index(cause)]] = CLOSED
    assert {model: found.state for (_, model), found in breakers.states().items() if model in expected} == expected


def test_a_stray_refusal_and_a_gated_model() -> None:
    """One refusal keeps nobody away, as the account is asked; a second one in a row keeps all from that model."""
    breakers = Breakers(BreakerSettings(open_for=5), lambda: 0.0)
    breaker = breakers.of("bfl", "gated")
    for state in (CLOSED, OPEN):
        with breaker.attempt() as attempt:
            attempt.heard(ANSWERED, Failed(PlatformAuthFailed("403")))
        breakers.good("bfl")
        assert breaker.standing.state is state
    with pytest.raises(PlatformAuthFailed) as told:
        breaker.check()
    assert "gated" in told.value.text and told.value.retry_after_s == 5.0
    breakers.of("bfl", "other").check()


def test_a_probe_that_hangs() -> None:
    """It does not keep the next one from going for longer than a moment, and says nothing any more when it ends."""
    stand = Stand()
    stand.open()
    stand.time += 10.0
    with ExitStack() as together:
        hanging = together.enter_context(stand.breaker.attempt())
        assert stand.refused()
        stand.time += 10.0
        stand.attempt(WELL)
        assert stand.state is CLOSED
        hanging.verdict = FAULT
    assert stand.state is CLOSED and stand.breaker.standing.faults == 0


@pytest.mark.parametrize(("end", "faults"), [(FAULT, 2), (NOTHING, 2), (WELL, 0)])
def test_silence_counts_before_the_end(end: Verdict, faults: int) -> None:
    """Once, whatever comes of it; an answer at last is a sign of life all the same."""
    stand, said = Stand(), {FAULT: None, NOTHING: Failed(PlatformBusy("429")), WELL: Finished(())}
    with ExitStack() as together:
        attempts = [together.enter_context(stand.breaker.attempt()) for _ in range(2)]
        for number, attempt in enumerate(attempts):
            assert stand.breaker.standing.faults == number
            attempt.unanswered()
        attempts[0].heard(MaybeSent("time-out") if end is FAULT else ANSWERED, said[end])
    assert stand.breaker.standing.faults == faults
    assert stand.state is CLOSED


def test_silence_opens() -> None:
    """Nobody has to wait for the time-outs of those that hang; what they bring later changes nothing any more."""
    stand = Stand()
    with ExitStack() as together:
        attempts = [together.enter_context(stand.breaker.attempt()) for _ in range(4)]
        for attempt in attempts[:3]:
            attempt.unanswered()
        assert "no answer" in str(stand.refused().detail)
        attempts[3].heard(ANSWERED, Finished(()))
    assert stand.state is OPEN


@pytest.mark.parametrize(
    "other", [Finished(()), Failed(PlatformBusy("429")), Failed(AnswerLost("502", paid=Paid.MAYBE))]
)
def test_silence_of_one_and_of_all(other: Outcome) -> None:
    """Whether anybody was answered since is told: any answer says that the platform speaks."""
    stand = Stand()
    stand.settings = BreakerSettings(failures=100)
    with stand.breaker.attempt() as before:
        before.heard(ANSWERED, other)
    with stand.breaker.attempt() as hanging:
        assert hanging.unanswered()
        with stand.breaker.attempt() as beside:
            beside.heard(MaybeSent("reset"), None)
        assert hanging.unanswered()
        with stand.breaker.attempt() as beside:
            beside.heard(ANSWERED, other)
        assert not hanging.unanswered()


@pytest.mark.parametrize("followed", [False, True])
def test_the_fault_of_a_probe_that_another_followed(followed: bool) -> None:
    """It is old news when it comes, and a pause after it would outlast what it tells of: the present probe decides."""
    stand = Stand()
    stand.open()
    stand.time += 10.0
    with ExitStack() as together:
        hanging = together.enter_context(stand.breaker.attempt())
        stand.time += 10.0
        if followed:
            present = together.enter_context(stand.breaker.attempt())
        stand.time += 10.0
        hanging.unanswered()
        assert stand.state is (HALF_OPEN if followed else OPEN)
        if followed:
            present.heard(ANSWERED, Finished(()))
    assert stand.state is (CLOSED if followed else OPEN)


class Weather(RuleBasedStateMachine):
    """Attempts begin and end in any order while time goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.stand = Stand()
        self.under_way: list[ExitStack] = []
        self.attempts: list[Attempt] = []
        self.opened: float | None = None

    @rule()
    def begin(self) -> None:
        stack, before = ExitStack(), self.stand.state
        refused: PlatformUnavailable | None = None
        try:
            attempt = stack.enter_context(self.stand.breaker.attempt())
        except PlatformUnavailable as error:
            refused = error
        if refused is not None:
            assert before is not CLOSED
            assert refused.retry_after_s is not None and 0 < refused.retry_after_s <= 60
            return
        assert before is not OPEN
        self.under_way.append(stack)
        self.attempts.append(attempt)

    @rule(which=st.integers(0, 30), verdict=st.sampled_from(list(Verdict)))
    def end(self, which: int, verdict: Verdict) -> None:
        if not self.under_way:
            return
        place, before = which % len(self.under_way), self.stand.state
        self.attempts.pop(place).verdict = verdict
        self.under_way.pop(place).close()
        if verdict is NOTHING:
            assert self.stand.state is before
        if before is OPEN:
            assert self.stand.state is OPEN, "only a probe closes it"

    @rule(pause=st.sampled_from([0.0, 1.0, 10.0, 60.0]))
    def wait(self, pause: float) -> None:
        self.stand.time += pause
        if pause == 60.0:
            assert self.stand.state is not OPEN

    @invariant()
    def one_probe_at_most(self) -> None:
        standing = self.stand.breaker.standing
        assert 0 <= standing.opens_in_s <= 60
        if standing.state is CLOSED:
            assert standing.faults < 3
            self.stand.breaker.check()
        if not self.under_way and standing.state is HALF_OPEN:
            self.stand.breaker.check()


Weather.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWeather = Weather.TestCase
