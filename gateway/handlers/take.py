"""
Reading a request's body as far as its targets need it.

A body that may be relayed is kept as it came, whatever is in it, and read strictly only for a platform that
translates. One that no relay can get is read strictly at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.dialects.openai.form import read_edit, read_generation
from gateway.domain.blob import Link
from gateway.domain.edit import Edit
from gateway.domain.target import ConvertPolicy, JobTarget, OversizePolicy, RelayTarget, Target
from gateway.handlers.hold import Held, hold
from gateway.handlers.keys import FACTS, SNAPSHOT, Snapshot
from gateway.handlers.receive import receive_any
from gateway.handlers.received import Limits, Purpose, Received
from gateway.routing.facts import Facts
from gateway.stores.blobs import SpooledBlob
from gateway.stores.spool import Spool
from gateway.telemetry.catalogue import Catalogue


class Taken:
    """
    A body that has been taken. `facts` are what is known of the request now; `held` is the body as it came, while a
    relay may still get it.
    """

    def __init__(self, facts: Facts, purpose: Purpose, limits: Limits, metrics: Catalogue, held: Held | None) -> None:
        self.facts, self.held = facts, held
        self._purpose, self._limits, self._metrics = purpose, limits, metrics
        # A deployment of Azure's in the path stands over the field.
        self._model = None if held is not None and held.seen.model == facts.model else facts.model
        self._received: Received | None = None
        self._edit: Edit | None = None
        self.released = False

    async def edit(self) -> Edit:
        """What the client asked, read strictly, once. Raises: InvalidRequest and its kinds, TooLarge, OutOfRoom."""
        if self._edit is None:
            assert self.held is not None
            self.read(await self.held.read(self._limits, self._purpose))
        assert self._edit is not None
        return self._edit

    def read(self, received: Received) -> None:
        """Take what was received over. Raises: InvalidField and its kinds; it is released then."""
        self._metrics.image_bytes("received").inc(sum(blob.length for blob in received.blobs))
        try:
            edit = (read_generation if self._purpose == "generation" else read_edit)(received.form)
        except BaseException:
            received.release()
            raise
        self._received = received
        self._edit = replace(edit, model=self._model) if self._model is not None else edit
        self.facts = known(self.facts, self._edit)

    def hold(self) -> list[SpooledBlob]:
        """Every picture once more, for a job that will release it."""
        return [blob.hold() for blob in self._received.blobs] if self._received else []

    def release(self) -> None:
        """Let go of everything; harmless when it has been done."""
        self.released = True
        held, self.held = self.held, None
        received, self._received = self._received, None
        if held is not None:
            held.release()
        if received is not None:
            received.release()


@dataclass(frozen=True, slots=True)
class Taker:
    """Where bodies are taken to."""

    spool: Spool
    metrics: Catalogue

    async def take(self, request: web.Request, purpose: Purpose, candidates: Sequence[Target]) -> Taken:
        """
        Raises: UnsupportedMedia, ExpectationFailed, TooLarge, TooSlow, OutOfRoom, BadSignature, InvalidRequest and its
        kinds.
        """
        snapshot, facts = request[SNAPSHOT], replace(request[FACTS], read=True)
        limits = _limits(snapshot, [target for target in candidates if isinstance(target, JobTarget)])
        if any(isinstance(target, RelayTarget) for target in candidates):
            held = await hold(request, self.spool, snapshot.uploads.pace)
            return Taken(held.seen.into(facts), purpose, limits, self.metrics, held)
        taken = Taken(facts, purpose, limits, self.metrics, None)
        taken.read(await receive_any(request, self.spool, limits, purpose))
        return taken


def known(facts: Facts, edit: Edit) -> Facts:
    """What is known once the body is read strictly; a picture that is only linked to has no size yet."""
    pixels = max((image.pixels.count for image in edit.images if not isinstance(image, Link)), default=0)
    return replace(facts, model=edit.model, read=True, n=edit.n).with_pictures(
        len(edit.images), pixels, mask=edit.mask is not None
    )


def _limits(snapshot: Snapshot, targets: Sequence[JobTarget]) -> Limits:
    """The widest reachable model's numbers, within the operator's own; what is made anew may come larger."""
    uploads = snapshot.uploads
    models = [snapshot.platforms[target.platform].models[target.model] for target in targets]
    shrinks = any(target.terms.oversize is OversizePolicy.DOWNSCALE for target in targets)
    converts = any(target.terms.convert is not ConvertPolicy.REFUSE for target in targets)
    return uploads.limits(
        images=max((model.max_images for model in models), default=1),
        image_bytes=uploads.image_bytes
        if shrinks or converts
        else max((model.max_image_bytes for model in models), default=1),
        image_pixels=uploads.image_pixels if shrinks else max((model.max_image_pixels for model in models), default=1),
        convertible=converts,
    )
