"""From a platform in trouble to the next one, over real sockets: who is asked, who is paid, what the client hears."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.conftest import KEY
from tests.fakes.company import NOWHERE, PATIENCE, PICTURE, PICTURES
from tests.fakes.customer import until
from tests.fakes.openai_server import Script, answer, cut
from tests.fakes.pictures import picture
from tests.handlers.conftest import Office

# What makes the first account unable to serve, certainly unpaid, and the code that tells of it.
TROUBLE = [
    ("submit_402", "platform_out_of_credits"),
    ("submit_403", "platform_auth_failed"),
    ("submit_429", "platform_busy"),
]


@pytest.mark.parametrize(("fault", "code"), TROUBLE)
async def test_the_next_account_serves(office: Office, fault: str, code: str) -> None:
    """One picture, paid for once, where it was taken; the answer and the metrics tell of the attempt before."""
    customer = await office()
    customer.bfl.script(fault, times=None)
    reply = await customer.edit("make it blue")
    assert len(reply.pictures) == 1
    assert customer.accepted == (0, 1)
    assert customer.openai.seen == []
    assert reply.headers["x-gateway-platform"] == "spare/flux-2-pro"
    assert reply.headers["x-gateway-attempts"] == f"bfl/flux-kontext-pro {code}, spare/flux-2-pro"
    assert customer.fallbacks("bfl", code) == 1
    assert customer.metric("submissions_total", platform="spare", model="flux-2-pro", outcome="ok") == 1


async def test_an_account_that_cannot_be_reached(office: Office) -> None:
    """Connections are tried a few times, then the next account is."""
    customer = await office(platforms={"bfl": {"base_url": NOWHERE}})
    reply = await customer.edit("make it blue")
    assert reply.headers["x-gateway-attempts"].startswith("bfl/flux-kontext-pro platform_unreachable, spare")
    assert len(reply.pictures) == 1
    assert customer.accepted == (0, 1)


async def test_an_open_breaker_asks_nobody(office: Office) -> None:
    """A refused key shuts the account; the next request goes on at once, and hears the reason too."""
    customer = await office(jobs={"breaker": {"failures": 5, "open_for": 6000, "longest": 6000}})
    customer.bfl.revoke(KEY)
    for colour in ("blue", "red"):
        reply = await customer.edit(f"make it {colour}")
        assert "bfl/flux-kontext-pro platform_auth_failed, " in reply.headers["x-gateway-attempts"]
        await until(lambda: customer.metric("account_shut", platform="bfl") == 1)
    assert customer.bfl.counts.submits_seen <= 1
    assert customer.accepted == (0, 2)


async def test_a_full_account(office: Office) -> None:
    """Who would wait too long for a slot goes where there is one; the job that holds it goes on."""
    customer = await office(platforms={"bfl": {"max_active_tasks": 1}})
    customer.bfl.script("pending_forever")
    running = customer.begin("make it green")
    await until(lambda: customer.accepted == (1, 0))
    reply = await customer.edit("make it blue")
    assert reply.headers["x-gateway-attempts"] == "bfl/flux-kontext-pro queue_full, spare/flux-2-pro"
    assert customer.accepted == (1, 1)
    await customer.leave(running)


async def test_the_relay_is_last(office: Office) -> None:
    """Both accounts are empty: OpenAI gets the whole form, with its own model and size, and its answer is passed on."""
    customer = await office()
    customer.bfl.script("submit_402", times=None)
    customer.spare.script("submit_403", times=None)
    asked: dict[str, Any] = {"size": "16:9", "model": "flux-kontext-max", "user": "ann", "response_format": "b64_json"}
    reply = await customer.edit("make it blue", **asked)
    assert (reply.status, reply.body["data"]) == (200, [{"b64_json": "UE5H"}])
    assert customer.accepted == (0, 0)
    assert reply.headers["x-gateway-platform"] == "openai/gpt-image-1"
    attempts = reply.headers["x-gateway-attempts"].split(", ")
    assert [attempt.partition(" ")[2] for attempt in attempts] == [
        "platform_out_of_credits",
        "platform_auth_failed",
        "",
    ]
    (seen,) = customer.openai.seen
    sent = bytes(seen.body)
    for name, value in (("prompt", "make it blue"), ("model", "gpt-image-1"), ("size", "1536x1024"), ("user", "ann")):
        assert f'name="{name}"'.encode() in sent and f"\r\n\r\n{value}\r\n".encode() in sent
    assert PICTURE in sent and b"flux-kontext-max" not in sent and b"16:9" not in sent
    # GPT image models refuse the field that others need.
    assert b"response_format" not in sent
    assert "response_format=ignored" in reply.headers["x-gateway-translation"]


@pytest.mark.parametrize(
    ("first", "second", "refusal"),
    [
        ("submit_403", "submit_402", (502, "platform_auth_failed", "false")),
        ("submit_403", "submit_429", (429, "platform_busy", "true")),
        ("submit_429", "submit_403", (429, "platform_busy", "true")),
    ],
)
async def test_all_in_trouble(office: Office, first: str, second: str, refusal: tuple[int, str, str]) -> None:
    """The answer is the trouble that will be over first, with what the client's retry logic has to know."""
    customer = await office("bfl", "spare/flux-2-pro", jobs={**PATIENCE, "answer_within": 60})
    customer.bfl.script(first, times=None)
    customer.spare.script(second, times=None)
    reply = await customer.edit("make it blue")
    assert reply.refusal == refusal
    assert reply.headers["x-gateway-attempts"].startswith("bfl/flux-kontext-pro platform_")
    assert reply.headers["x-gateway-attempts"].endswith(", spare/flux-2-pro")
    assert customer.accepted == (0, 0)


@pytest.mark.parametrize(
    "fault",
    [
        "submit_500", "submit_502", "submit_503", "submit_html_200", "submit_empty", "submit_reset",
        "submit_accepted_reset", "submit_accepted_502", "submit_no_id",
    ],
)  # fmt: skip
async def test_what_may_have_been_accepted_stays(office: Office, fault: str) -> None:
    """No second platform is asked for what the first may have been paid for."""
    customer = await office()
    customer.bfl.script(fault, times=None)
    reply = await customer.edit("make it blue")
    assert reply.status >= 500
    assert "x-gateway-attempts" not in reply.headers
    assert customer.spare.counts.submits_seen == 0
    assert customer.openai.seen == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("request_moderated", "moderation_blocked"),
        ("content_moderated", "moderation_blocked"),
        ("submit_422_field", "invalid_value"),
        ("task_error", "invalid_image_file"),
    ],
)
async def test_a_refusal_is_an_answer(office: Office, fault: str, code: str) -> None:
    """What one platform refuses for its content is not shown to the next."""
    customer = await office()
    customer.bfl.script(fault, times=None)
    assert (await customer.edit("make it blue")).error["code"] == code
    assert customer.spare.counts.submits_seen == 0
    assert customer.openai.seen == []


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answer({"error": {"code": "rate_limit_exceeded"}}, 429), "platform_busy"),
        (answer({"error": {"code": "invalid_api_key"}}, 401), "platform_auth_failed"),
        (answer({}, 402), "platform_out_of_credits"),
    ],
)
async def test_from_a_relay_to_a_job(office: Office, script: Script, code: str) -> None:
    """OpenAI says a definite no about the gateway's own account: FLUX serves, from the bytes that were kept."""
    customer = await office("openai/gpt-image-1", "spare/flux-2-pro", scripts=(script,))
    reply = await customer.edit("make it blue", size="1024x1024")
    assert len(reply.pictures) == 1
    assert reply.headers["x-gateway-attempts"] == f"openai/gpt-image-1 {code}, spare/flux-2-pro"
    assert customer.accepted == (0, 1)


async def test_a_relay_that_cannot_be_reached(office: Office) -> None:
    """Nothing was sent, so nothing was paid."""
    customer = await office("openai", "spare/flux-2-pro", platforms={"openai": {"base_url": f"{NOWHERE}/v1"}})
    reply = await customer.edit("make it blue")
    assert reply.headers["x-gateway-attempts"] == "openai platform_unreachable, spare/flux-2-pro"
    assert customer.accepted == (0, 1)


@pytest.mark.parametrize(
    ("script", "status"), [(cut(b""), 502), (answer({"error": {}}, 500), 500), (answer({"error": {}}, 400), 400)]
)
async def test_what_a_relay_may_have_done_stays(office: Office, script: Script, status: int) -> None:
    """No answer, a fault in the platform, or a fault of the request: no second platform is asked."""
    customer = await office("openai", "spare/flux-2-pro", scripts=(script,))
    assert (await customer.edit("make it blue")).status == status
    assert customer.accepted == (0, 0)


async def test_only_the_last_answer_is_passed_on_of_a_relay(office: Office) -> None:
    """With nobody behind it OpenAI's own 429 reaches the client, words and headers."""
    refusal = answer({"error": {"message": "slow down"}}, 429, [("x-ratelimit-limit-images", "7")])
    customer = await office("bfl", "openai", scripts=(refusal, PICTURES))
    customer.bfl.script("submit_402", times=None)
    reply = await customer.edit("make it blue")
    assert (reply.status, reply.error["message"]) == (429, "slow down")
    assert reply.headers["x-ratelimit-limit-images"] == "7"


# A target that cannot serve what was asked.


@pytest.mark.parametrize(("name", "value"), [("background", "transparent"), ("output_format", "gif")])
async def test_a_field_that_only_the_last_serves(office: Office, name: str, value: str) -> None:
    """FLUX makes no transparent background; OpenAI does, and the answer says who was passed over for what."""
    customer = await office()
    fields: dict[str, Any] = {name: value}
    reply = await customer.edit("make it blue", **fields)
    assert (reply.status, reply.body["data"]) == (200, [{"b64_json": "UE5H"}])
    assert reply.headers["x-gateway-attempts"] == (
        f"bfl/flux-kontext-pro unsupported_parameter({name}), "
        f"spare/flux-2-pro unsupported_parameter({name}), openai/gpt-image-1"
    )
    assert customer.fallbacks("bfl", "unsupported_parameter") == 1
    assert value.encode() in bytes(customer.openai.seen[0].body)
    assert customer.accepted == (0, 0)


async def test_a_field_that_only_the_second_model_has(office: Office) -> None:
    """One account's model is passed over for another account's."""
    customer = await office("bfl", "spare/flux-2-pro")
    reply = await customer.edit("make it blue", disable_pup="true")
    assert reply.status == 200, reply.raw
    assert reply.headers["x-gateway-attempts"] == (
        "bfl/flux-kontext-pro unsupported_parameter(disable_pup), spare/flux-2-pro"
    )
    assert customer.accepted == (0, 1)


@pytest.mark.parametrize(("name", "value"), [("seed", "5"), ("aspect_ratio", "16:9")])
async def test_a_field_that_only_flux_has(office: Office, name: str, value: str) -> None:
    """OpenAI would refuse it: while FLUX is in trouble that is what the client hears, and what it may wait for."""
    customer = await office("bfl", "openai/gpt-image-2")
    customer.bfl.script("submit_402")
    fields: dict[str, Any] = {name: value}
    reply = await customer.edit("make it blue", **fields)
    assert reply.error["code"] == "platform_out_of_credits"
    assert customer.openai.seen == []
    assert len((await customer.edit("make it blue", **fields)).pictures) == 1
    assert customer.accepted == (1, 0)


async def test_more_pictures_than_the_first_takes(office: Office) -> None:
    """Those that the second has are read, and reach it."""
    customer = await office("bfl/flux-pro-1.0-fill", "spare/flux-2-pro")
    form = aiohttp.FormData()
    form.add_field("prompt", "make it blue")
    for index in range(2):
        form.add_field("image[]", picture(96, 64, seed=index), filename="a.png", content_type="image/png")
    async with customer._client.post(f"{customer.gateway.url}/v1/images/edits", data=form) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["x-gateway-attempts"].startswith(
            "bfl/flux-pro-1.0-fill unsupported_parameter(image[1]), spare/"
        )
    assert customer.accepted == (0, 1)


async def test_a_field_that_nobody_serves(office: Office) -> None:
    """The words are those of the first, which is the one that was meant."""
    customer = await office("bfl", "spare/flux-2-pro")
    reply = await customer.edit("make it blue", background="transparent")
    assert reply.refusal == (400, "unsupported_parameter", "false")
    assert "flux-kontext-pro" in reply.error["message"]
    assert customer.accepted == (0, 0)


async def test_trouble_behind_one_that_cannot_serve(office: Office) -> None:
    """It may be over later, so it is what the client hears."""
    customer = await office("bfl", "spare/flux-2-pro")
    customer.spare.script("submit_402", times=None)
    reply = await customer.edit("make it blue", disable_pup="true")
    assert reply.error["code"] == "platform_out_of_credits"
    assert customer.accepted == (0, 0)


@pytest.mark.parametrize("fields", [{"size": "9000x10"}, {"wonder": "1"}, {"n": "11"}, {"quality": "ultra"}])
async def test_a_wrong_value_is_wrong_for_all(office: Office, fields: dict[str, Any]) -> None:
    """Nobody else is asked about it."""
    customer = await office()
    reply = await customer.edit("make it blue", **fields)
    assert (reply.status, reply.error["param"]) == (400, *fields)
    assert "x-gateway-attempts" not in reply.headers
    assert customer.openai.seen == []
