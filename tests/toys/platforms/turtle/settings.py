"""What the operator may say about an account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.domain.secret import Secret
from gateway.domain.settings import BaseUrl
from gateway.platforms.account import Account


class TurtleSettings(Account):
    """An account with a vendor that takes its time."""

    kind: Literal["turtle"]
    api_key: Secret = Field(description="Sent as `Authorization: Bearer`")
    base_url: BaseUrl = "https://turtle.example"
    max_active_tasks: int = Field(default=4, ge=1, description="The account's limit of unfinished jobs")
