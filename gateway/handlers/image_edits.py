"""
`POST /v1/images/edits`, from the first byte to the last.

The handler may be cancelled with its client at any point; the job it started lives on in the supervisor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.dialects.openai.form import read_edit
from gateway.domain.blob import Link
from gateway.domain.edit import Edit, ResponseFormat
from gateway.domain.errors import InvalidField, MethodNotAllowed, PlatformNotConfigured
from gateway.domain.target import JobTarget, RelayTarget
from gateway.handlers.answer import Answerer
from gateway.handlers.hold import can_hold, hold
from gateway.handlers.keys import CALLER, CANDIDATES, FACTS, SNAPSHOT, STORY, Snapshot
from gateway.handlers.receive import Limits, receive_any
from gateway.handlers.relay import RelayHandler
from gateway.jobs.clock import Clock
from gateway.jobs.fingerprint import fingerprint
from gateway.jobs.job import Order
from gateway.jobs.supervisor import JobHandle, Supervisor
from gateway.routing.choose import choose
from gateway.routing.facts import Facts
from gateway.stores.contract import ReplySpec
from gateway.stores.spool import Spool
from gateway.telemetry.catalogue import Catalogue

ROUTE = "images.edits"
KEY_LONGEST = 255


@dataclass(frozen=True, slots=True)
class ImageEdits:
    """The handler and its collaborators."""

    spool: Spool
    supervisor: Supervisor
    answerer: Answerer
    relay: RelayHandler
    metrics: Catalogue
    clock: Clock

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            raise MethodNotAllowed(f"{request.method} is not allowed here; allowed: POST.", allowed=("POST",))
        began, told, candidates = self.clock.now(), request[STORY], request[CANDIDATES]
        snapshot = request[SNAPSHOT]
        jobs = [target for target in candidates if isinstance(target, JobTarget)]
        if not candidates:
            raise PlatformNotConfigured(
                "No platform serves this path: set BFL_API_KEY for FLUX.1 Kontext, or OPENAI_API_KEY to relay it."
            )
        undecided = len(jobs) < len(candidates)
        if not jobs or (undecided and not can_hold(request)):
            return await self.relay(request)
        key = idempotency_key(request)
        told.platform, told.model = jobs[0].platform, jobs[0].model
        if not undecided:
            self.supervisor.admit(snapshot.platforms[jobs[0].platform], jobs[0].model, 1, snapshot.answer_within_s)
        told.steps["admit"] = self.clock.now() - began

        started = self.clock.now()
        if undecided:
            held = await hold(request, self.spool, snapshot.uploads.pace)
            try:
                facts = request[FACTS]
                target = choose(snapshot.rules, replace(facts, model=facts.model or held.seen.model, read=True))[0]
                if isinstance(target, RelayTarget):
                    told.steps["read"] = self.clock.now() - started
                    return await self.relay.pass_on(request, target, held=held)
                received = await held.read(_limits(snapshot, [target]))
            finally:
                held.release()
        else:
            received = await receive_any(request, self.spool, _limits(snapshot, jobs), "edit")
        told.steps["read"] = self.clock.now() - started
        self.metrics.image_bytes("received").inc(sum(blob.length for blob in received.blobs))
        try:
            edit = read_edit(received.form)
            target = choose(snapshot.rules, facts_of(request[FACTS], edit))[0]
            assert isinstance(target, JobTarget)
            order = self._order(request, edit, target, key, began)
        except BaseException:
            received.release()
            raise
        handle = await self.supervisor.start(order)
        return await self._answer(request, edit, handle, order.deadline)

    def _order(self, request: web.Request, edit: Edit, target: JobTarget, key: str | None, began: float) -> Order:
        snapshot, told = request[SNAPSHOT], request[STORY]
        platform = snapshot.platforms[target.platform]
        told.platform, told.model = platform.name, target.model
        plan = platform.plan(edit, target)
        for note in plan.notes:
            self.metrics.translations(note.param, note.fate.value).inc()
        if edit.response_format is ResponseFormat.URL:
            self.answerer.check_links(request)
        caller = request[CALLER].id
        return Order(
            caller=caller,
            who=request[CALLER],
            fingerprint=fingerprint(caller, ROUTE, edit),
            key=key,
            resend=is_resend(request),
            platform=platform,
            plan=plan,
            reply=ReplySpec(edit.response_format, edit.output_format, plan.notes),
            inputs=[image for image in edit.images if not isinstance(image, Link)],
            began=began,
            # From here, not from the first byte: a slow upload is the client's own time.
            deadline=self.clock.now() + snapshot.answer_within_s,
        )

    async def _answer(self, request: web.Request, edit: Edit, handle: JobHandle, deadline: float) -> web.StreamResponse:
        try:
            answer = self.answerer.stream if edit.stream else self.answerer.whole
            return await answer(request, handle, deadline)
        finally:
            # After a complete delivery this does nothing.
            handle.abandon()


def _limits(snapshot: Snapshot, targets: Sequence[JobTarget]) -> Limits:
    """The widest reachable model's numbers, within the operator's own."""
    models = [snapshot.platforms[target.platform].models[target.model] for target in targets]
    return snapshot.uploads.limits(
        images=max(model.max_images for model in models),
        image_bytes=max(model.max_image_bytes for model in models),
        image_pixels=max(model.max_image_pixels for model in models),
    )


def facts_of(facts: Facts, edit: Edit) -> Facts:
    """
    What is known once the body is read; a picture that is only linked to has no size yet. A deployment of Azure's in
    the path stands over the field.
    """
    return replace(
        facts,
        model=facts.model or edit.model,
        read=True,
        n=edit.n,
        images=len(edit.images),
        mask=edit.mask is not None,
        pixels=max((image.pixels.count for image in edit.images if not isinstance(image, Link)), default=0),
    )


def idempotency_key(request: web.Request) -> str | None:
    """
    The `Idempotency-Key`, bare or as a quoted string of RFC 9651.

    Raises: InvalidField for more than 255 characters or anything unprintable.
    """
    sent = request.headers.get("Idempotency-Key")
    if sent is None:
        return None
    key = sent[1:-1] if len(sent) > 1 and sent[0] == sent[-1] == '"' else sent
    if not 0 < len(key) <= KEY_LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidField(
            f"Idempotency-Key has 1 to {KEY_LONGEST} printable ASCII characters.", param="Idempotency-Key"
        )
    return key


def is_resend(request: web.Request) -> bool:
    """True when an official SDK says that it is sending this again."""
    count = request.headers.get("x-stainless-retry-count", "0")
    return count.isascii() and count.isdigit() and len(count) < 6 and int(count) > 0
