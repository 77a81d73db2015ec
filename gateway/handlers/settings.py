"""What the operator may say about uploads."""

from __future__ import annotations

from pydantic import Field

from gateway.domain.quantity import ByteSize, Seconds
from gateway.domain.settings import Settings
from gateway.handlers.body import Pace
from gateway.handlers.receive import Limits

MIB = 1024 * 1024


class UploadSettings(Settings):
    """The most a client may send, and the least speed. A model that takes less lowers the limits."""

    image_bytes: ByteSize = Field(default=50 * MIB, ge=1024, description="Largest picture file")
    image_pixels: int = Field(
        default=50_000_000, ge=1, description="Largest picture, width × height, where a route makes it smaller"
    )
    images: int = Field(default=16, ge=1, le=16, description="Pictures in one request, masks not counted")
    min_rate: ByteSize = Field(
        default=16 * 1024, ge=1, description="Bytes per second that an upload has to keep up on average"
    )
    grace: Seconds = Field(default=5.0, ge=0.01, description="How far an upload may fall behind min_rate")
    stall: Seconds = Field(default=10.0, ge=0.01, description="The longest pause within an upload")

    @property
    def pace(self) -> Pace:
        return Pace(grace_s=self.grace, bytes_per_s=self.min_rate, stall_s=self.stall)

    def limits(self, *, images: int, image_bytes: int, image_pixels: int, convertible: bool = False) -> Limits:
        """These settings narrowed to what the widest model in reach takes."""
        return Limits(
            image_bytes=min(self.image_bytes, image_bytes),
            images=min(self.images, images),
            image_pixels=image_pixels,
            pace=self.pace,
            convertible=convertible,
        )
