"""
Pixel work, done by a few processes that are started when needed, used again, and replaced when they die or hang.

The gateway's own process never decodes a picture: a decoder that crashes, hangs or wants all memory costs one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from gateway.domain.errors import (
    GatewayError,
    ImageTooLarge,
    InternalError,
    InvalidImage,
    InvalidMask,
    OutOfRoom,
    ShuttingDown,
)
from gateway.domain.rework import Rework
from gateway.imaging.frames import Fault, Order, Verdict
from gateway.imaging.process import Lost, Sink, Worker
from gateway.imaging.settings import ImagingSettings

__all__ = ["Imaging", "Sink"]

log = structlog.get_logger("gateway.imaging")

# An interpreter takes a tenth of a second to come up; on a machine that is busy with starting, much longer.
START_S = 30.0
_LIMITS = "could not be processed within the limits. Send a smaller picture, or save it anew"


class Imaging:
    """The workers. An asynchronous context; leaving it ends them."""

    def __init__(self, settings: ImagingSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(settings.workers)  # first come, first served
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._waiting = 0
        self._closed = False

    async def __aenter__(self) -> Imaging:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        for worker in self._busy:
            worker.kill()
        for _place in range(self._settings.workers):  # whoever works or waits gives up first
            await self._places.acquire()
        await asyncio.gather(*(worker.bury() for worker in self._idle))
        self._idle.clear()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers there are."""
        return [worker.pid for worker in (*self._idle, *self._busy)]

    async def make(self, work: Rework, sink: Sink) -> None:
        """
        Have `work` done; `sink` is awaited with each piece of the result, none of them empty.

        The source is read once, by the time the worker is free. A failure in the middle leaves what `sink` got so far
        worthless.

        Raises: InvalidImage, ImageTooLarge, InvalidMask, OutOfRoom, ShuttingDown, InternalError; and what the source
        and `sink` raise.
        """
        most = self._settings.max_pixels
        if work.source.pixels.count > most:
            size = work.source.pixels
            raise _refusal(work, Verdict(Fault.PIXELS, f"has {size.width} × {size.height} pixels; {most} are allowed"))
        async with self._place(patient=work.crop):
            worker = await self._worker()
            self._busy.add(worker)
            try:
                self._check_open()
                verdict = await self._do(worker, work, sink)
            except BaseException:
                self._busy.discard(worker)
                await worker.bury()
                raise
            self._busy.discard(worker)
            self._idle.append(worker)
        if verdict.fault is not None:
            raise _refusal(work, verdict)

    async def _do(self, worker: Worker, work: Rework, sink: Sink) -> Verdict:
        size = work.pixels
        scaled = None if size is None else (size.width, size.height)
        order = Order(work.mask, work.flatten, scaled, work.orientation, work.form, work.crop)
        timer = asyncio.timeout(self._settings.within)
        try:
            async with timer:
                return await worker.work(order, work.source.chunks(), sink)
        except TimeoutError:
            if not timer.expired():
                raise
            raise _over_limits(work, f"it took longer than {self._settings.within:g} s") from None
        except Lost as error:
            self._check_open()
            raise _over_limits(work, str(error)) from None

    async def _worker(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()  # the last used: its memory is warm, and the others may be swapped out
            if worker.alive:
                return worker
            await worker.bury()
        try:
            async with asyncio.timeout(START_S):
                return await Worker.start(self._settings)
        except (OSError, Lost) as error:  # a TimeoutError is an OSError
            text = "The gateway could not start the process that works on pictures."
            raise InternalError(text, detail=f"{type(error).__name__}: {error}") from error

    def _check_open(self) -> None:
        if self._closed:
            raise ShuttingDown("The gateway is shutting down.")

    @asynccontextmanager
    async def _place(self, *, patient: bool) -> AsyncIterator[None]:
        """`patient` is who has been paid for: there is always room in the line."""
        self._check_open()
        if not patient and self._places.locked() and self._waiting >= self._settings.queue_limit:
            text = "Too many pictures wait to be worked on just now. Try again later."
            raise OutOfRoom(text, retry_after_s=5, detail=f"{self._waiting} wait for a worker process")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            self._check_open()
            yield
        finally:
            self._places.release()


def _over_limits(work: Rework, cause: str) -> GatewayError:
    source = work.source
    log.warning(
        "worker lost", cause=cause, mask=work.mask, flatten=work.flatten, scaled=str(work.pixels or ""),
        media_type=source.media_type, bytes=source.length, pixels=str(source.pixels), digest=source.digest,
    )  # fmt: skip
    called = "mask" if work.mask else "image"
    return InvalidImage(f"The {called} {_LIMITS}.", param=called, detail=cause)


def _refusal(work: Rework, verdict: Verdict) -> GatewayError:
    called = "mask" if work.mask else "image"
    match verdict.fault:
        case Fault.MASK:
            advice = "Make the area to be edited transparent, all else opaque, and send it as a PNG with transparency"
            return InvalidMask(f"The mask is not usable: {verdict.text}. {advice}.", param=called)
        case Fault.PIXELS:
            return ImageTooLarge(f"The {called} {verdict.text}.", param=called)
        case _:
            text = f"The {called} is not usable: {verdict.text}."
            return InvalidImage(text, param=called, detail=verdict.cause or None)
