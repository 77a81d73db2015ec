"""What was paid for is fetched for as long as there is hope."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.domain.blob import Blob
from gateway.domain.egress import Egress
from gateway.domain.errors import OutOfRoom, Paid, ResultLost
from gateway.domain.outcome import Finished, Unsure
from gateway.jobs.collect import COLLECT_S, HOPELESS_TRIES, collect
from gateway.upstream.download import FetchFailed
from tests.fakes.blob import MemoryBlob
from tests.fakes.clock import Calendar
from tests.fakes.vendor import PENDING, READY, TICKET, Said, Vendor, Works

PAGE = FetchFailed("page", status=200, page=True)
EXPIRED, BROKEN, CUT, SPOILED = (FetchFailed(str(status), status=status) for status in (403, 500, 0, 200))


async def run(vendor: Vendor) -> tuple[str, Calendar, Works]:
    calendar = Calendar()
    works = Works(vendor, clock=calendar.clock)
    return await collect(works.tools, vendor, TICKET, READY), calendar, works


async def test_by_the_platforms_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures go through the proxy that the jobs go through: the vendor checks it."""
    monkeypatch.setattr(Vendor, "egress", Egress("http://proxy:1"))
    assert (await run(Vendor()))[0] == "ref-0"


async def test_at_once() -> None:
    """A good link is fetched without a pause and without another question."""
    _, calendar, works = await run(Vendor())
    assert (calendar.time, works.vendor.asked) == (0.0, {"collect": 1})


@pytest.mark.parametrize("fault", [EXPIRED, BROKEN, CUT, SPOILED], ids=["expired", "broken", "cut", "spoiled"])
async def test_each_fault_is_followed_by_a_fresh_link(fault: FetchFailed) -> None:
    """Asking after the task again brings a new signature; then it is fetched from the start."""
    _, calendar, works = await run(Vendor(fetches=[fault, fault, MemoryBlob()]))
    assert works.vendor.asked == {"collect": 3, "poll": 2}
    assert calendar.time < 2


FORBIDDEN = FetchFailed("private", forbidden=True)
NOWHERE = Finished((), cost=4.0)


async def test_what_can_never_succeed_ends_at_once() -> None:
    """An address that is never visited, and a task that names none: asked again, and lost within seconds."""
    for finished, fetches, tries in ((READY, [FORBIDDEN], HOPELESS_TRIES), (NOWHERE, [], 0)):
        calendar = Calendar()
        works = Works(Vendor(polls=[finished], fetches=fetches), clock=calendar.clock)
        with pytest.raises(ResultLost) as lost:
            await collect(works.tools, works.vendor, TICKET, finished)
        assert lost.value.paid is Paid.YES
        assert works.vendor.asked == Counter({"collect": tries, "poll": HOPELESS_TRIES - 1}) + Counter()
        assert calendar.time < 2


@pytest.mark.parametrize("first", [FORBIDDEN, NOWHERE], ids=["forbidden", "nowhere"])
async def test_a_second_word_is_heard(first: FetchFailed | Finished) -> None:
    """The vendor may have meant another address."""
    fetches: list[Blob | Exception] = [first, MemoryBlob()] if isinstance(first, FetchFailed) else []
    works = Works(Vendor(polls=[READY], fetches=fetches), clock=Calendar().clock)
    assert await collect(works.tools, works.vendor, TICKET, first if isinstance(first, Finished) else READY) == "ref-0"


async def test_a_good_link_is_not_forgotten() -> None:
    """An answer that names none takes none away."""
    _, _, works = await run(Vendor(polls=[NOWHERE], fetches=[CUT, MemoryBlob()]))
    assert works.vendor.asked == {"collect": 2, "poll": 1}


@pytest.mark.parametrize("said", [PENDING, Unsure("502"), Unsure("gone", missing=True)])
async def test_no_fresh_link(said: Said) -> None:
    """When the question is not answered with a link, the old one is tried on."""
    _, _, works = await run(Vendor(polls=[said], fetches=[CUT, MemoryBlob()]))
    assert works.vendor.asked == {"collect": 2, "poll": 1}


@pytest.mark.parametrize("fault", [BROKEN, PAGE], ids=["broken", "page"])
async def test_a_long_outage_of_the_storage(fault: FetchFailed) -> None:
    """A minute without the storage service loses nothing, whatever it says of itself."""
    _, calendar, _ = await run(Vendor(fetches=[fault] * 10 + [MemoryBlob()]))
    assert calendar.time > 40


@pytest.mark.parametrize(
    ("fault", "most"), [(EXPIRED, 200), (BROKEN, 200), (CUT, 200), (SPOILED, HOPELESS_TRIES), (OutOfRoom("full"), 200)]
)
async def test_given_up_in_the_end(fault: Exception, most: int) -> None:
    """Never cured: lost, counted, and paid for certain."""
    calendar = Calendar()
    works = Works(Vendor(fetches=[fault]), clock=calendar.clock)
    with pytest.raises(ResultLost) as lost:
        await collect(works.tools, works.vendor, TICKET, READY)
    assert lost.value.paid is Paid.YES
    assert works.vendor.asked["collect"] <= most and calendar.time < COLLECT_S + 45
    assert works.metrics.registry.get_sample_value("gateway_results_lost_total", {"platform": "toy"}) == 1


async def test_a_picture_in_the_answer() -> None:
    """A platform that sends the bytes themselves has nothing to fetch."""
    works = Works(Vendor())
    blob = MemoryBlob()
    ref = await collect(works.tools, works.vendor, None, Finished((blob,)))
    assert works.shelf.blobs[ref] is blob and not works.vendor.asked
