"""Every fault by name, with what it does in one line; `gateway emulate --faults` prints this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["submit", "task", "poll", "delivery", "webhook"]

HTML = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with these bytes; a fault's value becomes `Retry-After` where that is meant."""

    status: int
    body: bytes
    content_type: str = JSON
    retry_after: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the connection with a TCP reset; `after` so many bytes of the body have come, or a fault's value of them."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """Keep the connection open and never answer."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Point to a path of another origin, which counts whoever follows."""

    status: int


Act = Say | Reset | Stall | Redirect


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One way to misbehave.

    Args:
        stage: which call it strikes; `task` changes the outcome itself.
        act: what to do, or None when the stage knows the name.
        times: calls spoiled by a marker without `*N`; None for all.
        skip: calls that pass untouched first.
        unread: strikes before the body has been read.
        accepts: strikes after the task was accepted, so that it costs money.
    """

    name: str
    stage: Stage
    meaning: str
    act: Act | None = None
    times: int | None = None
    skip: int = 0
    unread: bool = False
    accepts: bool = False


def _detail(status: int, text: str) -> Say:
    return Say(status, b'{"detail":"%s"}' % text.encode(), retry_after=status in (429, 503))


def _taken(name: str, what: str, act: Act | None = None) -> Fault:
    return Fault(name, "submit", f"accepts the task, then {what}", act, accepts=True)


_ALL = (
    Fault("submit_401", "submit", "401, a status the vendor does not use", _detail(401, "Unauthorized")),
    Fault("submit_402", "submit", "402, no credits left", _detail(402, "Insufficient credits")),
    Fault("submit_403", "submit", "403, the key is not accepted", _detail(403, "Not authenticated")),
    Fault("submit_404", "submit", "404, no such path", _detail(404, "Not Found")),
    Fault("submit_422", "submit", "422 with a string detail", _detail(422, "Invalid API key format")),
    Fault("submit_422_field", "submit", "422 with a list detail blaming the field =NAME (aspect_ratio)"),
    Fault("submit_429", "submit", "429, with Retry-After: VALUE when given", _detail(429, "Too many requests")),
    Fault("submit_500", "submit", "500, not accepted", _detail(500, "Internal Server Error")),
    Fault("submit_502", "submit", "502, not accepted", _detail(502, "Bad Gateway")),
    Fault("submit_503", "submit", "503, not accepted", _detail(503, "Service Unavailable")),
    Fault("submit_504", "submit", "504, not accepted", _detail(504, "Gateway Timeout")),
    Fault("submit_html", "submit", "an HTML page with status 502, not accepted", Say(502, HTML, "text/html")),
    Fault("submit_html_200", "submit", "an HTML page with status 200, not accepted", Say(200, HTML, "text/html")),
    Fault("submit_empty", "submit", "200 without a body, not accepted", Say(200, b"")),
    Fault("submit_redirect", "submit", "307 to another origin", Redirect(307)),
    Fault("submit_reset", "submit", "reset after the body was read, not accepted", Reset()),
    Fault("submit_stall", "submit", "reads the body, never answers, not accepted", Stall()),
    Fault("submit_reset_unread", "submit", "reset before the body was read", Reset(), unread=True),
    Fault("submit_reset_part", "submit", "reset after =BYTES (65536) of the body", Reset(65536), unread=True),
    Fault("submit_stall_unread", "submit", "stops reading the body, never answers", Stall(), unread=True),
    Fault("submit_503_unread", "submit", "503 before the body was read", _detail(503, "Busy"), unread=True),
    _taken("submit_accepted_reset", "resets: the answer is lost", Reset()),
    _taken("submit_accepted_stall", "never answers", Stall()),
    _taken("submit_accepted_502", "answers 502", _detail(502, "Bad Gateway")),
    _taken("submit_accepted_html", "answers 200 with an HTML page", Say(200, HTML, "text/html")),
    _taken("submit_accepted_empty", "answers 200 without a body", Say(200, b"")),
    _taken("submit_accepted_late", "answers =SECONDS (30) later"),
    _taken("submit_no_id", "answers 200 without `id` and `polling_url`"),
    _taken("submit_foreign_polling", "its polling_url is at the origin =URL (https://polling.example)"),
    Fault("request_moderated", "task", "status Request Moderated with reasons =A|B"),
    Fault("content_moderated", "task", "status Content Moderated with reasons =A|B"),
    Fault("task_error", "task", "status Error with the text =VALUE, HTTP 200"),
    Fault("task_error_422", "task", "status Error with the text =VALUE, HTTP 422"),
    Fault("task_error_503", "task", "status Error with the text =VALUE, HTTP 503"),
    Fault("task_failed", "task", "status Failed, named by the documentation only"),
    Fault("pending_forever", "task", "stays Pending and never ends"),
    Fault("pending_long", "task", "stays Pending for =SECONDS (1800) longer than it would"),
    Fault("ready_without_sample", "task", "Ready, with a result that has no sample"),
    Fault("ready_without_result", "task", "Ready, with result null"),
    Fault("foreign_sample", "task", "Ready, with the sample at the URL =URL"),
    Fault("region_moved", "task", "unknown at its polling_url, known at the submit host"),
    Fault("poll_status", "poll", "the status word =WORD (Upscaling) instead of the real one", times=2),
    Fault("poll_404_early", "poll", "404 Task not found right after the submit", times=1),
    Fault("poll_404_late", "poll", "404 Task not found from the second poll on", skip=1),
    Fault("poll_401", "poll", "401", _detail(401, "Unauthorized"), times=1),
    Fault("poll_403", "poll", "403, the key is not accepted", _detail(403, "Not authenticated"), times=1),
    Fault("poll_404", "poll", "404 without a task body", _detail(404, "Not Found"), times=1),
    Fault("poll_429", "poll", "429, Retry-After: VALUE when given", _detail(429, "Too many requests"), times=1),
    Fault("poll_500", "poll", "500", _detail(500, "Internal Server Error"), times=1),
    Fault("poll_502", "poll", "502", _detail(502, "Bad Gateway"), times=1),
    Fault("poll_503", "poll", "503, Retry-After: VALUE when given", _detail(503, "Unavailable"), times=1),
    Fault("poll_html", "poll", "an HTML page with status 502", Say(502, HTML, "text/html"), times=1),
    Fault("poll_html_200", "poll", "an HTML page with status 200", Say(200, HTML, "text/html"), times=1),
    Fault("poll_empty", "poll", "200 without a body", Say(200, b""), times=1),
    Fault("poll_cut_json", "poll", "200 with half a JSON object", Say(200, b'{"id":"0","sta'), times=1),
    Fault("poll_list", "poll", "200 with JSON that is no object", Say(200, b"[1,2]"), times=1),
    Fault("poll_reset", "poll", "reset", Reset(), times=1),
    Fault("poll_redirect", "poll", "302 to another origin", Redirect(302), times=1),
    Fault("poll_stall", "poll", "never answers", Stall(), times=1),
    Fault("delivery_expired", "delivery", "403 XML as for an expired link", times=1),
    Fault("delivery_404", "delivery", "404", Say(404, b"", "application/xml"), times=1),
    Fault("delivery_gone", "delivery", "404 for ever", Say(404, b"", "application/xml")),
    Fault("delivery_500", "delivery", "500", Say(500, b"", "application/xml"), times=1),
    Fault("delivery_503", "delivery", "503", Say(503, b"", "application/xml"), times=1),
    Fault("delivery_html", "delivery", "an HTML page that claims to be the picture", times=1),
    Fault("delivery_empty", "delivery", "200 with no bytes", Say(200, b"", "image/png"), times=1),
    Fault("delivery_redirect", "delivery", "302 to another origin", Redirect(302), times=1),
    Fault("delivery_reset", "delivery", "reset after half of the picture", times=1),
    Fault("delivery_short", "delivery", "closes after half of the declared Content-Length", times=1),
    Fault("delivery_unmarked_short", "delivery", "half of the picture, its length never declared", times=1),
    Fault("delivery_torn", "delivery", "half of the picture, declared as if it were whole", times=1),
    Fault("delivery_oversize", "delivery", "=BYTES (104857600) without a declared length", times=1),
    Fault("delivery_huge_length", "delivery", "declares =BYTES (104857600) as its Content-Length", times=1),
    Fault("delivery_gzip", "delivery", "the picture with Content-Encoding: gzip", times=1),
    Fault("delivery_drip", "delivery", "sixteen pieces, =SECONDS (0.05) between them", times=1),
    Fault("delivery_trickle", "delivery", "a byte at a time, =SECONDS (0.1) between them", times=1),
    Fault("delivery_stall", "delivery", "never answers", Stall(), times=1),
    Fault("webhook_lost", "webhook", "is never sent", times=1),
    Fault("webhook_twice", "webhook", "comes twice", times=1),
    Fault("webhook_early", "webhook", "comes before the submit is answered", times=1),
    Fault("webhook_late", "webhook", "comes =SECONDS (60) after the end", times=1),
    Fault("webhook_forged", "webhook", "behind one of a stranger's with another id and secret", times=1),
    Fault("webhook_garbage", "webhook", "behind one whose body is no JSON", times=1),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
