"""
From BFL's answers to outcomes. The body's `status` counts before the HTTP code: terminal states come as 200, 422, 503.

https://docs.bfl.ai/api_integration/integration_guidelines and https://api.bfl.ai/openapi.json (ResultResponse,
HTTPValidationError).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

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
from gateway.platforms.contract import Health
from gateway.wire.call import Answer

REFUSALS = {"Request Moderated": Stage.INPUT, "Content Moderated": Stage.OUTPUT}
WORKING = frozenset({"Pending", "Reasoning", "Generating"})
# `Failed` stands in the official examples, in no schema.
FAILURES = frozenset({"Error", "Failed"})
MISSING = "Task not found"

# What a 422 says, letter by letter, when the key has not the form of one.
KEY_COMPLAINTS = ("Invalid API key format",)
# The vendor's words, as seen in answers, that blame the client's picture.
PICTURE_COMPLAINTS = ("invalid or corrupted image", "image input", "could not decode", "image size")
# Sentences of the vendor's that say nothing of anybody's account, key or input, so that a client may read them. Any
# other text is for the log: it may repeat the request, or the gateway's own affairs.
HARMLESS = frozenset(
    {
        "Field required",
        "Finetune not found or access denied",
        "Finetune not found or not ready",
        "Invalid or corrupted image input",
    }
)

# A rewritten prompt is a few sentences; what is longer than any prompt that is taken is none.
PROMPT_LONGEST = 32_000


def read_accepted(
    answer: Answer, model: str, account: str, fallback_url: str, trusted: Callable[[str], bool]
) -> Outcome:
    """A yes to a submission: a ticket, or a riddle. `fallback_url` serves answers that name an id only."""
    found = _object(answer)
    task, url = found.get("id"), found.get("polling_url")
    if not isinstance(task, str) or not 0 < len(task) <= 256:
        return Failed(_lost(f"{answer.status} without an id: {_said(answer)}"))
    if not isinstance(url, str) or not url:
        url = fallback_url + task
    if len(url) > 2048 or not trusted(url):
        return Failed(
            ForeignPollingHost(
                "The platform accepted the job but named an address outside its own domain to ask after it; the "
                "gateway does not follow. The job may have been charged.",
                paid=Paid.MAYBE,
                detail=f"task {task} polling_url {url[:300]!r}",
            )
        )
    return Working(Ticket(task, url, model, account, _number(found.get("cost"))), status="submitted")


def read_refused(answer: Answer, names: Mapping[str, str]) -> Outcome:
    """Anything but a 2xx to a submission. Only a definite no is unpaid."""
    status, detail = answer.status, _object(answer).get("detail")
    private = f"submit answered {status}: {_said(answer)}"
    error: GatewayError
    if status == 429:
        error = PlatformBusy(
            "The platform is at its limit of active tasks. Try again later.",
            detail=private,
            retry_after_s=retry_after(answer),
        )
    elif status == 402:
        error = PlatformOutOfCredits("The gateway's account at the platform is out of credits.", detail=private)
    elif status in (401, 403) or (status == 422 and detail in KEY_COMPLAINTS):
        error = PlatformAuthFailed("The platform refuses the gateway's own key; yours is fine.", detail=private)
    elif status == 422:
        error = _complaint(detail, names, private)
    elif 400 <= status < 500 and status != 408:
        error = PlatformError("The platform refused the request; nothing was charged.", detail=private)
        if status == 400:
            error = _invalid(detail, private)
    else:
        error = _lost(private)
    return Failed(error)


def read_status(ticket: Ticket, answer: Answer) -> Outcome:
    """The answer to a poll. Only a terminal status ends a task; everything unreadable is `Unsure`."""
    found = _object(answer)
    status = found.get("status")
    if not isinstance(status, str):
        return Unsure(f"poll answered {answer.status} without a status", retry_after_s=_patience(answer))
    if status == "Ready":
        return _finished(found)
    if status in REFUSALS:
        return Refused(REFUSALS[status], _reasons(found.get("details")))
    if status in FAILURES:
        return Failed(_failure(found.get("details"), ticket))
    if status == MISSING:
        return Unsure("task not found", missing=True)
    return Working(ticket, status[:64], known=status in WORKING)


def read_credits(answer: Answer) -> Health:
    """The answer to a question after the account's credits."""
    left = _number(_object(answer).get("credits"))
    if answer.status == 200 and left is not None:
        return Health(left > 0, f"the key is good; {left:,.10g} credits are left", left)
    if answer.status in (401, 403) or (answer.status == 422 and _object(answer).get("detail") in KEY_COMPLAINTS):
        return Health(False, f"the platform refuses the key: {_said(answer)}", refused=True)
    return Health(False, f"the platform answered {answer.status}: {_said(answer)}")


def retry_after(answer: Answer) -> float | None:
    """`Retry-After` in seconds; None when absent, a date or nonsense."""
    value = answer.headers.get("Retry-After", "").strip()
    return min(float(value), 3600.0) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _patience(answer: Answer) -> float | None:
    # On a 200 the header says 0 or 1 whatever happens, so it means nothing there.
    return retry_after(answer) if answer.status >= 400 else None


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _lost(private: str) -> AnswerLost:
    return AnswerLost(
        "The platform did not say clearly whether it took the job, so it may have been charged; it is not sent again.",
        paid=Paid.MAYBE,
        detail=private,
    )


def _complaint(detail: Any, names: Mapping[str, str], private: str) -> GatewayError:
    first = detail[0] if isinstance(detail, list) and detail and isinstance(detail[0], dict) else {}
    place = first.get("loc")
    field = place[1] if isinstance(place, list) and len(place) > 1 and isinstance(place[1], str) else None
    if field is not None and field in names:
        text = _printable(first.get("msg"))
        return InvalidField(f"The platform refused {names[field]}: {text}", param=names[field], detail=private)
    return _invalid(detail, private)


def _invalid(detail: Any, private: str) -> InvalidField:
    return InvalidField(
        f"The platform found the request invalid{_reason(detail)}; nothing was charged.", detail=private
    )


def _reason(text: Any) -> str:
    """The vendor's own sentence behind a colon, where it is known to be harmless."""
    said = text.strip().removesuffix(".") if isinstance(text, str) else ""
    return f": {said}" if said in HARMLESS else ""


def _said(answer: Answer) -> str:
    """For the log: the vendor's words, without the `input` in which it repeats the client's."""
    found = _object(answer)
    match found.get("detail"):
        case str(text):
            return _printable(text)
        case list(complaints):
            told = [c for c in complaints[:8] if isinstance(c, dict)]
            return "; ".join(f"{_place(c.get('loc'))}: {_printable(c.get('msg'))}" for c in told)
    if found or answer.body[:1] in (b"{", b"["):
        return f"{len(answer.body)} bytes with {', '.join(map(_printable, list(found)[:8])) or 'nothing readable'}"
    return repr(answer.body[:200])


def _place(loc: Any) -> str:
    steps = loc[:4] if isinstance(loc, list) else ["somewhere"]
    return ".".join(_printable(str(step)) for step in steps if isinstance(step, str | int))


def _printable(text: Any) -> str:
    return "".join(c for c in text if c.isprintable())[:200] if isinstance(text, str) else "no reason given"


def _finished(found: Mapping[str, Any]) -> Outcome:
    result = found.get("result")
    sample = result.get("sample") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(sample, str) or not 0 < len(sample) <= 4096:
        return Finished((), cost=_number(found.get("cost")))
    # FLUX 3 tells what it made of the prompt beside it, the others in its place.
    seed, prompt = result.get("seed"), result.get("expanded_prompt") or result.get("prompt")
    return Finished(
        results=(Link(sample),),
        cost=_number(found.get("cost")),
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        prompt=prompt if isinstance(prompt, str) and 0 < len(prompt) <= PROMPT_LONGEST else None,
    )


def _reasons(details: Any) -> tuple[str, ...]:
    reasons = details.get("Moderation Reasons") if isinstance(details, dict) else details
    if isinstance(reasons, str):
        reasons = [reasons]
    return tuple(_printable(r) for r in reasons[:16] if isinstance(r, str)) if isinstance(reasons, list) else ()


def _failure(details: Any, ticket: Ticket) -> GatewayError:
    text = details.get("error") if isinstance(details, dict) else details
    private = f"task {ticket.task} ended in an error: {_printable(text)}"
    if isinstance(text, str) and any(complaint in text.lower() for complaint in PICTURE_COMPLAINTS):
        return InvalidImage(
            f"The platform could not read the picture{_reason(text)}. Save it again as PNG, JPEG or WebP.",
            param="image",
            paid=Paid.MAYBE,
            detail=private,
        )
    return PlatformError(
        f"The platform took the job and failed at it{_reason(text)}, so it may have been charged. The same request "
        "within 15 minutes gets this answer; to pay for a new job, send it with a new Idempotency-Key.",
        paid=Paid.MAYBE,
        detail=private,
    )
