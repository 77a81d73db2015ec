"""What a client sees and what the platform was asked to do, whatever breaks. The emulator counts, not the gateway."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any

import aiohttp
import pytest
import structlog
from PIL import Image

from gateway.emulator import Emulator
from gateway.emulator.fault_table import FAULTS
from gateway.handlers import answer
from gateway.jobs import collect, join
from gateway.upstream import download, session
from tests.conftest import StartGateway
from tests.fakes.customer import IMAGE, NO_BREAKER, RESEND, Customer, Reply, until
from tests.fakes.pictures import picture

Serve = Callable[..., Awaitable[Customer]]

# A hundred seconds of the gateway's clock are one of the test's.
PATIENCE_S = 300.0
# These go on for as long as the client is ready to wait.
ENDLESS = ("submit_429", "pending_forever", "delivery_gone")
UNREADABLE = (502, "platform_answer_lost", "false")

# What a fault that stays becomes for the client, and how many tasks are paid. Faults not named here are cured.
ENDS: dict[str, tuple[tuple[int, str, str], int]] = {
    "submit_401": ((502, "platform_auth_failed", "false"), 0),
    "submit_402": ((503, "platform_out_of_credits", "false"), 0),
    "submit_403": ((502, "platform_auth_failed", "false"), 0),
    "submit_404": ((502, "platform_error", "false"), 0),
    "submit_422": ((502, "platform_auth_failed", "false"), 0),
    "submit_422_field": ((400, "invalid_value", "false"), 0),
    "submit_429": ((429, "platform_busy", "true"), 0),
    "submit_500": (UNREADABLE, 0),
    "submit_502": (UNREADABLE, 0),
    "submit_503": (UNREADABLE, 0),
    "submit_504": (UNREADABLE, 0),
    "submit_html": (UNREADABLE, 0),
    "submit_html_200": (UNREADABLE, 0),
    "submit_empty": (UNREADABLE, 0),
    "submit_redirect": (UNREADABLE, 0),
    "submit_reset": (UNREADABLE, 0),
    "submit_stall": (UNREADABLE, 0),
    # The emulator has not read on, but a small body was written completely.
    "submit_reset_unread": (UNREADABLE, 0),
    "submit_reset_part": (UNREADABLE, 0),
    "submit_stall_unread": (UNREADABLE, 0),
    "submit_503_unread": (UNREADABLE, 0),
    "submit_accepted_reset": (UNREADABLE, 1),
    "submit_accepted_stall": (UNREADABLE, 1),
    "submit_accepted_502": (UNREADABLE, 1),
    "submit_accepted_html": (UNREADABLE, 1),
    "submit_accepted_empty": (UNREADABLE, 1),
    "submit_no_id": (UNREADABLE, 1),
    "submit_foreign_polling": ((502, "platform_foreign_host", "false"), 1),
    "request_moderated": ((400, "moderation_blocked", "false"), 1),
    "content_moderated": ((400, "moderation_blocked", "false"), 1),
    "task_error": ((400, "invalid_image_file", "false"), 1),
    "task_error_422": ((400, "invalid_image_file", "false"), 1),
    "task_error_503": ((400, "invalid_image_file", "false"), 1),
    "task_failed": ((400, "invalid_image_file", "false"), 1),
    "pending_forever": ((504, "answer_overdue", "false"), 1),
    "pending_long": ((504, "answer_overdue", "false"), 1),
    "ready_without_sample": ((502, "platform_result_lost", "false"), 1),
    "ready_without_result": ((502, "platform_result_lost", "false"), 1),
    "delivery_gone": ((504, "answer_overdue", "false"), 1),
    "region_moved": ((502, "platform_task_lost", "false"), 1),
    "poll_404_late": ((502, "platform_task_lost", "false"), 1),
}
# Faults that need more than their name: a quick drip, a slow trickle, and a first poll that does not find it ready.
WRITTEN = {
    "delivery_drip": "delivery_drip=0.01",
    "delivery_trickle": "delivery_trickle=60",
    "poll_404_late": "poll_404_late]] [[fault:poll_status*1",
    "submit_accepted_late": "submit_accepted_late=10",
}
POLLS = sorted(name for name, fault in FAULTS.items() if fault.stage == "poll" and not fault.skip)
DELIVERIES = sorted(
    name for name, fault in FAULTS.items() if fault.stage == "delivery" and fault.times and name not in WRITTEN
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent platforms are given up as quickly as the rest of the test's time runs."""
    monkeypatch.setattr(session, "SUBMIT_TIMES", aiohttp.ClientTimeout(total=0.9, sock_connect=0.2, sock_read=0.3))
    monkeypatch.setattr(session, "POLL_TIMES", aiohttp.ClientTimeout(total=0.2, sock_connect=0.1, sock_read=0.1))
    monkeypatch.setattr(download, "TIMES", aiohttp.ClientTimeout(total=1.2, sock_connect=0.1, sock_read=0.2))


@pytest.fixture
async def serve(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serve]:
    """Start a gateway that is patient for `PATIENCE_S`; afterwards its books and the emulator's have to balance."""
    served: list[Customer] = []
    # On this clock ten seconds are too short for a busy machine, and five minutes too long to see the end of.
    monkeypatch.setattr(join, "RESEND_S", 60.0)
    monkeypatch.setattr(join, "DELIVERED_S", 60.0)

    async def serve(**keys: Any) -> Customer:
        keys["jobs"] = {"answer_within": PATIENCE_S, "breaker": NO_BREAKER, **keys.get("jobs", {})}
        served.append(Customer(await start_gateway(bfl, **keys), client))
        return served[-1]

    yield serve
    for customer in served:
        await customer.balance()
    truth = bfl.counts
    assert (truth.leaked_keys, truth.strays, truth.keys_seen["delivery"]) == (0, 0, 0)
    assert not truth.ignored_fields and not truth.explicit_nulls


def marked(fault: str) -> str:
    return f"make it blue [[fault:{fault}]]"


@cache
def large() -> bytes:
    """More than the sockets' buffers hold."""
    return picture(1800, 1500, noise=True)


def is_picture(data: bytes) -> bool:
    Image.open(io.BytesIO(data)).load()
    return True


async def sent_again(customer: Customer, prompt: str, reply: Reply, **fields: Any) -> Reply:
    """What clients do by themselves; the AI SDK declares nothing and looks at the status only."""
    for headers in ({}, RESEND):
        if reply.status in (408, 409, 429) or reply.status >= 500:
            reply = await customer.edit(prompt, headers=headers, **fields)
    return reply


# Every fault of the emulator's table.


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_every_fault_is_paid_for_once(serve: Serve, bfl: Emulator, fault: str) -> None:
    """Cured or answered as agreed, and whatever clients send again by themselves, at most one task was paid."""
    customer = await serve(jobs={"answer_within": 30.0 if fault in ENDLESS else PATIENCE_S})
    prompt = marked(WRITTEN.get(fault, fault))
    reply = await customer.edit(prompt)
    expected, paid = ENDS.get(fault, (None, 1))
    if expected is None:
        assert len(reply.pictures) == 1 and is_picture(reply.pictures[0])
    else:
        assert reply.refusal == expected
    assert bfl.counts.accepted == paid
    reply = await sent_again(customer, prompt, reply)
    assert bfl.counts.accepted == paid
    if paid == 0 and fault != "submit_429":
        seen = bfl.counts.submits_seen
        assert seen == (1 if expected in (UNREADABLE, (400, "invalid_value", "false")) else 3)


def test_the_table_names_faults() -> None:
    """Every expectation is about a fault that exists."""
    assert ENDS.keys() <= FAULTS.keys()


# Submitting.


async def test_nobody_listens(serve: Serve, bfl: Emulator, unused_tcp_port: int) -> None:
    """Refused connections are tried three times, and say that nothing was charged."""
    customer = await serve(platform={"base_url": f"http://127.0.0.1:{unused_tcp_port}"})
    reply = await customer.edit("make it blue")
    assert reply.refusal == (502, "platform_unreachable", "true")
    assert customer.metric("upstream_responses_total", platform="bfl", call="submit", status="0") == 3
    assert (await customer.edit("make it blue", headers=RESEND)).refusal == reply.refusal
    assert customer.metric("upstream_responses_total", platform="bfl", call="submit", status="0") == 6


@pytest.mark.parametrize("fault", ["submit_reset_unread", "submit_reset_part", "submit_503_unread"])
async def test_a_body_that_was_not_written_is_sent_again(serve: Serve, bfl: Emulator, fault: str) -> None:
    """A large upload cut in the middle cannot have been understood: the next attempt is the first one that counts."""
    customer = await serve()
    bfl.script(fault, times=2)
    assert len((await customer.edit("make it blue", image=large())).pictures) == 1
    assert (bfl.counts.accepted, bfl.counts.submits_seen) == (1, 3)


@pytest.mark.parametrize("wait", ["", "=0", "=5", "=999999", "=Wed, 21 Oct 2026 07:28:00 GMT", "=soon", "=-1"])
async def test_a_busy_platform_is_waited_for(serve: Serve, bfl: Emulator, wait: str) -> None:
    """A 429 is waiting in the queue, whatever its Retry-After says; the client only sees the picture."""
    customer = await serve()
    reply = await customer.edit(marked(f"submit_429{wait}*2"))
    assert len(reply.pictures) == 1
    assert (bfl.counts.accepted, bfl.counts.refused["429"]) == (1, 2)


async def test_a_platform_that_stays_busy(serve: Serve, bfl: Emulator) -> None:
    """429 for ever is a 429 before long: unpaid, to be tried again, and nothing of it stays."""
    customer = await serve()
    bfl.script("submit_429", times=None)
    reply = await customer.edit("make it blue")
    assert reply.refusal == (429, "platform_busy", "true")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert bfl.counts.accepted == 0
    bfl.reset()
    assert len((await customer.edit("make it blue", headers=RESEND)).pictures) == 1


async def test_the_refused_field_has_the_clients_name(serve: Serve, bfl: Emulator) -> None:
    """A complaint about `aspect_ratio` is one about the `size` the client sent."""
    customer = await serve()
    reply = await customer.edit(marked("submit_422_field=aspect_ratio"), size="1024x768")
    assert (reply.status, reply.error["param"]) == (400, "size")


async def test_a_foreign_polling_host_gets_no_request(serve: Serve, bfl: Emulator) -> None:
    """The key goes nowhere on a stranger's word: nobody is asked, and the operator finds the task's id."""
    customer = await serve()
    with structlog.testing.capture_logs() as logged:
        reply = await customer.edit(marked("submit_foreign_polling=https://api.bfl.ai.example"))
    assert reply.refusal == (502, "platform_foreign_host", "false")
    labels = {"platform": "bfl", "model": "flux-kontext-pro", "outcome": "platform_foreign_host"}
    assert customer.metric("submissions_total", **labels) == 1
    assert bfl.counts.polls == 0
    assert customer.metric("upstream_responses_total", platform="bfl", call="poll", status="0") == 0
    (warned,) = (line for line in logged if line["event"] == "paid in vain")
    assert str(bfl.tasks[0]["id"]) in warned["detail"] and warned["paid"] == "maybe"


# Polling.


@pytest.mark.parametrize("fault", POLLS)
async def test_a_bad_poll_in_the_middle(serve: Serve, bfl: Emulator, fault: str) -> None:
    """Whatever a poll answers once, the task is paid for and its picture is delivered."""
    customer = await serve()
    reply = await customer.edit(marked(f"{fault}*3"))
    assert len(reply.pictures) == 1
    assert (bfl.counts.accepted, bfl.counts.faults[fault]) == (1, 3)


async def test_an_unknown_status_means_working(serve: Serve) -> None:
    """A word nobody has documented is counted, and waited through."""
    customer = await serve()
    await customer.edit(marked("poll_status=Dreaming*4"))
    assert customer.metric("vendor_fields_unknown_total", platform="bfl") == 4


@pytest.mark.parametrize(("fault", "stage"), [("request_moderated", "input"), ("content_moderated", "output")])
async def test_moderation_is_told_and_not_kept(serve: Serve, bfl: Emulator, fault: str, stage: str) -> None:
    """400 with stage and categories; asked again, the platform is asked again, as nothing was charged."""
    customer = await serve()
    for asked in (1, 2):
        reply = await customer.edit(marked(f"{fault}=Violence|Celebrity"))
        assert reply.refusal == (400, "moderation_blocked", "false")
        told = {"moderation_stage": stage, "categories": ["Violence", "Celebrity"]}
        assert reply.error["moderation_details"] == told
        assert bfl.counts.accepted == asked


@pytest.mark.parametrize("fault", ["task_error", "task_error_422", "task_error_503", "task_failed"])
async def test_a_task_that_fails(serve: Serve, bfl: Emulator, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """502, perhaps paid; whoever sends it again within the time of replays pays nothing, later it is a new request."""
    monkeypatch.setattr(join, "REPLAY_S", 60.0)
    customer = await serve()
    prompt = marked(f"{fault}=Out of memory")
    failed = (502, "platform_error", "false")
    assert (await customer.edit(prompt)).refusal == failed
    assert (await customer.edit(prompt)).refusal == failed
    assert (await customer.edit(prompt, headers=RESEND)).refusal == failed
    assert bfl.counts.accepted == 1
    passed = customer.gateway.supervisor._tools.clock.now() + 61
    await until(lambda: customer.gateway.supervisor._tools.clock.now() > passed)
    assert (await customer.edit(prompt)).refusal == failed
    assert bfl.counts.accepted == 2


async def test_pending_for_ever(serve: Serve, bfl: Emulator) -> None:
    """504 at the promised time with the job's id; the slot stays taken until the task is too old."""
    customer = await serve(jobs={"answer_within": 20, "job_max_age": 60})
    reply = await customer.edit(marked("pending_forever"))
    assert reply.refusal == (504, "answer_overdue", "false")
    assert reply.headers["x-job-id"].startswith("job_")
    slots = {"platform": "bfl", "model": "flux-kontext-pro"}
    assert customer.metric("submissions_active", **slots) == 1
    await until(lambda: customer.metric("submissions_active", **slots) == 0)
    await until(lambda: customer.metric("jobs_parked") == 1)
    again = await customer.edit(marked("pending_forever"))
    assert again.headers["x-job-id"] == reply.headers["x-job-id"]
    assert bfl.counts.accepted == 1


async def test_late_but_not_lost(serve: Serve, bfl: Emulator) -> None:
    """After the 504 the job goes on, parked in the end; the same request gets its picture, which was paid once."""
    customer = await serve(jobs={"answer_within": 5, "job_max_age": 8})
    prompt = marked("poll_status*6")
    reply = await customer.edit(prompt)
    assert reply.status == 504
    while reply.status == 504:
        reply = await customer.edit(prompt)
    assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 1
    assert customer.metric("duplicate_submissions_prevented_total", reason="orphan") >= 1


# Collecting.


@pytest.mark.parametrize("fault", DELIVERIES)
async def test_a_bad_delivery_twice(serve: Serve, bfl: Emulator, fault: str) -> None:
    """The picture is fetched from the start, over a fresh link, until it is whole."""
    customer = await serve()
    value = "=90000000" if fault in ("delivery_oversize", "delivery_huge_length") else ""
    reply = await customer.edit(marked(f"{fault}{value}*2"))
    assert is_picture(reply.pictures[0])
    assert (bfl.counts.accepted, bfl.counts.faults[fault]) == (1, 2)


@pytest.mark.parametrize(
    "fault", ["delivery_expired", "delivery_500", "delivery_torn", "delivery_html", "delivery_redirect"]
)
async def test_a_delivery_that_is_never_cured(
    serve: Serve, bfl: Emulator, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """502 after all attempts, counted as a loss; paid, so nobody is told to send it again."""
    monkeypatch.setattr(collect, "COLLECT_S", 100.0)
    customer = await serve()
    reply = await customer.edit(marked(f"{fault}*1000"))
    assert reply.refusal == (502, "platform_result_lost", "false")
    assert customer.metric("results_lost_total", platform="bfl") == 1
    reply = await sent_again(customer, marked(f"{fault}*1000"), reply)
    assert bfl.counts.accepted == 1


async def test_a_picture_of_another_kind(serve: Serve, bfl: Emulator) -> None:
    """The type is read from the bytes: an answer says what it holds, not what was asked."""
    customer = await serve()
    reply = await customer.edit("make it blue", output_format="webp")
    assert Image.open(io.BytesIO(reply.pictures[0])).format == "WEBP"
    assert reply.body["output_format"] == "webp"


# Joining.


async def test_cut_while_the_job_runs(serve: Serve, bfl: Emulator) -> None:
    """The client is gone, the same request comes again undeclared: it gets the running job."""
    customer = await serve()
    await until_accepted_then_leave(customer, bfl, "make it blue")
    reply = await customer.edit("make it blue")
    assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 1
    assert customer.metric("duplicate_submissions_prevented_total", reason="orphan") == 1


async def test_cut_and_back_when_it_is_done(serve: Serve, bfl: Emulator) -> None:
    """The job ends while nobody waits; its picture is kept for the same request, once."""
    customer = await serve()
    await until_accepted_then_leave(customer, bfl, "make it blue")
    await until(lambda: done(customer))
    assert customer.metric("results_bytes") > 0
    reply = await customer.edit("make it blue")
    assert len(reply.pictures) == 1 and reply.headers["Idempotent-Replayed"] == "true"
    assert bfl.counts.accepted == 1
    await customer.edit("make it blue")
    assert bfl.counts.accepted == 2


async def test_two_intended_requests_stay_two(serve: Serve, bfl: Emulator) -> None:
    """Identical requests side by side and one after the other are wanted as often as they are sent."""
    customer = await serve()
    replies = await asyncio.gather(*(customer.edit("make it blue") for _ in range(3)))
    assert len({reply.headers["x-job-id"] for reply in replies}) == 3
    await customer.edit("make it blue")
    assert bfl.counts.accepted == 4


async def test_two_orphans_for_two_clients(serve: Serve, bfl: Emulator) -> None:
    """Two identical jobs were cut: the two that come back get one each, and pay nothing."""
    customer = await serve()
    begun = [customer.begin("make it blue") for _ in range(2)]
    await until(lambda: bfl.counts.accepted == 2)
    await customer.leave(*begun)
    replies = await asyncio.gather(*(customer.edit("make it blue") for _ in range(2)))
    assert len({reply.headers["x-job-id"] for reply in replies}) == 2
    assert bfl.counts.accepted == 2


async def test_a_declared_resend_joins_a_job_with_a_waiter(serve: Serve, bfl: Emulator) -> None:
    """The gateway has not seen the cut yet; the SDK says that it sends again, which is enough."""
    customer = await serve()
    first = customer.begin("make it blue")
    await until(lambda: bfl.counts.accepted == 1)
    second = await customer.edit("make it blue", headers=RESEND)
    assert second.pictures == (await first).pictures
    assert bfl.counts.accepted == 1
    assert customer.metric("duplicate_submissions_prevented_total", reason="resend") == 1


async def test_a_resend_of_what_was_delivered(serve: Serve, bfl: Emulator) -> None:
    """The last bytes were lost behind the kernel: a declared resend gets the same picture for a minute."""
    customer = await serve()
    first = await customer.edit("make it blue")
    again = await customer.edit("make it blue", headers=RESEND)
    assert again.pictures == first.pictures and again.headers["Idempotent-Replayed"] == "true"
    assert bfl.counts.accepted == 1
    await customer.gateway._clock.sleep(join.RESEND_S)
    await customer.edit("make it blue", headers=RESEND)
    assert bfl.counts.accepted == 2


async def test_other_content_is_another_job(serve: Serve, bfl: Emulator) -> None:
    """One field or one pixel makes another request, declared resend or not."""
    customer = await serve()
    await customer.edit("make it blue")
    await customer.edit("make it blue ", headers=RESEND)
    await customer.edit("make it blue", headers=RESEND, seed=7)
    await customer.edit("make it blue", headers=RESEND, image=picture(seed=2))
    assert bfl.counts.accepted == 4


async def test_callers_never_join_each_other(serve: Serve, bfl: Emulator) -> None:
    """Content, key and declared resend are the same; the callers are not, and neither are the jobs."""
    keys = {name: f"gw-{name}-0123456789abcdef0123456789abcdef" for name in ("ann", "bob")}
    hashed = [{"id": name, "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"} for name, key in keys.items()]
    customer = await serve(auth={"keys": hashed})
    jobs = Counter[str]()
    for key in [*keys.values(), *keys.values()]:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one", **RESEND}
        jobs[(await customer.edit("make it blue", headers=headers)).headers["x-job-id"]] += 1
    assert sorted(jobs.values()) == [2, 2]
    assert bfl.counts.accepted == 2


# Idempotency-Key.


async def test_a_hundred_with_one_key(serve: Serve, bfl: Emulator) -> None:
    """One submission, and all hundred get its picture."""
    customer = await serve()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as crowd:
        hundred = Customer(customer.gateway, crowd)
        replies = await asyncio.gather(
            *(hundred.edit("make it blue", headers={"Idempotency-Key": '"k-1"'}) for _ in range(100))
        )
    assert len({reply.pictures[0] for reply in replies}) == 1
    assert bfl.counts.submits_seen == 1


async def test_a_key_is_answered_again(serve: Serve, bfl: Emulator) -> None:
    """The same key, quoted or bare, gets the stored picture, also when it was delivered long ago."""
    customer = await serve()
    first = await customer.edit("make it blue", headers={"Idempotency-Key": "k-1"})
    assert "Idempotent-Replayed" not in first.headers
    for spelled in ("k-1", '"k-1"'):
        again = await customer.edit("make it blue", headers={"Idempotency-Key": spelled})
        assert again.pictures == first.pictures
        assert again.headers["Idempotent-Replayed"] == "true"
    assert bfl.counts.accepted == 1


async def test_a_key_with_other_content(serve: Serve, bfl: Emulator) -> None:
    """422, while the job runs and after it; never the other request's picture."""
    customer = await serve()
    headers = {"Idempotency-Key": "k-1"}
    first = customer.begin("make it blue", headers=headers)
    await until(lambda: bfl.counts.accepted == 1)
    for _ in range(2):
        reply = await customer.edit("make it red", headers=headers)
        assert reply.refusal == (422, "idempotency_key_reused", "false")
        assert len((await first).pictures) == 1
    assert bfl.counts.accepted == 1


async def test_a_new_key_forces_a_new_job(serve: Serve, bfl: Emulator) -> None:
    """Whoever names another key wants another picture, even where an orphan or a lost answer would match."""
    customer = await serve()
    assert (await customer.edit(marked("submit_accepted_reset*1"))).status == 502
    reply = await customer.edit(marked("submit_accepted_reset*1"), headers={"Idempotency-Key": "new"})
    assert len(reply.pictures) == 1
    assert bfl.counts.accepted == 2


@pytest.mark.parametrize("fault", ["submit_403", "submit_422_field", "submit_429"])
async def test_an_unpaid_failure_is_not_remembered(serve: Serve, bfl: Emulator, fault: str) -> None:
    """The same key works with a corrected request at once, and also with the same one."""
    customer = await serve(jobs={"answer_within": 100})
    headers = {"Idempotency-Key": "k-1"}
    bfl.script(fault, times=None)
    assert (await customer.edit("make it blue", headers=headers)).status != 200
    bfl.reset()
    assert len((await customer.edit("make it red", headers=headers)).pictures) == 1


async def test_a_refusal_in_the_gateway_is_not_remembered(serve: Serve, bfl: Emulator) -> None:
    """A 400 of the gateway's own leaves the key unused."""
    customer = await serve()
    headers = {"Idempotency-Key": "k-1"}
    assert (await customer.edit("make it blue", headers=headers, size="100x1")).status == 400
    assert len((await customer.edit("make it blue", headers=headers)).pictures) == 1


async def test_errors_under_a_key_are_replayed(serve: Serve, bfl: Emulator) -> None:
    """Moderated or lost: the same key gets the same error, marked as a replay, and nothing is asked again."""
    customer = await serve()
    for fault in ("content_moderated=Violence", "submit_accepted_reset"):
        headers = {"Idempotency-Key": fault}
        first = await customer.edit(marked(fault), headers=headers)
        again = await customer.edit(marked(fault), headers=headers)
        assert again.raw == first.raw and again.status == first.status
        assert again.headers["Idempotent-Replayed"] == "true"
    assert bfl.counts.submits_seen == 2


async def test_a_lost_answer_is_replayed_for_its_time(
    serve: Serve, bfl: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then nobody pays for what may have been paid; afterwards the request is a new one."""
    monkeypatch.setattr(join, "REPLAY_S", 90.0)
    customer = await serve()
    clock = customer.gateway.supervisor._tools.clock
    started = clock.wall()
    prompt = marked("submit_accepted_502*1")
    assert (await customer.edit(prompt)).refusal == UNREADABLE
    while (reply := await customer.edit(prompt)).status != 200:
        assert reply.refusal == UNREADABLE
        assert bfl.counts.accepted == 1
        await clock.sleep(10)
    assert 90 <= clock.wall() - started < 200
    assert bfl.counts.accepted == 2


# Several pictures.


async def test_finished_pictures_are_not_lost_with_a_sibling(serve: Serve, bfl: Emulator) -> None:
    """One of three is refused: two pictures, and the answer says so."""
    customer = await serve()
    bfl.script("content_moderated", times=1)
    reply = await customer.edit("make it blue", n=3)
    assert len(reply.pictures) == 2
    assert "n=emulated(2 of 3)" in reply.headers["x-gateway-translation"]


async def test_all_siblings_fail(serve: Serve, bfl: Emulator) -> None:
    """With no picture at all the answer is the error that matters most: what may have been paid."""
    customer = await serve()
    bfl.script("submit_accepted_reset", times=1)
    bfl.script("request_moderated", times=None)
    reply = await customer.edit("make it blue", n=3)
    assert reply.refusal == UNREADABLE


async def test_siblings_cut_and_back(serve: Serve, bfl: Emulator) -> None:
    """Two of three never got a slot: the client that comes back gets the picture there is, and pays nothing."""
    customer = await serve(platform={"max_active_tasks": 1}, jobs={"answer_within": 30})
    bfl.script("poll_status", times=45)
    begun = customer.begin("make it blue", n=3)
    await until(lambda: bfl.counts.accepted == 1)
    await customer.leave(begun)
    await until(lambda: done(customer))
    reply = await customer.edit("make it blue", n=3)
    assert len(reply.pictures) == bfl.counts.accepted == 1
    assert "n=emulated(1 of 3)" in reply.headers["x-gateway-translation"]


# Leaving.


async def test_leaving_the_queue_costs_nothing(serve: Serve, bfl: Emulator) -> None:
    """A client that goes before its turn was never submitted, and nobody stands behind it for nothing."""
    customer = await serve(platform={"max_active_tasks": 1})
    first = customer.begin(marked("poll_status*8"))
    await until(lambda: bfl.counts.accepted == 1)
    waiting = [customer.begin(f"make it blue {index}") for index in range(5)]
    await until(lambda: customer.metric("queue_depth", platform="bfl") == 5)
    for task in waiting[:4]:
        task.cancel()
    await until(lambda: customer.metric("queue_depth", platform="bfl") == 1)
    assert len((await first).pictures) == len((await waiting[4]).pictures) == 1
    assert bfl.counts.submits_seen == 2


async def test_leaving_a_busy_platform_costs_nothing(serve: Serve, bfl: Emulator) -> None:
    """The platform said 429, nothing is at stake any more: who leaves then is not submitted later."""
    customer = await serve()
    bfl.script("submit_429", times=1)
    begun = customer.begin("make it blue")
    await until(lambda: bfl.counts.refused["429"] == 1)
    await until(lambda: customer.metric("queue_depth", platform="bfl") == 1)
    await customer.leave(begun)
    await until(lambda: done(customer))
    assert bfl.counts.submits_seen == 1
    assert len((await customer.edit("make it blue")).pictures) == 1


async def test_leaving_at_any_moment(serve: Serve, bfl: Emulator) -> None:
    """A client that is cut after any number of turns of the loop, and comes back, pays once."""
    customer = await serve()
    for turns in range(0, 60, 4):
        prompt = f"make it blue {turns}"
        begun = customer.begin(prompt)
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        begun.cancel()
        await asyncio.gather(begun, return_exceptions=True)
        reply = await customer.edit(prompt, headers=RESEND)
        assert len(reply.pictures) == 1
        assert bfl.counts.accepted_by_prompt[prompt] == 1


async def test_the_upload_is_let_go_with_the_acceptance(serve: Serve, bfl: Emulator) -> None:
    """As soon as the platform has taken the last submission the client's bytes are not held any more."""
    customer = await serve()
    bfl.script("poll_status", times=30)
    upload = picture(600, 500, noise=True)
    begun = customer.begin("make it blue", image=upload, n=2)
    await until(lambda: bfl.counts.submits_seen)
    assert customer.held >= len(upload)
    await until(lambda: bfl.counts.accepted == 2)
    await until(lambda: customer.held == 0)
    assert not begun.done()
    assert len((await begun).pictures) == 2


# Ceilings.


async def test_ceilings_hold_under_a_crowd(serve: Serve, bfl: Emulator) -> None:
    """Two hundred at once: never more than 24 unfinished tasks, 6 of the narrow model, and everybody is answered."""
    customer = await serve(jobs={"answer_within": 3000})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as crowd:
        many = Customer(customer.gateway, crowd)
        models = ["flux-kontext-max" if index % 4 == 0 else "flux-kontext-pro" for index in range(200)]
        # Moderated tasks take their time as well, but nobody has to paint them.
        prompt = marked("content_moderated")
        replies = await asyncio.gather(*(many.edit(f"{prompt}{i}", model=model) for i, model in enumerate(models)))
    assert {reply.refusal for reply in replies} == {(400, "moderation_blocked", "false")}
    truth = bfl.counts
    assert (truth.accepted, truth.refused["429"]) == (200, 0)
    assert truth.active_max == 24 and truth.active_max_by_model["flux-kontext-max"] == 6


async def test_a_full_queue_refuses_before_the_upload(serve: Serve, bfl: Emulator) -> None:
    """429 with Retry-After, before a byte of the body is read."""
    customer = await serve(platform={"max_active_tasks": 1}, jobs={"queue_limit": 0})
    first = customer.begin(marked("poll_status*8"))
    await until(lambda: bfl.counts.accepted == 1)
    received = customer.metric("image_bytes_total", direction="received")
    reply = await customer.edit("make it blue", image=IMAGE)
    assert reply.refusal == (429, "queue_full", "true")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert customer.metric("image_bytes_total", direction="received") == received
    assert len((await first).pictures) == 1


# Streams.


async def events(response: aiohttp.ClientResponse) -> list[str]:
    text = (await response.read()).decode()
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


async def test_a_stream_tells_each_picture(serve: Serve, bfl: Emulator) -> None:
    """Keep-alive comments while it waits, one completed event a picture, and no word of a refused sibling."""
    customer = await serve()
    bfl.script("content_moderated", times=1)
    bfl.script("poll_status", times=100)
    async with customer.open("make it blue", stream="true", n=3) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        text = (await response.read()).decode()
    assert text.count("event: image_edit.completed\n") == 2
    assert ": keep-alive\n\n" in text
    assert "event: error" not in text


async def test_a_stream_that_fails_after_its_start(serve: Serve, bfl: Emulator) -> None:
    """The fault is nested under `error`, where SDKs look for it."""
    customer = await serve()
    async with customer.open(marked("content_moderated=Violence"), stream="true") as response:
        assert response.status == 200
        text = (await response.read()).decode()
    assert '"type":"error"' in text and '"error":{' in text and '"code":"moderation_blocked"' in text


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("fault", ["submit_422_field", "submit_403", "submit_accepted_reset"])
async def test_a_stream_that_fails_before_its_start(
    serve: Serve, bfl: Emulator, monkeypatch: pytest.MonkeyPatch, fault: str, n: int
) -> None:
    """Nothing was accepted, so that the answer is a plain one with its own status."""
    monkeypatch.setattr(answer, "BEGIN_WITHIN_S", 200.0)
    customer = await serve()
    expected, _ = ENDS[fault]
    async with customer.open(marked(fault), stream="true", n=n) as response:
        reply = Reply(response.status, response.headers, await response.read())
    assert reply.refusal == expected


async def test_leaving_a_stream(serve: Serve, bfl: Emulator) -> None:
    """The job goes on and is kept; the same request gets the picture and pays nothing."""
    customer = await serve()
    async with customer.open("make it blue", stream="true") as response:
        assert response.status == 200
        response.close()
    await until(lambda: customer.metric("requests_in_flight") == 0)
    async with customer.open("make it blue", stream="true") as response:
        assert await events(response) == ["image_edit.completed"]
    assert bfl.counts.accepted == 1


async def test_a_stream_that_is_overdue(serve: Serve, bfl: Emulator) -> None:
    """At the promised time the stream ends with the error; the job does not end."""
    customer = await serve(jobs={"answer_within": 20})
    async with customer.open(marked("pending_forever"), stream="true") as response:
        text = (await response.read()).decode()
    assert '"code":"answer_overdue"' in text
    assert customer.metric("submissions_active", platform="bfl", model="flux-kontext-pro") == 1


# Bugs.


async def test_a_bug_after_the_acceptance_is_not_paid_twice(
    serve: Serve, bfl: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway itself fails in the middle of a paid job: a 500, and nobody pays again."""
    customer = await serve()
    monkeypatch.setattr(customer.gateway.download, "fetch", None)
    with structlog.testing.capture_logs() as logged:
        reply = await customer.edit("make it blue")
        assert reply.refusal == (500, "internal_error", "false")
        assert (await sent_again(customer, "make it blue", reply)).status == 500
    assert bfl.counts.accepted == 1
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["submission crashed"]


def done(customer: Customer) -> bool:
    """True when no job is under way."""
    return not customer.gateway.supervisor._tasks


async def until_accepted_then_leave(customer: Customer, bfl: Emulator, prompt: str) -> None:
    begun = customer.begin(prompt)
    await until(lambda: bfl.counts.accepted == 1)
    await customer.leave(begun)
