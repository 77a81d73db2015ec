"""What the operator may say about pixel work."""

from __future__ import annotations

from pydantic import Field

from gateway.domain.quantity import ByteSize, Seconds
from gateway.domain.settings import Settings

MIB = 1024 * 1024


class ImagingSettings(Settings):
    """Masks, flattening and scaling, done in processes of their own that may be killed."""

    workers: int = Field(default=2, ge=1, le=64, description="Processes at most; each is started when it is needed")
    queue_limit: int = Field(default=64, ge=0, description="Pictures that may wait for a process; past it 503")
    within: Seconds = Field(
        default=20.0, ge=0.1, le=600, description="A process that takes longer for a picture is killed and replaced"
    )
    memory: ByteSize = Field(default=1024 * MIB, ge=256 * MIB, description="Address space of one process")
    max_pixels: int = Field(
        default=100_000_000, ge=1, description="Width × height of the largest picture that is decoded"
    )
