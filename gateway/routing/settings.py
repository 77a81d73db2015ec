"""What the operator may say about routes."""

from __future__ import annotations

from pydantic import Field

from gateway.domain.settings import Settings


class RouteSettings(Settings):
    """Platform ids by route, the default first."""

    edits: tuple[str, ...] = Field(
        default=(), description="Who serves POST /v1/images/edits; empty: OpenAI, else the first platform"
    )
    generations: tuple[str, ...] = Field(default=(), description="Who serves POST /v1/images/generations: OpenAI")
    openai_names: bool = Field(
        default=True,
        description="With one edit platform: gpt-image-*, chatgpt-image-* and dall-e-* mean its default model",
    )
