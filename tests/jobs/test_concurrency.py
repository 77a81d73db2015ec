"""The limit against a simulated vendor: never closed for good, few refusals, and nearly all that there is to use."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.jobs import concurrency
from gateway.jobs.concurrency import JITTER, PAUSE_LONGEST_S, ConcurrencyLimit
from tests.jobs.vendor_simulation import Crowd, Vendor

FIRST_S = 15.0
TASKS_S = (0.5, 5.0, 60.0)


def between(begin: float, end: float) -> Callable[[float], bool]:
    return lambda now: begin <= now < end


@pytest.mark.parametrize("task_s", TASKS_S)
@pytest.mark.parametrize("hidden", [1, 2, 4, 10, 23, 24, 40])
@pytest.mark.parametrize("seed", range(2))
def test_a_hidden_ceiling(hidden: int, task_s: float, seed: int) -> None:
    """
    Nine tenths at least of what somebody has who knows the ceiling; behind the first burst no refusal that was not a
    probe's, and those few.
    """

    def crowd(ceiling: int) -> Crowd:
        vendor = Vendor(ceiling=lambda _t: hidden, task_s=task_s)
        return Crowd(vendor, ceiling=ceiling, seed=seed, late_s=2.5 * task_s).run(300.0, measured_from=60.0)

    found, knowing = crowd(24), crowd(min(24, hidden))
    assert found.use >= 0.9 * knowing.use
    first_burst = max(0, 24 - hidden)
    assert len(found.refused) <= found.probes + first_burst
    if task_s >= 5:
        assert len(found.refused) <= first_burst + 300 / concurrency.PAUSE_S


@pytest.mark.parametrize("trouble_s", [1, 5, 30, 120])
@pytest.mark.parametrize("rtt_s", [0.4, 6.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_vendor_that_refuses_everything_for_a_while(trouble_s: float, rtt_s: float, seed: int) -> None:
    """Few are sent meanwhile, the first is accepted soon after, and then all goes on as if nothing had been."""
    end = 60.0 + trouble_s
    vendor = Vendor(refuses=between(60.0, end), rtt_s=rtt_s)
    found = Crowd(vendor, seed=seed).run(end + 180, measured_from=end + FIRST_S + 5 * rtt_s)
    usual = Crowd(Vendor(rtt_s=rtt_s), seed=seed).run(240.0, measured_from=60.0)
    assert found.first_after(end) <= FIRST_S + rtt_s
    assert found.use >= 0.9 * usual.use
    assert len(found.refused) <= 24 + trouble_s / 4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("vendor", "least"),
    [
        (Vendor(stuck=0.05, counts_stuck=False), 0.75),
        (Vendor(stuck=0.05), 0.85),
        (Vendor(lost=0.2), 0.7),
        (Vendor(lost=0.2, lost_taken=1.0), 0.75),
        (Vendor(ceiling=lambda now: 24 if int(now / 60) % 2 else 6), 0.75),
    ],
    ids=["stuck", "stuck and counted", "lost", "lost and taken", "others use it as well"],
)
def test_service_goes_on(vendor: Vendor, least: float, seed: int) -> None:
    """Stuck tasks, lost answers, a ceiling that others share: what can be served is."""
    found = Crowd(vendor, seed=seed).run(600.0, measured_from=30.0)
    assert found.use >= least
    assert len(found.refused) <= found.probes


@pytest.mark.parametrize("seed", range(5))
def test_a_vendor_that_hangs(seed: int) -> None:
    """It takes connections and answers nothing for a while; well again, it is used within seconds."""
    found = Crowd(Vendor(hangs=between(60.0, 110.0)), seed=seed).run(300.0, measured_from=130.0)
    assert found.first_after(110.0) <= FIRST_S
    assert found.use >= 0.8


# What may happen to a vendor, each for a while.
TROUBLES = st.lists(
    st.tuples(st.sampled_from(["refuses", "hangs", "full", "lost", "stuck"]), st.floats(0.1, 120.0)), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(troubles=TROUBLES, task_s=st.sampled_from(TASKS_S), ceiling=st.integers(1, 40), seed=st.integers(0, 1000))
def test_never_closed_for_good(troubles: list[tuple[str, float]], task_s: float, ceiling: int, seed: int) -> None:
    """Whatever happened before: the vendor is well and somebody waits, so something is submitted within 20 s."""
    ends, kinds, now = [30.0], [""], 30.0
    for kind, seconds in troubles:
        now += seconds
        ends.append(now)
        kinds.append(kind)

    def during(kind: str) -> Callable[[float], bool]:
        def happens(at: float) -> bool:
            index = bisect_right(ends, at)
            return index < len(kinds) and kinds[index] == kind

        return happens

    full, well_at = during("full"), ends[-1]
    vendor = Vendor(
        ceiling=lambda at: 0 if full(at) else 1000,
        refuses=during("refuses"),
        hangs=during("hangs"),
        task_s=task_s,
        lost=0.3 if "lost" in kinds else 0.0,
        stuck=0.2 if "stuck" in kinds else 0.0,
    )
    late_s = min(20.0, 2.5 * task_s)
    found = Crowd(vendor, ceiling=ceiling, seed=seed, late_s=late_s, timeout_s=15.0).run(well_at + 100.0)
    sent = [at for at in found.sent if at > well_at]
    gaps = [after - before for before, after in zip([well_at, *sent], [*sent, well_at + 100.0], strict=True)]
    assert max(gaps) <= 20.0 + 2 * vendor.rtt_s


@settings(max_examples=300)
@given(data=st.data())
def test_the_limit_alone(data: st.DataObject) -> None:
    """Any order of events: it opens again within the longest pause, and forgets nobody who is under way."""
    limit, now, names = ConcurrencyLimit(data.draw(st.integers(1, 8))), 0.0, 0
    under_way: list[str] = []
    for _ in range(data.draw(st.integers(0, 60))):
        verb = data.draw(st.sampled_from(["send", "yes", "no", "lost", "end", "wait"]))
        if verb == "send":
            if limit.opens_at(now) <= now:
                names += 1
                under_way.append(str(names))
                limit.sent(under_way[-1], now)
        elif verb == "wait":
            now += data.draw(st.floats(0.0, 30.0))
        elif under_way:
            name = data.draw(st.sampled_from(under_way))
            match verb:
                case "yes":
                    limit.accepted(name, now)
                case "lost":
                    limit.uncounted(name)
                case "no":
                    limit.refused(name, now, data.draw(st.none() | st.floats(0.0, 1e9)), data.draw(st.floats(0, 0.99)))
                    under_way.remove(name)
                case "end":
                    limit.ended(name)
                    under_way.remove(name)
        assert len(limit) == len(under_way)
        assert limit.opens_at(now) <= now + PAUSE_LONGEST_S * (1 + JITTER)
        assert 1 <= limit.expected(now) <= limit.ceiling and limit.level >= 0
        assert sum(limit._steps.values()) == len(under_way) and limit._probes.keys() <= set(under_way)


def test_one_refusal_for_all_that_set_out_before() -> None:
    """Twenty-four at once meet a ceiling of ten: one pause, and exactly one probe behind it."""
    limit = ConcurrencyLimit(24)
    for index in range(24):
        limit.sent(str(index), 0.0)
    for index in range(10):
        limit.accepted(str(index), 1.0)
    for index in range(10, 24):
        limit.refused(str(index), 1.0)
    assert limit.level == 10 and limit.opens_at(1.0) == 1.0 + concurrency.PAUSE_S
    limit.sent("probe", 3.0)
    assert limit.opens_at(3.0) == 3.0 + concurrency.PROBE_S, "one at a time"


def test_retry_after_is_bounded() -> None:
    """What the vendor asks for counts up to the longest pause: a refusal costs nothing."""
    limit = ConcurrencyLimit(1)
    limit.sent("a", 0.0)
    limit.refused("a", 1.0, 3600.0)
    assert limit.opens_at(1.0) == 1.0 + PAUSE_LONGEST_S


def without_pauses(_limit: ConcurrencyLimit, now: float) -> float:
    return now


def without_probes(limit: ConcurrencyLimit, now: float) -> float:
    return now if len(limit) < limit.level else 1e9


@pytest.mark.parametrize("opens_at", [without_pauses, without_probes])
def test_wrong_limits_are_caught(
    opens_at: Callable[[ConcurrencyLimit, float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulation tells them from the right one."""
    monkeypatch.setattr(ConcurrencyLimit, "opens_at", opens_at)
    end = 90.0
    found = Crowd(Vendor(refuses=between(60.0, end))).run(end + 60.0, measured_from=end)
    assert found.first_after(end) > FIRST_S or len(found.refused) > 24 + 30 / 4
