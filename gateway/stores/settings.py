"""What the operator may say about memory, disk and retention."""

from __future__ import annotations

from pydantic import Field

from gateway.domain.quantity import ByteSize, Seconds
from gateway.domain.settings import Settings

MIB = 1024 * 1024


class MemorySettings(Settings):
    """Where picture bytes live between the sockets."""

    budget: ByteSize = Field(default=256 * MIB, description="Picture bytes held in memory, all requests together")
    disk: ByteSize = Field(default=4096 * MIB, description="Picture bytes held in private files past the budget")
    wait: Seconds = Field(default=10.0, ge=0, description="How long an upload waits for room before it gets 503")


class ResultSettings(Settings):
    """How long finished pictures are kept, and how many."""

    retention: Seconds = Field(
        default=86_400.0,
        ge=60,
        description="Jobs, pictures, signed links and answers to an Idempotency-Key; without a ledger an hour at most",
    )
    quota: ByteSize = Field(
        default=10 * 1024 * MIB,
        description="Finished pictures on disk; past it delivered ones go early, and without any nothing new is begun",
    )
