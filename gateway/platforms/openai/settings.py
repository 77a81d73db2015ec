"""What the operator may say about OpenAI, or a service that speaks its API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.domain.secret import Secret


class OpenAiSettings(BaseModel):
    """OpenAI or a compatible service: requests are relayed as they are. https://developers.openai.com/api/reference"""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["openai"]
    api_keys: tuple[Secret, ...] = Field(
        min_length=1,
        description="Sent in turn as `Authorization: Bearer`; from https://platform.openai.com/api-keys",
    )
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@\s]+(/[^?#@\s]*)?$")] = Field(
        default="https://api.openai.com/v1",
        description="As the official SDKs take it: what follows our `/v1` follows this. A bare origin gets `/v1`",
    )
