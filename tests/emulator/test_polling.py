"""The polling origin: statuses over time, headers, and who knows which task."""

from __future__ import annotations

from .conftest import Client, Clock, Photo, Start


async def test_pending_then_ready(client: Client, clock: Clock) -> None:
    """A task is Pending until its time has come, then Ready with every recorded field."""
    started = clock.time
    accepted = await client.submit("a cat", seed=42)
    waiting = await client.poll(accepted)
    assert await waiting.json() == {
        "id": accepted["id"],
        "status": "Pending",
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }
    clock.time += 6.9
    assert (await (await client.poll(accepted)).json())["status"] == "Pending"
    clock.time += 0.2
    done = await client.poll(accepted)
    body = await done.json()
    sample = body["result"].pop("sample")
    assert sample.startswith(f"{client.bfl.delivery_url}/results/2025/12/17/")
    assert body == {
        "id": accepted["id"],
        "status": "Ready",
        "result": {
            "prompt": "a cat",
            "seed": 42,
            "start_time": started,
            "end_time": started + 7.0,
            "duration": 7.0,
        },
        "progress": None,
        "details": None,
        "preview": None,
        "cost": 4.0,
    }
    assert client.bfl.counts.polls_by_status == {"Pending": 2, "Ready": 1}


async def test_polls_carry_rate_headers_even_when_good(client: Client) -> None:
    """Retry-After and a one-second window are on every poll."""
    accepted = await client.submit("a")
    headers = (await client.poll(accepted)).headers
    assert (headers["Retry-After"], headers["X-Ratelimit-Limit"]) == ("1", "1200")
    assert headers["X-Ratelimit-Remaining"] == "1199"
    assert headers["X-Ratelimit-Reset"] == "1766000001.0"
    assert (await client.poll(accepted)).headers["X-Ratelimit-Remaining"] == "1198"


async def test_the_submit_host_does_not_know_regional_tasks(client: Client, start: Start) -> None:
    """The global poll answers 404 Task not found, unless it was told to know."""
    accepted = await client.submit("a")
    url = f"{client.bfl.api_url}/v1/get_result?id={accepted['id']}"
    async with client.session.get(url) as response:
        assert response.status == 404
        assert (await response.json())["status"] == "Task not found"
    knowing = await start(global_polls=True)
    accepted = await knowing.submit("a")
    url = f"{knowing.bfl.api_url}/v1/get_result?id={accepted['id']}"
    async with knowing.session.get(url) as response:
        assert (response.status, (await response.json())["status"]) == (200, "Pending")


async def test_polls_need_no_key_but_ids(client: Client) -> None:
    """No key is asked; a missing id is a validation error; an unknown one is not found."""
    accepted = await client.submit("a")
    assert (await client.poll(accepted)).status == 200
    assert client.bfl.counts.keys_seen["polling"] == 0
    async with client.session.get(accepted["polling_url"], headers={"x-key": "any"}) as response:
        assert response.status == 200
    assert client.bfl.counts.keys_seen["polling"] == 1
    async with client.session.get(f"{client.bfl.polling_url}/v1/get_result") as response:
        assert response.status == 422
        assert (await response.json())["detail"][0]["loc"] == ["query", "id"]
    async with client.session.get(f"{client.bfl.polling_url}/v1/get_result?id=x") as response:
        assert (response.status, (await response.json())["status"]) == (404, "Task not found")


async def test_a_task_is_forgotten_after_its_retention(client: Client, clock: Clock) -> None:
    """An hour after its end nobody knows it."""
    accepted = await client.submit("a")
    clock.time += 3606
    assert (await client.poll(accepted)).status == 200
    clock.time += 2
    assert (await client.poll(accepted)).status == 404


async def test_flux_2_tells_what_it_does_and_no_end(client: Client, clock: Clock) -> None:
    """Reasoning and Generating pass by; the result has neither end nor duration, the body no cost."""
    accepted = await client.submit("a", model="flux-2-pro")
    words = []
    for _ in range(4):
        words.append((await (await client.poll(accepted)).json())["status"])
        clock.time += 4.5
    assert words == ["Pending", "Reasoning", "Generating", "Ready"]
    body = await client.finish(accepted)
    assert set(body["result"]) == {"sample", "prompt", "seed", "start_time"}
    assert "cost" not in body


async def test_dev_counts_its_progress(client: Client, clock: Clock) -> None:
    """flux-dev shows tenths while it is pending."""
    accepted = await client.submit("a", model="flux-dev")
    clock.time += 2.4
    assert (await (await client.poll(accepted)).json())["progress"] == 0.5


async def test_bad_inputs_end_as_errors(client: Client, photo: Photo) -> None:
    """Unreadable pictures are accepted, then end as Error; links are not fetched."""
    for text, words in (
        ("AAAA", "Invalid or corrupted image input"),
        ("no base64!", "Invalid or corrupted image input"),
        (photo()[:120], "Invalid or corrupted image input"),
        ("https://example.com/cat.png", "Could not fetch the image from the given URL"),
        (photo(5000, 4001), "Image input is too large: at most 20 MB and 20 megapixels"),
    ):
        body = await client.finish(await client.submit("a", input_image=text))
        assert (body["status"], body["result"], body["details"]) == ("Error", None, {"error": words})


async def test_a_seed_is_drawn_when_none_is_asked(start: Start) -> None:
    """Two emulators with the same seed draw the same seeds and ids."""
    one, two = await start(seed=7), await start(seed=7)
    first, second = await one.submit("a"), await two.submit("a")
    assert first["id"] == second["id"]
    assert (await one.finish(first))["result"]["seed"] == (await two.finish(second))["result"]["seed"]


async def test_upsampling_rewrites_the_prompt(client: Client) -> None:
    """The result tells the prompt that was worked with."""
    body = await client.finish(await client.submit("a cat", prompt_upsampling=True))
    assert body["result"]["prompt"] != "a cat"
    assert body["result"]["prompt"].startswith("a cat")


async def test_speed_and_latency_are_settings(start: Start, clock: Clock) -> None:
    """`speed` divides; `latency_s` replaces a model's median."""
    client = await start(speed=10.0, latency_s={"flux-kontext-pro": 50.0})
    accepted = await client.submit("a")
    clock.time += 4.9
    assert (await (await client.poll(accepted)).json())["status"] == "Pending"
    clock.time += 0.2
    assert (await (await client.poll(accepted)).json())["status"] == "Ready"
