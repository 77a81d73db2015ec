"""What the operator may say about OpenAI, or a service that speaks its API."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.domain.egress import refuse_plain
from gateway.domain.secret import Secret
from gateway.domain.settings import BaseUrl
from gateway.platforms.account import Account


class OpenAiSettings(Account):
    """OpenAI or a compatible service: requests are relayed as they are. https://developers.openai.com/api/reference"""

    kind: Literal["openai"]
    api_keys: tuple[Secret, ...] = Field(
        min_length=1,
        description="Sent in turn as `Authorization: Bearer`; from https://platform.openai.com/api-keys",
    )
    base_url: BaseUrl = Field(
        default="https://api.openai.com/v1",
        description="As the official SDKs take it: what follows our `/v1` follows this. A bare origin gets `/v1`",
    )
    image_model: str | None = Field(
        default=None, min_length=1, description="Asked for in every request for pictures, whatever the client named"
    )
    image_model_fallback: str | None = Field(
        default=None,
        min_length=1,
        description="What a model that only other platforms have, such as flux-*, becomes here",
    )
    models: tuple[str, ...] = Field(
        default=(),
        description="Models it is known for: listed in /v1/models, and in a list of relays asked of it alone",
    )
    aliases: dict[str, str] = Field(
        default_factory=dict, description="Further names clients may use for pictures, each with the model it means"
    )

    @field_validator("api_keys", mode="before")
    @classmethod
    def _pool(cls, keys: Any) -> Any:
        """A pool may come as one text, keys separated by spaces, as the environment has it."""
        if isinstance(keys, str):
            return tuple(keys.split())
        if isinstance(keys, list | tuple):
            return tuple(key for text in keys for key in (text.split() if isinstance(text, str) else [text]))
        return keys

    @model_validator(mode="after")
    def _keeps_its_keys(self) -> Self:
        refuse_plain(self.proxy, self.base_url)
        return self
