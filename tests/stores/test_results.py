"""Results: kept until fetched, opened by our own fresh links only, dropped when their time or their room is over."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.size import Pixels
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.links import Links
from gateway.stores.results import SpoolResults
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool

SECRET = b"s" * 32
BUDGET = 1000


class Wall:
    """Two clocks that stand until they are moved: `now` is monotonic, `time` the wall's."""

    now = 1000.0
    time = 1000.0


def results_on(wall: Wall) -> SpoolResults:
    refs = itertools.count()
    return SpoolResults(
        now=lambda: wall.now,
        links=Links(lambda: SECRET, lambda: wall.time),
        new_ref=lambda: f"ref{next(refs)}",
        retention_s=3600,
        spare_s=60,
    )


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def results(wall: Wall) -> SpoolResults:
    return results_on(wall)


@pytest.fixture
def held() -> dict[str, int]:
    return {"memory": 0, "disk": 0}


@pytest.fixture
async def spool(tmp_path: Path, held: dict[str, int]) -> AsyncIterator[Spool]:
    accounts = held

    def meter(kind: str, held: int) -> None:
        accounts[kind] = held

    async with Spool(MemorySettings(budget=BUDGET, disk=10 * BUDGET, wait=0.01), tmp_path, meter) as spool:
        yield spool


async def blob(spool: Spool, data: bytes) -> SpooledBlob:
    room = await spool.reserve(len(data))
    writer = BlobWriter(room)
    await writer.write(data)
    room.close()
    return await writer.finish("image/png", Pixels(1, 1))


async def read(results: SpoolResults, ref: str) -> bytes | None:
    opened = await results.open(ref)
    if opened is None:
        return None
    data = b"".join([piece async for piece in opened.chunks()])
    opened.release()
    return data


async def test_what_is_put_is_read_any_number_of_times(spool: Spool, results: SpoolResults) -> None:
    """Each under its own reference."""
    one, two = await results.put(await blob(spool, b"one")), await results.put(await blob(spool, b"two"))
    assert [await read(results, ref) for ref in (one, two, one)] == [b"one", b"two", b"one"]
    assert await results.open("ref") is None


async def test_retention(spool: Spool, results: SpoolResults, wall: Wall, held: dict[str, int]) -> None:
    """To the second; the sweep gives the room back."""
    ref = await results.put(await blob(spool, b"x" * 100))
    wall.now += 3599
    results.sweep()
    assert await read(results, ref) == b"x" * 100
    wall.now += 1
    assert await results.open(ref) is None
    assert held["memory"] == 100
    results.sweep()
    assert held["memory"] == 0


async def test_a_step_of_the_wall_clock_loses_nothing(spool: Spool, results: SpoolResults, wall: Wall) -> None:
    """Set forward or back by hours: kept as long as was said, no shorter and no longer."""
    ref = await results.put(await blob(spool, b"x"))
    for step in (7200, -20_000):
        wall.time += step
        results.sweep()
        assert await read(results, ref) == b"x"
    wall.now += 3600
    assert await results.open(ref) is None


async def test_a_reader_keeps_what_is_swept(
    spool: Spool, results: SpoolResults, wall: Wall, held: dict[str, int]
) -> None:
    """Somebody who is being answered gets all of it; then the room is free."""
    ref = await results.put(await blob(spool, b"x" * 100))
    opened = await results.open(ref)
    assert opened is not None
    wall.now += 4000
    results.sweep()
    assert b"".join([piece async for piece in opened.chunks()]) == b"x" * 100
    opened.release()
    assert held["memory"] == 0


async def test_spare_results_go_soon(spool: Spool, results: SpoolResults, wall: Wall) -> None:
    """Delivered: there for a resend within the minute."""
    ref = await results.put(await blob(spool, b"x"))
    results.spare(ref)
    wall.now += 59
    assert await read(results, ref) == b"x"
    wall.now += 1
    assert await results.open(ref) is None
    results.sweep()
    assert await results.open(ref) is None


async def test_kept_results_leave_memory(spool: Spool, results: SpoolResults, wall: Wall, held: dict[str, int]) -> None:
    """For the whole retention from then on, on disk."""
    ref = await results.put(await blob(spool, b"x" * 100))
    results.spare(ref)
    wall.now += 30
    await results.keep(ref)
    assert held == {"memory": 0, "disk": 100}
    wall.now += 3599
    results.sweep()
    results.make_room(BUDGET)
    assert await read(results, ref) == b"x" * 100


async def test_room_is_made_from_spare_results_oldest_first(
    spool: Spool, results: SpoolResults, held: dict[str, int]
) -> None:
    """No more of them than needed, and never what is still waited for."""
    refs = [await results.put(await blob(spool, bytes([i]) * 100)) for i in range(4)]
    for ref in (refs[1], refs[0], refs[3]):
        results.spare(ref)
    results.make_room(150)
    assert [await read(results, ref) for ref in refs] == [None, None, b"\2" * 100, b"\3" * 100]
    assert held["memory"] == 200
    results.make_room(10_000)
    assert await read(results, refs[2]) is not None
    assert held["memory"] == 100


async def test_an_upload_takes_the_room_of_spare_results(spool: Spool, results: SpoolResults) -> None:
    """The spool asks by itself."""
    spool.make_room = results.make_room
    ref = await results.put(await blob(spool, b"x" * BUDGET))
    results.spare(ref)
    newer = await blob(spool, b"y" * BUDGET)
    assert newer.in_memory
    assert await results.open(ref) is None


async def test_unknown_references(results: SpoolResults) -> None:
    """Forgotten between two steps: nothing to do."""
    results.spare("gone")
    await results.keep("gone")
    assert await results.open("gone") is None
    results.sweep()
    results.make_room(5)


def parts(link: str) -> tuple[str, str, str]:
    url = urlsplit(link)
    query = parse_qs(url.query)
    return url.path.removeprefix("/results/"), query["expires"][0], query["signature"][0]


def test_links(results: SpoolResults, wall: Wall) -> None:
    """Good until their second, and only as they were made."""
    ref, expires, signature = parts(results.link("abc", 4600))
    assert (ref, expires) == ("abc", "4600")
    assert results.check(ref, expires, signature)
    wall.time = 4599.9
    assert results.check(ref, expires, signature)
    wall.time = 4600
    assert not results.check(ref, expires, signature)


@pytest.mark.parametrize(
    ("ref", "expires", "signature"),
    [
        ("other", None, None),
        (None, "9999999999", None),
        (None, "04600", None),
        (None, "4600 ", None),
        (None, "４６００", None),
        (None, "", None),
        (None, "\ud800", None),
        ("\ud800", None, None),
        (None, None, ""),
        (None, None, "0" * 64),
        (None, None, "é" * 64),
        (None, None, "\ud800"),
        (None, None, "x" * 100_000),
    ],
)
def test_forged_links(results: SpoolResults, ref: str | None, expires: str | None, signature: str | None) -> None:
    """Another picture, another time, another spelling, any text: refused without an exception."""
    good = parts(results.link("abc", 4600))
    forged = (ref or good[0], good[1] if expires is None else expires, good[2] if signature is None else signature)
    assert not results.check(*forged)


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_text_is_no_link(ref: str, expires: str, signature: str) -> None:
    """Whatever arrives in a query."""
    assert not results_on(Wall()).check(ref, expires, signature)


def test_an_expiry_that_is_no_number_is_refused_even_when_signed(results: SpoolResults) -> None:
    """The signature says where it is from, not that it makes sense."""
    for expires in ("9" * 16, "-1", "soon"):
        assert not results.check("abc", expires, Links(lambda: SECRET, float)._sign("abc", expires))


def test_another_process_does_not_take_our_links(results: SpoolResults, wall: Wall) -> None:
    """Signed with its own secret."""
    other = Links(lambda: b"t" * 32, lambda: wall.time)
    assert not other.check(*parts(results.link("abc", 4600)))
