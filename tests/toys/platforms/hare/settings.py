"""What the operator may say about an account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.domain.secret import Secret
from gateway.domain.settings import BaseUrl
from gateway.platforms.account import Account


class HareSettings(Account):
    """An account with a vendor that is quick."""

    kind: Literal["hare"]
    api_key: Secret = Field(description="Sent as `X-Token`")
    base_url: BaseUrl = "https://hare.example"
