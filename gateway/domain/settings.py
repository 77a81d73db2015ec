"""What every package's settings have in common."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

BASE_URL = r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$"


def _base_url(text: str) -> str:
    if not re.search(BASE_URL, text):
        raise ValueError("should be an address such as https://api.example.com, without user, query and fragment")
    return text


BaseUrl = Annotated[str, AfterValidator(_base_url), WithJsonSchema({"type": "string", "pattern": BASE_URL})]
"""An http or https address without user, query and fragment."""


class Settings(BaseModel):
    """Immutable; unknown keys are errors; complaints do not quote values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
