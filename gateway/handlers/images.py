"""
`POST /v1/images/edits` and `POST /v1/images/generations`, from the first byte to the last.

The handler may be cancelled with its client at any point; the job it started lives on in the supervisor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from aiohttp import web

from gateway.dialects.openai.reply import usual_format
from gateway.domain.caller import Caller
from gateway.domain.edit import Edit, ResponseFormat
from gateway.domain.errors import (
    GatewayError,
    MethodNotAllowed,
    ModelNotAllowed,
    Paid,
    PlatformNotConfigured,
    UnsupportedField,
)
from gateway.domain.target import JobTarget, RelayTarget, Target
from gateway.handlers.account import account
from gateway.handlers.answer import BEGIN_WITHIN_S, Answerer
from gateway.handlers.attempts import first_able
from gateway.handlers.keys import CALLER, CANDIDATES, FACTS, SNAPSHOT, STORY
from gateway.handlers.pixels import fulfil
from gateway.handlers.received import ELSEWHERE, Purpose
from gateway.handlers.relay import RelayHandler
from gateway.handlers.resend import idempotency_key, is_resend
from gateway.handlers.take import Taken, Taker
from gateway.imaging.workers import Imaging
from gateway.jobs.clock import Clock
from gateway.jobs.fallback import next_may_try
from gateway.jobs.fingerprint import fingerprint
from gateway.jobs.handle import JobHandle
from gateway.jobs.job import worst
from gateway.jobs.order import Order
from gateway.jobs.supervisor import Supervisor
from gateway.platforms.contract import Platform
from gateway.routing.choose import choose
from gateway.stores.contract import ReplySpec
from gateway.telemetry.catalogue import Catalogue

# Of the time after which a stream begins, so that the next platform can still be tried.
PATIENCE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Images:
    """The handler of one path and its collaborators. `chance` is 0 ≤ x < 1."""

    purpose: Purpose
    taker: Taker
    imaging: Imaging
    supervisor: Supervisor
    answerer: Answerer
    relay: RelayHandler
    metrics: Catalogue
    clock: Clock
    chance: Callable[[], float]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._serve(request)
        except GatewayError as error:
            if error.paid is Paid.NO and (fingerprint := request[STORY].fingerprint) is not None:
                self.supervisor.refusals.note(request[CALLER].id, fingerprint)
            raise

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            raise MethodNotAllowed(f"{request.method} is not allowed here; allowed: POST.", allowed=("POST",))
        began, told, candidates, rules = self.clock.now(), request[STORY], request[CANDIDATES], request[SNAPSHOT].rules
        if not candidates:
            raise PlatformNotConfigured(
                "No platform serves this path: set BFL_API_KEY for FLUX, or OPENAI_API_KEY to relay it."
            )
        relays = [target for target in candidates if isinstance(target, RelayTarget)]
        # A model that is known already is a deployment of Azure's in the path: a relay needs it in the body.
        if relays and request[FACTS].model is None and not rules.needs_body(request[FACTS]):
            return await self.relay.pass_on(request, relays[0])
        key = idempotency_key(request)
        told.platform, told.model = candidates[0].platform, candidates[0].model or "-"
        if not relays and key is None and not is_resend(request):
            # A repetition may find its job, however things stand now.
            self._admit(request, candidates)
        told.steps["admit"] = told.steps.get("admit", 0.0) + self.clock.now() - began

        started = self.clock.now()
        taken = await self.taker.take(request, self.purpose, candidates)
        try:
            told.steps["read"] = self.clock.now() - started
            # From here, not from the first byte: a slow upload is the client's own time.
            deadline = self.clock.now() + request[SNAPSHOT].answer_within_s

            async def attempt(target: Target, last: bool) -> web.StreamResponse:
                if isinstance(target, RelayTarget):
                    return await self.relay.pass_on(request, target, held=taken.held, last=last)
                return await self._work(request, taken, target, key, (began, deadline), last)

            targets = choose(rules, taken.facts, self.chance())
            return await first_able(request, targets, attempt, self.metrics, more=lambda: not taken.released)
        finally:
            taken.release()

    def _admit(self, request: web.Request, candidates: Sequence[Target]) -> None:
        """Before anything is read, refuse what no platform in reach could serve in time. Raises: `Supervisor.admit`."""
        snapshot, refusals = request[SNAPSHOT], list[GatewayError]()
        for target in candidates:
            assert isinstance(target, JobTarget)
            try:
                platform = snapshot.platforms[target.platform]
                return self.supervisor.admit(platform, target.model, 1, snapshot.answer_within_s)
            except GatewayError as error:
                refusals.append(error)
        raise refusals[0]

    async def _work(
        self,
        request: web.Request,
        taken: Taken,
        target: JobTarget,
        key: str | None,
        span: tuple[float, float],
        last: bool,
    ) -> web.StreamResponse:
        edit = await taken.edit()
        order = await self._order(request, edit, taken, target, key, span)
        if not last:
            # A stream that has begun is answered by whom it began with.
            patience_s = min(request[SNAPSHOT].patience_s, PATIENCE_SHARE * BEGIN_WITHIN_S if edit.stream else inf)
            order = replace(order, submit_by=self.clock.now() + patience_s)
        handle = await self.supervisor.start(order)
        waiting = self.clock.now(), order.deadline
        try:
            if not last:
                await self._until_certain(handle, order.deadline, stream=edit.stream)
            if last or handle.job.taken:
                taken.release()
            if edit.stream:
                return await self.answerer.stream(request, handle, waiting)
            return await self.answerer.whole(request, handle, waiting, edit.prompt)
        finally:
            # After a complete delivery this does nothing.
            handle.abandon()

    async def _until_certain(self, handle: JobHandle, deadline: float, *, stream: bool) -> None:
        """
        Wait until this target has taken the job, or cannot any more; a stream begins in any case after a while.

        Raises: GatewayError when the next target may try.
        """
        left = deadline - self.clock.now()
        with suppress(TimeoutError):
            await self.clock.within(min(BEGIN_WITHIN_S, left) if stream else left, handle.job.until_accepted())
        if handle.job.finished and next_may_try(handle.job.results):
            raise worst([result for result in handle.job.results if isinstance(result, GatewayError)])

    async def _order(
        self,
        request: web.Request,
        edit: Edit,
        taken: Taken,
        target: JobTarget,
        key: str | None,
        span: tuple[float, float],
    ) -> Order:
        snapshot, told, who = request[SNAPSHOT], request[STORY], request[CALLER]
        platform = snapshot.platforms[target.platform]
        if self.purpose == "generation" and not (edit.from_text or platform.models[target.model].edits):
            raise UnsupportedField(f"{target.model} makes pictures from text alone. {ELSEWHERE}", param="image")
        plan = platform.plan(edit, target)
        if plan.target.model != target.model:
            _check_key(who, platform, plan.target.model)
        told.model = plan.target.model
        told.attempts[-1] = told.target
        notes = account(edit, plan.notes, told.target, self.purpose)
        for note in notes:
            self.metrics.translations(note.param, note.fate.value).inc()
        response_format = _format(edit, target)
        if response_format is ResponseFormat.URL:
            self.answerer.check_links(request)
        plan, made = await fulfil(plan, self.imaging, self.taker.spool)
        if told.fingerprint is None:
            told.fingerprint, told.again = fingerprint(who.id, told.route, edit), is_resend(request)
            if told.again and key is None:
                told.again = not self.supervisor.refusals.take(who.id, told.fingerprint)
        return Order(
            caller=who.id,
            who=who,
            fingerprint=told.fingerprint,
            key=key,
            resend=told.again,
            platform=platform,
            plan=plan,
            reply=ReplySpec(response_format, edit.output_format, notes, f"image_{self.purpose}", plan.size),
            inputs=[*taken.hold(), *made],
            began=span[0],
            deadline=span[1],
        )


def _format(edit: Edit, target: JobTarget) -> ResponseFormat:
    """What the client said, else the route, else what the model it named does by itself."""
    if edit.response_format is not None:
        return edit.response_format
    if (said := target.terms.defaults.get("response_format")) is not None:
        return ResponseFormat(said)
    return usual_format(edit.model)


def _check_key(who: Caller, platform: Platform, model: str) -> None:
    """A mask can make a platform take another model than the one that was chosen. Raises: ModelNotAllowed."""
    names = (model, *(alias for alias, meant in platform.aliases.items() if meant == model))
    if not any(map(who.may_use, names)):
        raise ModelNotAllowed(f"A mask needs {model}, which is not served with this key.", param="mask")
