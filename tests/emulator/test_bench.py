"""Bench mode: canned answers, counted bytes, no rules."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from gateway.emulator.bench import canned_png

from .conftest import Clock, Start


@pytest.mark.parametrize("size", [100, 2_000, 100_000, 1_500_000])
def test_canned_pictures_have_the_wanted_length_and_decode(size: int) -> None:
    """Exactly that many bytes, head and end as in any PNG."""
    data = canned_png(size)
    assert len(data) == size
    assert data.endswith(b"IEND\xaeB`\x82")
    Image.open(io.BytesIO(data)).load()


def test_too_small_is_told() -> None:
    """No PNG fits into fifty bytes."""
    with pytest.raises(ValueError, match="no PNG of 50 bytes"):
        canned_png(50)


async def test_the_whole_way_without_rules(start: Start) -> None:
    """No key, no ceiling: submit, poll, download; bytes and calls are counted."""
    client = await start(bench=True, bench_result_bytes=10_000, max_active=1)
    body = {"prompt": "a", "input_image": "A" * 3_000_000}
    responses = await asyncio.gather(*(client.post(body, key=None) for _ in range(8)))
    assert {response.status for response in responses} == {200}
    accepted = [await response.json() for response in responses]
    assert len({one["id"] for one in accepted}) == 8
    done = await (await client.poll(accepted[0])).json()
    assert done["status"] == "Ready"
    assert await (await client.download(done["result"]["sample"])).read() == canned_png(10_000)
    counts = client.bfl.counts
    assert (counts.accepted, counts.polls, counts.downloads) == (8, 1, 1)
    assert 24_000_000 < counts.body_bytes < 24_001_000
    async with client.session.get(f"{client.bfl.api_url}/_emulator/counts") as response:
        assert (await response.json())["accepted"] == 8
    async with client.session.post(f"{client.bfl.api_url}/_emulator/reset") as response:
        assert response.status == 200
    assert client.bfl.counts.accepted == 0


async def test_ready_after_a_fixed_delay(start: Start, clock: Clock) -> None:
    """Pending for exactly as long as configured."""
    client = await start(bench=True, bench_result_bytes=1000, bench_delay_s=3.0)
    accepted = await client.submit("a")
    clock.time += 2.9
    assert (await (await client.poll(accepted)).json())["status"] == "Pending"
    clock.time += 0.2
    assert (await (await client.poll(accepted)).json())["status"] == "Ready"


async def test_requests_in_pieces_and_in_a_row(start: Start) -> None:
    """Heads cut anywhere, two requests in one write, Expect, a key where none belongs."""
    client = await start(bench=True, bench_result_bytes=1000)
    port = int(client.bfl.delivery_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in (b"GET /re", b"sults/x HTTP/1.1\r\nx-ke", b"y: 1\r\n\r", b"\nGET / HTTP/1.1\r\n\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    for _ in range(2):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 1000\r\n" in head
        await reader.readexactly(1000)
    writer.close()
    assert client.bfl.counts.downloads == 2
    assert client.bfl.counts.leaked_keys == 1
    port = int(client.bfl.api_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/x HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"12345")
    assert b" 200 " in await reader.readline()
    writer.close()
