"""One BFL account: exactly n calls, each with its own seed, and the key where it belongs and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from gateway.domain.edit import Edit
from gateway.domain.egress import DIRECT, Egress
from gateway.domain.errors import ForeignPollingHost
from gateway.domain.outcome import Failed, Ticket, Working
from gateway.domain.target import JobTarget, Terms
from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.settings import BflSettings
from gateway.wire.body import Base64, JsonBody
from gateway.wire.call import Answer, Call
from tests.fakes.blob import MemoryBlob

KEY = "11111111-2222-4333-8444-555555555555"
PICTURE = MemoryBlob()


def account(**options: Any) -> Bfl:
    return Bfl("bfl", BflSettings.model_validate({"kind": "bfl", "api_key": KEY, **options}))


def edit(n: int = 1, **extra: str) -> Edit:
    return Edit("a fox", (PICTURE,), n=n, asked=tuple(extra.items()), extra=tuple(extra.items()))


def target(model: str = "flux-kontext-pro", **defaults: str) -> JobTarget:
    return JobTarget("bfl", model, Terms(defaults))


def test_the_call() -> None:
    """One POST to the model's own path, the key among the secrets."""
    assert account().plan(edit(), target("flux-kontext-max")).calls == (
        Call(
            "submit",
            "POST",
            "https://api.bfl.ai/v1/flux-kontext-max",
            JsonBody({"prompt": "a fox", "input_image": Base64(PICTURE), "output_format": "png"}),
            secrets={"x-key": KEY},
        ),
    )


@pytest.mark.parametrize("n", [1, 2, 10])
def test_n_calls_with_the_same_bytes(n: int) -> None:
    """Without a seed they are alike: the vendor rolls its own dice for each."""
    calls = account().plan(edit(n), target()).calls
    assert len(calls) == n
    assert all(call == calls[0] for call in calls)


@pytest.mark.parametrize(("asked", "default"), [("7", None), (None, "7")])
def test_seeds_count_up(asked: str | None, default: str | None) -> None:
    """Each picture another one, and repeatable: seed, seed + 1, …"""
    plan = account().plan(edit(3, **{"seed": asked} if asked else {}), target(**{"seed": default} if default else {}))
    bodies = [call.body.fields for call in plan.calls if call.body]
    assert [body["seed"] for body in bodies] == [7, 8, 9]
    assert all({**body, "seed": 7} == bodies[0] for body in bodies)


def test_the_highest_seed_still_fits() -> None:
    """The last of ten stays within 64 bits."""
    plan = account().plan(edit(10, seed=str(2**63 - 11)), target())
    last = plan.calls[-1].body
    assert last is not None and last.fields["seed"] == 2**63 - 2


def test_asking_after_a_task() -> None:
    """The address of the ticket verbatim, also where it does not look canonical."""
    ticket = Ticket("id", "https://API.eu9.bfl.ai/v1/get_result?id=a%2Fb", "m", "bfl")
    assert account().poll(ticket) == Call("poll", "GET", ticket.polling_url, secrets={"x-key": KEY})


@pytest.mark.parametrize(
    ("options", "address", "followed"),
    [
        ({}, "https://api.eu9.bfl.ai/v1/get_result?id=1", True),
        ({}, "https://evil.example/v1/get_result?id=1", False),
        ({}, "http://api.bfl.ai/v1/get_result?id=1", False),
        ({}, "http://127.0.0.1:9/v1/get_result?id=1", False),
        ({"polling_hosts": ["Poll.Example"]}, "https://poll.example/x", True),
        ({"polling_hosts": ["poll.example"]}, "http://poll.example/x", False),
        ({"insecure_hosts": ["emulator:9000"]}, "http://emulator:9000/x", True),
        ({"base_url": "http://127.0.0.1:1234/"}, "http://127.0.0.1:5678/x", True),
        ({"base_url": "http://127.0.0.1:1234"}, "http://10.0.0.1:1234/x", False),
    ],
)
def test_who_may_see_the_key(options: dict[str, Any], address: str, followed: bool) -> None:
    """A ticket is only made for an address that may be asked with the key."""
    bfl = account(**options)
    accepted = Answer(200, CIMultiDict(), b'{"id":"1","polling_url":"%s"}' % address.encode())
    outcome = bfl.read_submit(bfl.plan(edit(), target()), accepted)
    if followed:
        assert outcome == Working(Ticket("1", address, "flux-kontext-pro", "bfl"), "submitted")
    else:
        assert isinstance(outcome, Failed) and isinstance(outcome.error, ForeignPollingHost)


def test_an_id_alone_is_asked_after_at_the_base_url() -> None:
    """BFL leaves the address out where a webhook was named."""
    bfl = account(base_url="https://api.eu.bfl.ai")
    outcome = bfl.read_submit(bfl.plan(edit(), target()), Answer(200, CIMultiDict(), b'{"id":"abc"}'))
    assert isinstance(outcome, Working)
    assert outcome.ticket.polling_url == "https://api.eu.bfl.ai/v1/get_result?id=abc"


@pytest.mark.parametrize("task", ["a b", "a\\b", "é", "\t"])
def test_an_id_that_makes_no_address(task: str) -> None:
    """Not followed, not raised."""
    bfl = account()
    body = json.dumps({"id": task}).encode()
    outcome = bfl.read_submit(bfl.plan(edit(), target()), Answer(200, CIMultiDict(), body))
    assert isinstance(outcome, Failed) and isinstance(outcome.error, ForeignPollingHost)


def test_every_call_goes_the_operators_way() -> None:
    """Submissions, polls and probes by the same proxy; without one, directly."""
    egress = Egress("http://ann:word@proxy:3128")
    bfl = account(proxy="http://ann:word@proxy:3128")
    ticket = Ticket("t", "https://api.eu1.bfl.ai/v1/get_result?id=t", "flux-kontext-pro", "bfl")
    calls = (*bfl.plan(edit(2), target()).calls, bfl.poll(ticket), bfl.probe())
    assert bfl.egress == egress and [call.egress for call in calls] == [egress] * 4
    assert account().egress == account().probe().egress == DIRECT
