"""Finished pictures in the spool, and signed links to them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.blob import Blob
from gateway.stores.blobs import SpooledBlob
from gateway.stores.links import Links


@dataclass(slots=True)
class _Kept:
    blob: SpooledBlob
    until: float


class SpoolResults:
    """
    Implements `Results` over spooled blobs.

    Args:
        now: monotonic seconds, which retention is counted in, so that a step of the wall clock loses nothing.
        links: signs and checks links.  new_ref: makes an unguessable reference.
        retention_s: how long what nobody has fetched is kept.
        spare_s: how long what was delivered is kept for a resend.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        links: Links,
        new_ref: Callable[[], str],
        retention_s: float,
        spare_s: float = 60.0,
    ) -> None:
        self._now, self._new_ref = now, new_ref
        self.link, self.check = links.link, links.check
        self._retention_s, self._spare_s = retention_s, spare_s
        self._kept: dict[str, _Kept] = {}
        self._spared: OrderedDict[str, None] = OrderedDict()

    async def put(self, blob: Blob) -> str:
        assert isinstance(blob, SpooledBlob)
        ref = self._new_ref()
        self._kept[ref] = _Kept(blob, self._now() + self._retention_s)
        return ref

    def settled(self, ref: str) -> None:
        """Its time is its own, whatever the ledger names."""

    async def open(self, ref: str) -> Blob | None:
        kept = self._kept.get(ref)
        return kept.blob.hold() if kept and kept.until > self._now() else None

    async def keep(self, ref: str) -> None:
        """Nobody waits for it now: keep it for the whole retention, and on disk."""
        if kept := self._kept.get(ref):
            kept.until = self._now() + self._retention_s
            self._spared.pop(ref, None)
            await kept.blob.park()

    def spare(self, ref: str) -> None:
        if kept := self._kept.get(ref):
            kept.until = self._now() + self._spare_s
            self._spared[ref] = None

    def make_room(self, wanted: int) -> None:
        """Drop delivered pictures, oldest first, until `wanted` bytes of memory are free again."""
        while wanted > 0 and self._spared:
            ref, _ = self._spared.popitem(last=False)
            kept = self._kept.pop(ref)
            wanted -= kept.blob.length if kept.blob.in_memory else 0
            kept.blob.release()

    def sweep(self) -> None:
        """Drop what has passed its time."""
        now = self._now()
        for ref in [ref for ref, kept in self._kept.items() if kept.until <= now]:
            self._spared.pop(ref, None)
            self._kept.pop(ref).blob.release()
