"""The metrics of a gateway at work: lint-free, from closed sets of labels, and there before the first event."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from prometheus_client import REGISTRY

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from gateway.telemetry.catalogue import LONG, STEP, STEPS, Catalogue
from tests.fakes.customer import NO_BREAKER
from tests.fakes.forms import edit_form, key_settings
from tests.fakes.installed import installed
from tests.fakes.raw import exchange

StartGateway = Callable[..., Awaitable[Gateway]]

KEY = "gw-metrics-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {KEY}"}


async def scrape(gateway: Gateway, client: aiohttp.ClientSession) -> str:
    async with client.get(f"{gateway.admin_url}/metrics", headers={"Accept-Encoding": "identity"}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return await answer.text()


def series(text: str) -> set[str]:
    """Every line's name and labels."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


async def work(gateway: Gateway, client: aiohttp.ClientSession) -> None:
    """A few requests of each kind."""
    for prompt in ("make it blue", "[[fault:request_moderated]]", "[[fault:task_error]]", "[[fault:submit_402]]"):
        async with client.post(f"{gateway.url}/v1/images/edits", data=edit_form(prompt), headers=BEARER) as answer:
            await answer.read()
    for path in ("/v1/models", "/v1/nothing", "/nothing", "/healthz", "/results/x"):
        async with client.get(gateway.url + path, headers=BEARER) as answer:
            await answer.read()
    async with client.get(f"{gateway.url}/v1/models") as answer:
        assert answer.status == 401


async def test_promtool_has_nothing_to_say(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """A real scrape after real work passes `promtool check metrics`."""
    promtool = installed("promtool")
    gateway = await start_gateway(bfl, auth={"keys": key_settings(KEY)})
    await work(gateway, client)
    text = await scrape(gateway, client)
    found = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=300, check=False
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


async def test_strangers_make_no_series(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """Two hundred junk paths, keys, models, fields and methods later there are as many series as before."""
    gateway = await start_gateway(bfl, auth={"keys": key_settings(KEY)}, jobs={"breaker": NO_BREAKER})
    await work(gateway, client)

    async def guess(key: str) -> int:
        async with client.get(f"{gateway.url}/v1/models", headers={"Authorization": f"Bearer {key}"}) as answer:
            return answer.status

    async def junk(word: str) -> None:
        edit = f"{gateway.url}/v1/images/edits"
        async with client.get(f"{gateway.url}/{word}", headers=BEARER) as answer:
            assert answer.status == 404
        async with client.get(f"{gateway.url}/v1/{word}", headers=BEARER) as answer:
            assert answer.status == 404
        assert await guess(word) in (401, 429)
        async with client.post(edit, data=edit_form(model=word), headers=BEARER) as answer:
            assert answer.status == 404
        fields: dict[str, Any] = {word: "1"}
        async with client.post(edit, data=edit_form(**fields), headers=BEARER) as answer:
            assert answer.status == 400
        assert (await exchange(gateway.url, f"{word.upper()} /v1/models HTTP/1.1")).status in (400, 401)

    await junk("first")
    # At once, so that there are too many whatever the clock makes of it.
    assert set(await asyncio.gather(*(guess(f"first-{number}") for number in range(60)))) == {401, 429}
    before = await scrape(gateway, client)
    for number in range(33):
        await junk(f"junk{'x' * number}")
    after = await scrape(gateway, client)
    assert series(after) == series(before)
    assert "junk" not in after
    assert "first" not in after


async def test_what_will_be_counted_stands_at_zero(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """A rate over a series that appears with its first event misses that event."""
    text = await scrape(await start_gateway(bfl), client)
    pro = 'model="flux-kontext-pro",platform="bfl"'
    for expected in (
        'gateway_submissions_total{model="flux-kontext-pro",outcome="ok",platform="bfl"}',
        f"gateway_submissions_active{{{pro}}}",
        f"gateway_images_total{{{pro}}}",
        f'gateway_moderated_total{{{pro},stage="input"}}',
        f'gateway_moderated_total{{{pro},stage="output"}}',
        'gateway_queue_depth{platform="bfl"}',
        'gateway_results_lost_total{platform="bfl"}',
        f"gateway_breaker_state{{{pro}}}",
        f"gateway_spent_credits_total{{{pro}}}",
        'gateway_limited_total{limit="requests"}',
        'gateway_limited_total{limit="credits-day"}',
        'gateway_vendor_fields_unknown_total{platform="bfl"}',
        'gateway_duplicate_submissions_prevented_total{reason="key"}',
        'gateway_duplicate_submissions_prevented_total{reason="resend"}',
        'gateway_duplicate_submissions_prevented_total{reason="orphan"}',
        'gateway_image_bytes_total{direction="received"}',
        'gateway_image_bytes_total{direction="delivered"}',
        'gateway_memory_budget_bytes{kind="held"}',
        "gateway_requests_in_flight",
        "gateway_spool_bytes",
        "gateway_jobs_unknown",
        "gateway_jobs_parked",
    ):
        assert f"\n{expected} 0.0\n" in text, expected
    assert 'gateway_memory_budget_bytes{kind="limit"} 2.68435456e+08' in text


async def test_the_numbers_are_the_vendors(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """What the gateway counted is what the other side saw, and nothing is left in the gauges."""
    gateway = await start_gateway(bfl, auth={"keys": key_settings(KEY)})
    await work(gateway, client)
    text = await scrape(gateway, client)

    def total(name: str, **labels: str) -> float:
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if re.match(rf"gateway_{name}[{{ ]", line) and all(label in line for label in wanted)
        )

    assert total("submissions_total") == bfl.counts.submits_seen == 4
    assert total("polls_total") == bfl.counts.polls
    assert total("upstream_responses_total", call="submit", status="200") == bfl.counts.accepted == 3
    assert total("upstream_responses_total", call="collect", status="200") == bfl.counts.downloads == 1
    assert total("images_total") == 1
    assert total("moderated_total") == total("moderated_total", stage="input") == 1
    assert total("requests_total", route="images.edits") == 4
    assert total("submissions_active") == total("requests_in_flight") == total("queue_depth") == 0
    assert {step for step in STEPS if total("step_duration_seconds_count", step=step)} == set(STEPS)


def test_the_buckets_reach_as_far_as_a_job() -> None:
    """900 s, in rising order."""
    for buckets in (LONG, STEP):
        assert buckets[-1] == 900
        assert list(buckets) == sorted(set(buckets))


def test_catalogues_are_apart() -> None:
    """Two gateways in a process do not count each other's requests, and nobody uses the global registry."""
    one, other = Catalogue(), Catalogue()
    one.requests("a", "ok", "200").inc()
    labels = {"route": "a", "outcome": "ok", "status": "200"}
    assert one.registry.get_sample_value("gateway_requests_total", labels) == 1
    assert other.registry.get_sample_value("gateway_requests_total", labels) is None
    assert REGISTRY.get_sample_value("gateway_requests_total", labels) is None


def test_children_are_kept() -> None:
    """A label set is looked up once."""
    catalogue = Catalogue()
    assert catalogue.requests("a", "ok", "200") is catalogue.requests("a", "ok", "200")
    assert catalogue.spool is catalogue.spool
