"""What the operator may say about who gets in."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.domain.settings import Settings

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise ValueError("should be 1 to 64 letters, digits, dots, dashes or underscores")
    return text


def _hash(text: str) -> str:
    if not HASH.fullmatch(text):
        raise ValueError("should be sha256: and 64 hexadecimal digits, as `gateway keys new` prints it")
    return text


class KeySettings(Settings):
    """A client's key, by its hash: the file holds nothing that opens a door."""

    id: Annotated[str, AfterValidator(_id)] = Field(description="The caller's name in logs; no secret")
    hash: Annotated[str, AfterValidator(_hash)] = Field(
        description="`gateway keys new` prints key and hash",
        # Somebody will paste the key itself here, and complaints must not show it.
        json_schema_extra={"writeOnly": True},
    )


class AuthSettings(Settings):
    """Who may call. Without any key the gateway serves this machine's own programs only."""

    keys: tuple[KeySettings, ...] = Field(default=(), description="Clients' keys, hashed")
    origins: tuple[str, ...] = Field(
        default=(), description="Web origins that may call from a browser, such as https://app.example.com"
    )


class ErrorSettings(Settings):
    """Words that clients look for."""

    moderation_code: Annotated[str, Field(pattern="^(moderation_blocked|content_policy_violation)$")] = Field(
        default="moderation_blocked",
        description="The code of a moderated request; the older word is content_policy_violation",
    )
