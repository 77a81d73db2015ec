"""Bad answers are doubts, never ends; the questions become neither too many nor too few."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.domain.errors import TaskLost
from gateway.domain.outcome import Outcome, Unsure, Working
from gateway.jobs.poll import DOUBT_LONGEST_S, FORGOTTEN_S, MISSING_S, PARKED_EVERY_S, REST_LONGEST_S, Polling
from gateway.upstream.session import MaybeSent, NotSent
from tests.fakes.clock import Agenda, Calendar
from tests.fakes.vendor import PENDING, READY, SILENCE_S, TICKET, Said, Vendor, Works

DOUBT = Unsure("502")
GONE = Unsure("task not found", missing=True)


async def poll(polls: Sequence[Said], max_age_s: float = 900.0) -> tuple[Outcome, Calendar, list[float]]:
    """The end, the time that passed, and when it was parked."""
    calendar, parked = Calendar(), []
    works = Works(Vendor(polls=polls), clock=calendar.clock, max_age_s=max_age_s)

    async def park() -> None:
        parked.append(calendar.time)

    return await Polling(works.tools, works.vendor, TICKET, park).until_over(), calendar, parked


@pytest.mark.parametrize("doubt", [DOUBT, GONE, NotSent("dns"), MaybeSent("reset")])
async def test_one_doubt_is_nothing(doubt: Said) -> None:
    """Whatever is said once or a few times in the middle, the end is the task's own."""
    outcome, _, parked = await poll([PENDING, doubt, doubt, PENDING, doubt, READY])
    assert outcome == READY and not parked


async def test_long_doubt_is_told() -> None:
    """Not a few bad answers; once nothing else has come for long, and that it is over."""
    calendar, told = Calendar(), list[tuple[bool, float]]()
    works = Works(Vendor(polls=[*[DOUBT] * 3, PENDING, *[DOUBT] * 9, PENDING, READY]), clock=calendar.clock)

    def silent(now: bool) -> None:
        if not told or told[-1][0] is not now:
            told.append((now, calendar.time))

    await Polling(works.tools, works.vendor, TICKET, works.queue.close, silent=silent).until_over()
    assert [now for now, _ in told] == [False, True, False]
    (_, first), (_, long), _ = told
    assert SILENCE_S <= long - first <= SILENCE_S + 2 * DOUBT_LONGEST_S


@pytest.mark.parametrize("takes_s", [0.1, 5.0, 10.0])
async def test_silence_is_told_in_time(takes_s: float) -> None:
    """However long each answer that says nothing takes, it counts from the first question on."""
    agenda, told = Agenda(), list[float]()
    works = Works(Vendor(polls=[*[DOUBT] * 20, READY]), clock=agenda.clock)
    asked = list[float]()

    async def before(_step: str) -> None:
        asked.append(agenda.time)
        await agenda.clock.sleep(takes_s)

    works.vendor.before = before
    polling = Polling(
        works.tools, works.vendor, TICKET, works.queue.close, silent=lambda _now: told.append(agenda.time)
    )
    assert await agenda.run(polling.until_over()) == READY
    assert asked[0] + SILENCE_S <= told[0] <= asked[0] + SILENCE_S + takes_s and len(told) == 1


async def test_a_call_back_breaks_the_rest() -> None:
    """Also while the platform has said nothing of use for long: what it calls about is asked after at once."""
    agenda, told = Agenda(), list[float]()
    works = Works(Vendor(polls=[*[Unsure("503", retry_after_s=9.0)] * 2, READY]), clock=agenda.clock)
    hint = works.tools.hints.listen("toy", "job-1", 0)
    called = list[float]()

    async def call() -> None:
        while works.vendor.asked["poll"] < 2:
            await agenda.clock.sleep(0.5)
        called.append(agenda.time)
        hint.give(TICKET.task)

    polling = Polling(
        works.tools, works.vendor, TICKET, works.queue.close, hint=hint, silent=lambda _now: told.append(agenda.time)
    )
    calling = asyncio.create_task(call())
    assert await agenda.run(polling.until_over()) == READY
    await calling
    assert agenda.time - called[0] < 1.0 and not told


async def test_an_hour_of_doubt() -> None:
    """A platform that is out for long is asked every few seconds, and is still believed afterwards."""
    outcome, calendar, _ = await poll([DOUBT] * 120 + [READY], max_age_s=9000.0)
    assert outcome == READY
    assert max(calendar.slept[1:]) <= DOUBT_LONGEST_S
    assert calendar.time > 300


async def test_half_a_minute_of_nothing_else_is_an_end() -> None:
    """Not known for so long without a break: the task is lost, and may have been paid."""
    calendar = Calendar()
    works = Works(Vendor(polls=[PENDING, GONE]), clock=calendar.clock)
    with pytest.raises(TaskLost):
        await Polling(works.tools, works.vendor, TICKET, works.queue.close).until_over()
    assert calendar.slept[0] + MISSING_S <= calendar.time < MISSING_S + 60


@pytest.mark.parametrize("other", [DOUBT, PENDING, NotSent("dns")])
async def test_a_break_begins_the_half_minute_anew(other: Said) -> None:
    """Any other answer between means that the task may live."""
    outcome, calendar, _ = await poll([*[GONE, GONE, GONE, GONE, GONE, other] * 6, READY])
    assert outcome == READY and calendar.time > 2 * MISSING_S


async def test_the_platforms_own_wish_counts_up_to_a_bound() -> None:
    """Retry-After on a bad answer is followed, but not for an hour."""
    _, calendar, _ = await poll([Unsure("503", retry_after_s=8.0), Unsure("503", retry_after_s=3600.0), READY])
    assert calendar.slept[1:] == [8.0, REST_LONGEST_S]


async def test_parked_once_and_asked_sparsely() -> None:
    """Past its maximum age a task is asked once a minute, for as long as the platform may remember it."""
    outcome, calendar, parked = await poll([PENDING] * 60 + [READY], max_age_s=60.0)
    assert outcome == READY and len(parked) == 1 and parked[0] > 60
    assert calendar.slept[-1] == PARKED_EVERY_S


async def test_forgotten_in_the_end() -> None:
    """Asking longer than the platform remembers is in vain."""
    calendar = Calendar()
    works = Works(Vendor(polls=[PENDING]), clock=calendar.clock)

    async def park() -> None:
        pass

    with pytest.raises(TaskLost):
        await Polling(works.tools, works.vendor, TICKET, park).until_over()
    assert FORGOTTEN_S < calendar.time < FORGOTTEN_S + 2 * PARKED_EVERY_S
    assert works.vendor.asked["poll"] < 400


async def test_unknown_words_are_counted() -> None:
    """A status that is in no documentation means working."""
    calendar = Calendar()
    works = Works(Vendor(polls=[Working(TICKET, "Dreaming", known=False), READY]), clock=calendar.clock)
    await Polling(works.tools, works.vendor, TICKET, works.queue.close).until_over()
    found = works.metrics.registry.get_sample_value
    assert found("gateway_vendor_fields_unknown_total", {"platform": "toy"}) == 1
    assert found("gateway_polls_total", {"platform": "toy", "outcome": "working"}) == 1


async def test_only_clear_ends_teach_the_pace() -> None:
    """What was seen late because of bad answers says nothing about the model."""
    calendar = Calendar()
    cases: list[tuple[list[Said], bool]] = [([PENDING, *[DOUBT] * 20, READY], False), ([PENDING, READY], True)]
    for polls, learned in cases:
        works = Works(Vendor(polls=polls), clock=calendar.clock)
        before = works.tools.paces(works.vendor, "toy-1").expected_s()
        await Polling(works.tools, works.vendor, TICKET, works.queue.close).until_over()
        assert (works.tools.paces(works.vendor, "toy-1").expected_s() != before) == learned
