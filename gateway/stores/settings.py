"""What the operator may say about memory, disk and retention."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.quantity import ByteSize, Seconds

MIB = 1024 * 1024


class MemorySettings(BaseModel):
    """Where picture bytes live between the sockets."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    budget: ByteSize = Field(default=256 * MIB, description="Picture bytes held in memory, all requests together")
    disk: ByteSize = Field(default=4096 * MIB, description="Picture bytes held in unlinked files past the budget")
    wait: Seconds = Field(default=10.0, ge=0, description="How long an upload waits for room before it gets 503")


class ResultSettings(BaseModel):
    """How long finished pictures are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    retention: Seconds = Field(
        default=3600.0, ge=60, description="Undelivered pictures, signed links and answers to an Idempotency-Key"
    )
