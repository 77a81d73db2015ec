"""What the operator may say about routes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RouteSettings(BaseModel):
    """Platform ids by route, the default first."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    edits: tuple[str, ...] = Field(
        default=(), description="Who serves POST /v1/images/edits; empty: OpenAI, else the first platform"
    )
    generations: tuple[str, ...] = Field(default=(), description="Who serves POST /v1/images/generations: OpenAI")
    openai_names: bool = Field(
        default=True,
        description="With one edit platform: gpt-image-*, chatgpt-image-* and dall-e-* mean its default model",
    )
