"""BFL's answers: only a definite no is unpaid, only a terminal status ends a task, nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.domain.blob import Link
from gateway.domain.errors import (
    AnswerLost,
    ForeignPollingHost,
    GatewayError,
    InvalidField,
    InvalidImage,
    Paid,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformError,
    PlatformOutOfCredits,
)
from gateway.domain.outcome import Failed, Finished, Outcome, Refused, Stage, Ticket, Unsure, Working
from gateway.platforms.bfl.response import HARMLESS, read_accepted, read_refused, read_status, retry_after
from gateway.wire.call import Answer
from tests.platforms.bfl.samples import NAMES, sample

ID = "0b5c1a9e-6a55-4f0e-9d2a-3f7c2f6b8e11"
POLLING = f"https://api.eu2.bfl.ai/v1/get_result?id={ID}"
TICKET = Ticket(ID, POLLING, "flux-kontext-pro", "bfl")
CLIENT_NAMES = {
    "prompt": "prompt",
    "aspect_ratio": "size",
    "safety_tolerance": "moderation",
    "input_image": "image",
    "input_image_2": "image[1]",
}
SAMPLE = json.loads(sample("poll.ready.200").body)["result"]["sample"]


def answer(status: int, body: Any, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, CIMultiDict({k.replace("_", "-"): v for k, v in headers.items()}), raw)


def submitted(found: Answer, *, trusted: bool = True) -> Outcome:
    if 200 <= found.status < 300:
        return read_accepted(
            found, "flux-kontext-pro", "bfl", "https://api.bfl.ai/v1/get_result?id=", lambda _: trusted
        )
    return read_refused(found, CLIENT_NAMES)


def error(outcome: Outcome) -> GatewayError:
    assert isinstance(outcome, Failed)
    return outcome.error


ACCEPTED = Working(TICKET, "submitted")
TAKEN: dict[str, Outcome] = {
    "submit.accepted.200": ACCEPTED,
    "submit.accepted_nulls.200": ACCEPTED,
    "submit.accepted_priced.200": Working(
        Ticket(ID, POLLING, "flux-kontext-pro", "bfl", 7.000000000000001), "submitted"
    ),
    "submit.accepted_flux_2.200": Working(Ticket(ID, POLLING, "flux-kontext-pro", "bfl", 4.5), "submitted"),
    "submit.accepted_webhook.200": Working(
        Ticket(ID, f"https://api.bfl.ai/v1/get_result?id={ID}", "flux-kontext-pro", "bfl"), "submitted"
    ),
}
TURNED_DOWN: dict[str, tuple[type[GatewayError], Paid, str | None]] = {
    "submit.unknown_path.404": (PlatformError, Paid.NO, None),
    "submit.key_missing.403": (PlatformAuthFailed, Paid.NO, None),
    "submit.key_format.422": (PlatformAuthFailed, Paid.NO, None),
    "submit.key_invalid.403": (PlatformAuthFailed, Paid.NO, None),
    "submit.credits.402": (PlatformOutOfCredits, Paid.NO, None),
    "submit.finetune.400": (InvalidField, Paid.NO, None),
    "submit.too_many.429": (PlatformBusy, Paid.NO, None),
    "submit.missing.422": (InvalidField, Paid.NO, "prompt"),
    "submit.tolerance.422": (InvalidField, Paid.NO, "moderation"),
    "submit.ratio.422": (InvalidField, Paid.NO, "size"),
    "submit.second_image.422": (InvalidField, Paid.NO, "image[1]"),
    "submit.extra.422": (InvalidField, Paid.NO, None),
    "submit.extra_flux_3.422": (InvalidField, Paid.NO, "image"),
    "submit.error.500": (AnswerLost, Paid.MAYBE, None),
    "submit.html.502": (AnswerLost, Paid.MAYBE, None),
    "submit.overloaded.503": (AnswerLost, Paid.MAYBE, None),
}
HEARD: dict[str, Outcome] = {
    "poll.pending.200": Working(TICKET, "Pending"),
    "poll.pending_progress.200": Working(TICKET, "Pending"),
    "poll.reasoning.200": Working(TICKET, "Reasoning"),
    "poll.generating.200": Working(TICKET, "Generating"),
    "poll.undocumented.200": Working(TICKET, "Upscaling", known=False),
    "poll.ready.200": Finished((Link(SAMPLE),), cost=4.0, seed=42, prompt="a red fox"),
    "poll.ready_short.200": Finished((Link(SAMPLE),), seed=1752478609715, prompt="a red fox"),
    "poll.ready_flux_2.200": Finished(
        (Link(SAMPLE),), seed=1093527466, prompt="a red fox in the snow, morning light, fine fur"
    ),
    "poll.ready_flux_3.200": Finished(
        (Link(SAMPLE),), prompt="A red fox stands in fresh snow, soft morning light on its fur"
    ),
    "poll.request_moderated.200": Refused(Stage.INPUT, ("Derivative Works Filter",)),
    "poll.content_moderated.200": Refused(Stage.OUTPUT, ("Safety Filter", "Nudity")),
    "poll.content_moderated_bare.200": Refused(Stage.OUTPUT, ()),
    "poll.not_found.404": Unsure("task not found", missing=True),
    "poll.key_missing.403": Unsure("poll answered 403 without a status", retry_after_s=1.0),
    "poll.rate.429": Unsure("poll answered 429 without a status", retry_after_s=2.0),
    "poll.error.500": Unsure("poll answered 500 without a status", retry_after_s=1.0),
    "poll.html.502": Unsure("poll answered 502 without a status"),
    "poll.unavailable.503": Unsure("poll answered 503 without a status", retry_after_s=7.0),
}
BROKEN: dict[str, type[GatewayError]] = {
    "poll.error.200": PlatformError,
    "poll.error.422": InvalidImage,
    "poll.error.503": PlatformError,
    "poll.failed.200": PlatformError,
}


def test_every_sample_has_its_meaning() -> None:
    """A recorded answer that nobody judges would be decoration."""
    assert sorted([*TAKEN, *TURNED_DOWN, *HEARD, *BROKEN]) == NAMES


@pytest.mark.parametrize("name", TAKEN)
def test_accepted(name: str) -> None:
    """A ticket, with the address to ask at verbatim, or made from the id where BFL promises a webhook."""
    assert submitted(sample(name)) == TAKEN[name]


@pytest.mark.parametrize("name", TURNED_DOWN)
def test_turned_down(name: str) -> None:
    """Whose fault it is, whether it was charged, and the client's own field where one is to blame."""
    found = error(submitted(sample(name)))
    assert (type(found), found.paid, found.param) == TURNED_DOWN[name]


@pytest.mark.parametrize("name", HEARD)
def test_heard(name: str) -> None:
    """The body's status before the HTTP code; what has none says nothing about the task."""
    assert read_status(TICKET, sample(name)) == HEARD[name]


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str) -> None:
    """A failed task ends under any HTTP status; it may have been charged."""
    found = error(read_status(TICKET, sample(name)))
    assert (type(found), found.paid) == (BROKEN[name], Paid.MAYBE)
    assert found.param == ("image" if isinstance(found, InvalidImage) else None)


@pytest.mark.parametrize("name", [*TURNED_DOWN, *BROKEN])
def test_vendor_bodies_stay_private(name: str) -> None:
    """The public text is ours; of the vendor's it holds at most a sentence that is known, or about a field."""
    found = error(submitted(sample(name)) if name.startswith("submit") else read_status(TICKET, sample(name)))
    for private in ("<html", "Not authenticated", "API key", "Insufficient", "Internal Server", "detail", "worker", ID):
        assert private not in found.text


def test_the_clients_words_stay_out_of_the_log() -> None:
    """A complaint about a field repeats the input: prompt and picture. The log gets the place and the reason."""
    found = error(submitted(sample("submit.missing.422")))
    assert found.detail == "submit answered 422: body.prompt: Field required"
    echo = {
        "detail": [{"type": "x", "loc": ["body", "prompt"], "msg": "bad", "input": "PROMPT", "ctx": {"e": "PROMPT"}}]
    }
    cut_off = json.dumps({"detail": [{"input": {"prompt": "PROMPT"}}]}).encode()[:-4]
    for status, body in (
        (422, echo),
        (500, cut_off),
        (422, {"input": "PROMPT"}),
        (422, ["PROMPT"]),
        (200, {"x": "PROMPT"}),
    ):
        found = error(submitted(answer(status, body)))
        assert "PROMPT" not in f"{found.text} {found.detail}"


def test_a_complaint_in_the_clients_words() -> None:
    """The vendor's reason under the client's name for the field."""
    assert error(submitted(sample("submit.tolerance.422"))).text == (
        "The platform refused moderation: Input should be less than or equal to 6"
    )


@pytest.mark.parametrize(
    "detail",
    [
        "something is wrong",
        None,
        {},
        [],
        ["text"],
        [{}],
        [{"loc": None}],
        [{"loc": []}],
        [{"loc": ["body"]}],
        [{"loc": ["body", 7]}],
        [{"loc": ["body", "unheard_of"]}],
        [{"loc": ["body", "prompt"], "msg": {"a": 1}}],
        [{"loc": ["body", "prompt"], "msg": "x\r\n\u2028" + "y" * 5000}],
        7,
    ],
)
def test_odd_complaints(detail: Any) -> None:
    """Any shape of `detail` is a no: the client's fault, unpaid, in one short printable line."""
    found = error(submitted(answer(422, {"detail": detail})))
    assert (type(found), found.paid) == (InvalidField, Paid.NO)
    assert found.text.isprintable() and len(found.text) < 260


@pytest.mark.parametrize("sentence", sorted(HARMLESS))
@pytest.mark.parametrize("spelled", ["{}", "{}.", " {}\n"])
def test_a_sentence_that_is_known_to_be_harmless_is_shown(sentence: str, spelled: str) -> None:
    """Wherever the vendor puts its reason: the client cannot mend what it is not told."""
    said = spelled.format(sentence)
    for found in (
        error(submitted(answer(400, {"detail": said}))),
        error(submitted(answer(422, {"detail": said}))),
        error(read_status(TICKET, answer(200, {"status": "Error", "details": said}))),
        error(read_status(TICKET, answer(422, {"status": "Failed", "details": {"error": said}}))),
    ):
        assert f": {sentence}" in found.text and found.text.isprintable()


@given(st.text(max_size=60) | st.sampled_from([f"{each} of alice" for each in HARMLESS]))
def test_no_other_sentence_is_shown(said: str) -> None:
    """It may repeat the prompt or tell of the account."""
    for body in ({"detail": said}, {"status": "Error", "details": {"error": said}}):
        found = error(submitted(answer(400, body)) if "detail" in body else read_status(TICKET, answer(200, body)))
        assert ":" not in found.text or said.strip().removesuffix(".") in HARMLESS


@pytest.mark.parametrize("status", [300, 302, 307, 408, 500, 501, 502, 503, 504, 520, 599])
def test_an_unclear_answer_may_have_been_paid(status: int) -> None:
    """Redirects, time-outs and everything of the 500s: the body had arrived, so a task may run."""
    found = error(submitted(answer(status, {"detail": "x"})))
    assert (type(found), found.paid, found.hopeful) == (AnswerLost, Paid.MAYBE, False)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 409, 413, 415, 421, 429, 431, 451])
def test_a_definite_no_is_unpaid(status: int) -> None:
    """Of these none is the client's fault."""
    found = error(submitted(answer(status, b"")))
    assert found.paid is Paid.NO
    assert isinstance(found, PlatformError)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_yes_is_a_yes(status: int) -> None:
    """A ticket is a ticket, whatever kind of yes it comes with: not to poll would lose what was paid for."""
    assert submitted(answer(status, {"id": ID, "polling_url": POLLING})) == ACCEPTED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"<html>",
        b"\xff",
        {},
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"id": "x" * 257},
        {"detail": "x"},
        b'{"id":"' + ID.encode(),
        b"[" * 5000,
        b"NaN",
        b'{"id":"\\ud800"}',
    ],
)
def test_a_yes_without_an_id(body: Any) -> None:
    """Nothing to ask after, yet a task may run: paid maybe."""
    found = error(submitted(answer(200, body)))
    assert (type(found), found.paid) == (AnswerLost, Paid.MAYBE)


def test_a_foreign_address() -> None:
    """Paid maybe, with the id in the log; the address itself is not public."""
    found = error(submitted(answer(200, {"id": ID, "polling_url": "https://evil.example/x"}), trusted=False))
    assert (type(found), found.paid) == (ForeignPollingHost, Paid.MAYBE)
    assert ID in str(found.detail) and "evil.example" in str(found.detail)
    assert "evil" not in found.text
    too_long = error(submitted(answer(200, {"id": ID, "polling_url": POLLING + "x" * 2048})))
    assert isinstance(too_long, ForeignPollingHost)


@pytest.mark.parametrize("cost", [None, "4", True, [], {}])
def test_an_odd_cost_is_none(cost: Any) -> None:
    """Numbers only; the ticket stands all the same."""
    assert submitted(answer(200, {"id": ID, "polling_url": POLLING, "cost": cost})) == ACCEPTED


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("999999999", 3600.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("nan", None),
        ("9" * 400, None),
        ("Sun, 22 Nov 2026 21:00:00 GMT", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Whole seconds up to an hour; everything else says nothing."""
    assert retry_after(answer(429, b"", retry_after=header)) == seconds
    assert error(submitted(answer(429, b"", retry_after=header))).retry_after_s == seconds


def test_retry_after_means_nothing_on_a_200() -> None:
    """BFL sends 0 or 1 with every poll."""
    assert read_status(TICKET, answer(200, {}, retry_after="7")) == Unsure("poll answered 200 without a status")


@pytest.mark.parametrize(
    "result",
    [None, [], "x", {}, {"sample": None}, {"sample": ""}, {"sample": ["x"]}, {"sample": "https://h/" + "x" * 4096}],
)
def test_ready_without_a_picture(result: Any) -> None:
    """The task is over all the same, and was paid for; where its picture is, was not said."""
    found = read_status(TICKET, answer(200, {"status": "Ready", "result": result, "cost": 4}))
    assert found == Finished((), cost=4.0)


def test_odd_facts_about_a_picture() -> None:
    """Only what is of the right type is passed on."""
    body = {"status": "Ready", "cost": "4", "result": {"sample": "u", "seed": True, "prompt": 7, "duration": "7"}}
    assert read_status(TICKET, answer(200, body)) == Finished((Link("u"),))


@pytest.mark.parametrize(
    ("details", "reasons"),
    [
        (None, ()),
        ("Violence", ("Violence",)),
        (["A", 7, None, "B"], ("A", "B")),
        ({"Moderation Reasons": "Violence"}, ("Violence",)),
        ({"Moderation Reasons": ["x\ny" * 200]}, (("xy" * 200)[:200],)),
        ({"Moderation Reasons": ["r"] * 99}, ("r",) * 16),
        ({"Moderation Reasons": {"a": 1}}, ()),
        ({"other": ["A"]}, ()),
    ],
)
def test_moderation_reasons(details: Any, reasons: tuple[str, ...]) -> None:
    """The vendor's words whatever their shape, printable and bounded."""
    assert read_status(TICKET, answer(200, {"status": "Request Moderated", "details": details})) == Refused(
        Stage.INPUT, reasons
    )


@pytest.mark.parametrize("status", [None, 7, True, [], {}, ["Ready"]])
def test_a_status_that_is_no_text(status: Any) -> None:
    """Unsure, whatever the HTTP code."""
    assert isinstance(read_status(TICKET, answer(200, {"status": status})), Unsure)


@pytest.mark.parametrize("depth", [100, 990, 1010, 5000, 30_000])
@pytest.mark.parametrize("status", ["Error", "Failed", "Request Moderated", "Ready", "Pending"])
def test_deep_nesting(depth: int, status: str) -> None:
    """Neither the parser nor what reads its result runs out of stack."""
    deep = b"[" * depth + b"]" * depth
    for key in (b"details", b"result"):
        read_status(TICKET, answer(200, b'{"status":"%s","%s":%s}' % (status.encode(), key, deep)))
    submitted(answer(422, b'{"detail":[{"loc":[%s],"msg":%s}]}' % (deep, deep)))
    submitted(answer(200, b'{"id":%s}' % deep))
