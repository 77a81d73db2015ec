"""Between the ledger's values and what the columns hold: text as JSON, so that a person can read it."""

from __future__ import annotations

import json
from typing import Any

import orjson

from gateway.domain.edit import OutputFormat, ResponseFormat
from gateway.domain.errors import CATALOGUE, GatewayError, InternalError, Moderated, Paid
from gateway.domain.notes import Fate, Note
from gateway.domain.outcome import Ticket
from gateway.domain.size import Pixels
from gateway.stores.records import JobRecord, Made, ReplySpec, Row, State

JOB = "jobs.id, caller, fingerprint, key, platform, model, n, reply, created"
ROW = "idx, state, owner, ticket, made, error, changed"
JOB_WIDTH = 9


def job_columns(job: JobRecord) -> tuple[Any, ...]:
    """In the order of `JOB`."""
    return (
        job.id, job.caller, job.fingerprint, job.key, job.platform, job.model, job.n, reply_text(job.reply), job.created
    )  # fmt: skip


def read_job(columns: tuple[Any, ...]) -> JobRecord:
    id, caller, fingerprint, key, platform, model, n, reply, created = columns
    return JobRecord(id, caller, fingerprint, key, platform, model, n, read_reply(reply), created)


def read_row(columns: tuple[Any, ...]) -> tuple[int, Row, float]:
    """Index, row, and when it changed."""
    index, state, owner, ticket, made, error, changed = columns
    row = Row(
        State(state),
        owner,
        ticket and Ticket(**orjson.loads(ticket)),
        made and Made(**orjson.loads(made)),
        error and read_error(error),
    )
    return index, row, changed


def reply_text(reply: ReplySpec) -> str:
    notes = [[note.param, note.fate.value, note.to] for note in reply.notes]
    size = [] if reply.size is None else [[reply.size.width, reply.size.height]]
    return _text([reply.response_format.value, reply.output_format.value, notes, reply.kind, *size])


def read_reply(text: str) -> ReplySpec:
    response_format, output_format, notes, kind, *size = orjson.loads(text)
    found = tuple(Note(param, Fate(fate), to) for param, fate, to in notes)
    pixels = Pixels(*size[0]) if size else None
    return ReplySpec(ResponseFormat(response_format), OutputFormat(output_format), found, kind, pixels)


def ticket_text(ticket: Ticket) -> str:
    return _text(
        {
            "task": ticket.task,
            "polling_url": ticket.polling_url,
            "model": ticket.model,
            "account": ticket.account,
            "cost": ticket.cost,
        }
    )


def made_text(made: Made) -> str:
    return _text({"ref": made.ref, "seed": made.seed, "cost": made.cost})


def error_text(error: GatewayError) -> str:
    """What a client is told. `detail` is for the log, which has had it."""
    told: dict[str, Any] = {
        "code": error.code,
        "text": error.text,
        "param": error.param,
        "paid": error.paid.value,
        "retry_after_s": error.retry_after_s,
    }
    if isinstance(error, Moderated):
        told |= {"stage": error.stage, "categories": list(error.categories)}
    return _text(told)


def read_error(text: str) -> GatewayError:
    """An error of a kind that exists no longer is an `InternalError` with the same words."""
    told = orjson.loads(text)
    kind = CATALOGUE.get(told["code"], InternalError)
    if kind is Moderated:
        found: GatewayError = Moderated(told["text"], stage=told["stage"], categories=tuple(told["categories"]))
    else:
        found = kind.__new__(kind)
        GatewayError.__init__(found, told["text"])
    found.param, found.paid, found.retry_after_s = told["param"], Paid(told["paid"]), told["retry_after_s"]
    return found


def _text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # half a surrogate pair in a vendor's words, which is no text
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
