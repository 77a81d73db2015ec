"""One `image_url` of a JSON body while it arrives: the picture in a data URL goes the way of every upload."""

from __future__ import annotations

from typing import NoReturn

from gateway.domain.blob import Link
from gateway.domain.errors import InvalidImage, InvalidUrl
from gateway.domain.public import check_public
from gateway.handlers.parts import PicturePart
from gateway.stores.blobs import SpooledBlob
from gateway.wire.image_url import BadBase64, BadUrl, ImageUrl


class PictureUrl:
    """Fed with the text in pieces; `part` takes the bytes in it. Raises: as `PicturePart`, InvalidUrl."""

    def __init__(self, part: PicturePart) -> None:
        self.name, self._part = part.name, part
        self._url = ImageUrl()

    async def write(self, piece: str) -> None:
        try:
            data = self._url.feed(piece)
        except (BadUrl, BadBase64) as fault:
            self._refuse(fault)
        if data:
            await self._part.write(data)

    async def finish(self) -> SpooledBlob | Link:
        """The picture, complete and known, or an address that a platform may fetch it from."""
        try:
            last = self._url.close()
        except (BadUrl, BadBase64) as fault:
            self._refuse(fault)
        if (address := self._url.address) is not None:
            check_public(address, self._part.param)
            return Link(address)
        if last:
            await self._part.write(last)
        return await self._part.finish()

    def discard(self) -> None:
        self._part.discard()

    def _refuse(self, fault: BadUrl | BadBase64) -> NoReturn:
        kind = InvalidUrl if isinstance(fault, BadUrl) else InvalidImage
        param = self._part.param
        raise kind(f"Invalid '{param}': {fault}.", param=param) from fault
