"""Pixel work into the spool; and a finished picture brought to the size that its client was promised."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from gateway.domain.blob import Blob
from gateway.domain.errors import InternalError
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.imaging.probe import NotAnImage, Prober
from gateway.imaging.workers import Imaging
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Room, Spool

log = structlog.get_logger("gateway.jobs")


async def remake(work: Rework, imaging: Imaging, room: Room) -> SpooledBlob:
    """
    The picture that `work` asks for; closes the room.

    Raises: InvalidImage, ImageTooLarge, InvalidMask, OutOfRoom, ShuttingDown, InternalError.
    """
    writer, prober = BlobWriter(room), Prober()

    async def take(piece: bytes) -> None:
        prober.feed(piece)
        await writer.write(piece)

    try:
        await imaging.make(work, take)
        found = prober.finish()
        return await writer.finish(found.media_type, found.pixels, found.orientation)
    except BaseException as error:
        writer.discard()
        if isinstance(error, NotAnImage):
            text = "The gateway could not process the picture."
            raise InternalError(text, detail=f"a worker made no picture: {error}") from error
        raise
    finally:
        room.close()


@dataclass(frozen=True, slots=True)
class Fit:
    """Brings a picture to a size."""

    imaging: Imaging
    spool: Spool

    async def __call__(self, blob: Blob, size: Pixels) -> Blob:
        """
        A new picture, scaled and cropped around its middle, or `blob` itself: when it has the size, and when anything
        goes wrong, for it is paid.
        """
        if blob.pixels == size:
            return blob
        try:
            work = Rework(blob, pixels=size, crop=True)
            return await remake(work, self.imaging, self.spool.reserve_paid(blob.length))
        except Exception as error:  # noqa: BLE001 - whatever it is, it may not cost the picture
            detail = getattr(error, "detail", None) or str(error)
            log.warning("picture not resized", made=str(blob.pixels), wanted=str(size), detail=detail)
            return blob


async def as_made(blob: Blob, _size: Pixels) -> Blob:
    """In the place of `Fit` where nothing is resized."""
    return blob
