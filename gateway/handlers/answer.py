"""What a waiting client gets of a job: the whole answer, or a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from gateway.dialects.openai import events, reply
from gateway.domain.edit import ResponseFormat
from gateway.domain.errors import (
    AnswerOverdue,
    GatewayError,
    InvalidField,
    Moderated,
    Paid,
    PlatformSilent,
    QueueFull,
    ResultLost,
)
from gateway.domain.notes import Fate, Note, header
from gateway.handlers import respond
from gateway.handlers.keys import SNAPSHOT, STORY, Story
from gateway.handlers.own_url import own_url
from gateway.jobs.clock import Clock
from gateway.jobs.job import Result, worst
from gateway.jobs.supervisor import JobHandle
from gateway.stores.contract import Made, Results
from gateway.telemetry.catalogue import Catalogue

# Proxies cut what is silent for a minute; comments keep the line open.
KEEP_ALIVE_S = 10.0
# An answer that has begun can no longer say 429, so it begins with the acceptance, or after this long in the queue.
BEGIN_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Answerer:
    """
    `prefix` comes before every path; it ends in no slash.
    """

    results: Results
    metrics: Catalogue
    clock: Clock
    prefix: str
    link_s: float

    def check_links(self, request: web.Request) -> None:
        """Raises: InvalidField when no link could be made that leads here."""
        self._base(request)

    async def whole(
        self, request: web.Request, handle: JobHandle, span: tuple[float, float], asked: str
    ) -> web.StreamResponse:
        """
        Wait, and answer with every finished picture; `asked` is the prompt, and what the vendor made of it is told
        where it is another. `span` is since when there is waiting, and until when. Raises: GatewayError when there is
        none.
        """
        (came, deadline), job, told = span, handle.job, request[STORY]
        self._note(told, handle)
        try:
            with suppress(TimeoutError):
                left = deadline - self.clock.now()
                await self.clock.within(left, self._until_answerable(request, handle, came))
        finally:
            told.steps |= job.steps(self.clock.now())
        if not job.finished and not any(isinstance(result, Made) for result in job.results):
            raise _overdue(handle)
        pictures, errors = await self._pictures(request, handle, job.results)
        try:
            if not pictures:
                raise worst(errors)
            notes = self._notes(handle, pictures)
            started = self.clock.now()
            body = reply.write(pictures, created=int(handle.job.record.created), asked=asked)
            response = await respond.whole(request, body, self._headers(handle, notes))
            told.steps["reply"] = self.clock.now() - started
        finally:
            for picture in pictures:
                picture.blob.release()
        self._count(handle, pictures)
        handle.delivered()
        return response

    async def stream(self, request: web.Request, handle: JobHandle, span: tuple[float, float]) -> web.StreamResponse:
        """Begin with the first acceptance; then one event a picture, and a last one for a failure. `span` as above."""
        (came, deadline), job, told = span, handle.job, request[STORY]
        self._note(told, handle)
        with suppress(TimeoutError):
            begin_by = min(came + BEGIN_WITHIN_S, deadline)
            await self.clock.within(begin_by - self.clock.now(), job.until_accepted())
        told.steps |= job.steps(self.clock.now())
        if job.finished and not any(isinstance(result, Made) for result in job.results):
            raise worst([result for result in job.results if isinstance(result, GatewayError)])
        response = web.StreamResponse(headers=self._headers(handle, job.record.reply.notes))
        response.content_type = "text/event-stream"
        response.headers["X-Accel-Buffering"] = "no"
        try:
            async with respond.sending(request, response) as timer:
                answerable = self._until_answerable(request, handle, came)
                whole = await self._events(request, response, handle, deadline, timer, answerable)
                await response.write_eof()
        finally:
            told.steps |= job.steps(self.clock.now())
        if whole:
            handle.delivered()
        return response

    def _until_answerable(self, request: web.Request, handle: JobHandle, came: float) -> Coroutine[None, None, None]:
        return handle.job.until_answerable(self.clock, request[SNAPSHOT].collect_within_s, came)

    @staticmethod
    def _note(told: Story, handle: JobHandle) -> None:
        told.job, told.joined, told.replayed = handle.job.record.id, handle.joined, handle.replayed
        told.windows |= handle.windows

    async def _events(
        self,
        request: web.Request,
        response: web.StreamResponse,
        handle: JobHandle,
        deadline: float,
        timer: asyncio.Timeout,
        until_answerable: Coroutine[None, None, None],
    ) -> bool:
        told, sent = request[STORY], 0
        errors: list[GatewayError] = []
        ends = handle.job.ends()
        following = asyncio.ensure_future(anext(ends, None))
        answerable = asyncio.ensure_future(until_answerable)
        try:
            while True:
                left = deadline - self.clock.now()
                try:
                    turn = asyncio.wait((following, answerable), return_when=asyncio.FIRST_COMPLETED)
                    await self.clock.within(min(KEEP_ALIVE_S, left), turn)
                except TimeoutError:
                    if left > 0:
                        timer.reschedule(asyncio.get_running_loop().time() + respond.STALL_S)
                        await response.write(events.KEEP_ALIVE)
                        continue
                    errors.append(_overdue(handle))
                    break
                if not following.done() and not handle.job.finished:
                    errors.append(_overdue(handle))
                    break
                if (found := await following) is None:
                    break
                pictures, faults = await self._pictures(request, handle, [found[1]])
                errors += faults
                for picture in pictures:
                    try:
                        kind = handle.job.record.reply.kind
                        body = reply.completed(picture, created=int(handle.job.record.created), kind=kind)
                        await respond.pour(response, events.event(str(body.fields["type"]), body), timer)
                    finally:
                        picture.blob.release()
                    self._count(handle, [picture])
                    sent += 1
                following = asyncio.ensure_future(anext(ends, None))
        finally:
            following.cancel()
            answerable.cancel()
        record = handle.job.record
        if sent and sent < record.n:
            # The head, which would have said so, has gone long ago.
            why = ", ".join(sorted({error.code for error in errors}))
            await response.write(f": {sent} of {record.n} pictures; {why}\n\n".encode())
            told.facts["pictures"] = f"{sent} of {record.n}"
        elif not sent:
            fault = worst(errors)
            told.fail(fault)
            code = request[SNAPSHOT].moderation_code if isinstance(fault, Moderated) else None
            await response.write(events.failure(fault, code))
        return handle.job.finished

    async def _pictures(
        self, request: web.Request, handle: JobHandle, results: Sequence[Result | None]
    ) -> tuple[list[reply.Picture], list[GatewayError]]:
        pictures: list[reply.Picture] = []
        errors: list[GatewayError] = []
        links = handle.job.record.reply.response_format is ResponseFormat.URL
        for result in results:
            if isinstance(result, GatewayError):
                errors.append(result)
            elif isinstance(result, Made):
                blob = await self.results.open(result.ref)
                if blob is None:
                    text = "The picture was made, but is no longer kept. Send the request again."
                    errors.append(ResultLost(text, paid=Paid.YES))
                    continue
                # From the job, not from now: a repetition gets the same bytes.
                expires = int(handle.job.record.created + self.link_s)
                url = self._base(request) + self.results.link(result.ref, expires) if links else None
                pictures.append(reply.Picture(blob, url, result.prompt))
        return pictures, errors

    def _base(self, request: web.Request) -> str:
        if (found := own_url(request, self.prefix)) is not None:
            return found
        raise InvalidField(
            "response_format=url needs PUBLIC_BASE_URL, the address under which clients reach this gateway. "
            "Set it, or use b64_json. Without a response_format, dall-e-2 and dall-e-3 mean url.",
            param="response_format",
        )

    def _notes(self, handle: JobHandle, pictures: Sequence[reply.Picture]) -> tuple[Note, ...]:
        record, found = handle.job.record, dict[str, Note]()
        wanted, sizes = record.reply.size, {picture.blob.pixels for picture in pictures}
        if wanted and sizes != {wanted}:
            # The picture was paid, and could not be brought to its size.
            found["size"] = Note("size", Fate.IGNORED, "answered as made")
        if len(pictures) < record.n:
            found["n"] = Note("n", Fate.EMULATED, f"{len(pictures)} of {record.n}")
        return (*(note for note in record.reply.notes if note.param not in found), *found.values())

    def _headers(self, handle: JobHandle, notes: Sequence[Note]) -> dict[str, str]:
        found = {}
        if said := header(notes):
            found["x-gateway-translation"] = said
        if (queued := handle.job.steps(self.clock.now()).get("queue")) is not None:
            found["x-gateway-queue-ms"] = str(round(queued * 1000))
        return found

    def _count(self, handle: JobHandle, pictures: Sequence[reply.Picture]) -> None:
        record = handle.job.record
        self.metrics.images(record.platform, record.model).inc(len(pictures))
        self.metrics.image_bytes("delivered").inc(sum(picture.blob.length for picture in pictures))


def _overdue(handle: JobHandle) -> GatewayError:
    if not handle.job.intended:
        return QueueFull("No slot became free in time; nothing was charged. Try again later.", retry_after_s=30)
    if handle.job.collecting:
        return AnswerOverdue(
            "The picture is made, but it could not be fetched from the platform in time. The gateway goes on fetching "
            "it: send the same request again to get it; nothing is charged twice.",
            paid=Paid.YES,
        )
    if handle.job.unanswered:
        return PlatformSilent(
            "The platform does not answer just now and may be working on the job. The gateway goes on asking: send the "
            "same request again to get its result; nothing is charged twice.",
            paid=handle.job.paid,
            retry_after_s=5,
        )
    return AnswerOverdue(
        "The job is not finished in the time in which an answer was promised. It goes on: send the same request again "
        "to get its result; nothing is charged twice.",
        paid=handle.job.paid,
    )
