"""What the operator may say about who gets in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from gateway.chain.address import read_network
from gateway.domain.caller import Allowance, Caller
from gateway.domain.quantity import Seconds
from gateway.domain.secret import Secret
from gateway.domain.settings import Settings

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Lower case, and no port where it is the scheme's own: https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\sA-Z/?#@*]+")
DEFAULT_PORT = re.compile(r"https://.*:443|http://.*:80")
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def _id(text: str) -> str:
    if not ID.fullmatch(text):
        raise ValueError("should be 1 to 64 letters, digits, dots, dashes or underscores")
    return text


def _hash(text: str) -> str:
    if not HASH.fullmatch(text):
        raise ValueError("should be sha256: and 64 hexadecimal digits, as `gateway keys new` prints it")
    return text


def _path_glob(text: str) -> str:
    if not text.startswith("/v1/"):
        raise ValueError("should be a path such as /v1/images/*, without route_prefix")
    return text


def _origin(text: str) -> str:
    if not ORIGIN.fullmatch(text) or DEFAULT_PORT.fullmatch(text):
        raise ValueError(
            "should be an origin such as https://app.example.com, without path, wildcard or the default port"
        )
    return text


def _network(text: str) -> str:
    return str(read_network(text))


def _moment(value: object) -> datetime:
    """YAML makes dates of what looks like them; a date is its first moment, and what names no zone is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError("should be a date or a time such as 2027-01-31 or 2027-01-31T12:00:00Z")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(lambda moment: moment.isoformat().replace("+00:00", "Z"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}"}),
]
Glob = Annotated[str, Field(min_length=1, max_length=256)]
PathGlob = Annotated[Glob, AfterValidator(_path_glob)]
Globs = Annotated[tuple[Glob, ...], Field(min_length=1)]
PathGlobs = Annotated[tuple[PathGlob, ...], Field(min_length=1)]
NetworkText = Annotated[str, AfterValidator(_network)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LimitSettings(Settings):
    """The most one key may use; what is left out is not limited. Days and months are those of UTC."""

    requests: Count | None = Field(default=None, description="Requests a minute")
    images: Count | None = Field(default=None, description="Pictures asked for a minute")
    megapixels: Amount | None = Field(default=None, description="Millions of pixels asked for a minute")
    jobs: Count | None = Field(default=None, description="Jobs at the same time")
    credits_day: Amount | None = Field(default=None, description="Credits a day")
    credits_month: Amount | None = Field(default=None, description="Credits a month")
    cents_day: Amount | None = Field(default=None, description="US cents a day")
    cents_month: Amount | None = Field(default=None, description="US cents a month")


class KeySettings(Settings):
    """A client's key, by its hash: the file holds nothing that opens a door."""

    id: Annotated[str, AfterValidator(_id)] = Field(description="The caller's name in logs; no secret")
    hash: Annotated[str, AfterValidator(_hash)] = Field(
        description="`gateway keys new` prints key and hash",
        # Somebody will paste the key itself here, and complaints must not show it.
        json_schema_extra={"writeOnly": True},
    )
    # An empty list is a mistake: whoever writes one hardly means everything.
    models: Globs | None = Field(default=None, description="Models the key may use, as globs; left out: all")
    paths: PathGlobs | None = Field(
        default=None,
        description="Paths the key may call, as globs; left out: all, or for a key that names models those that tell "
        "their model (pictures, chat, responses, embeddings), the list of models and its own jobs",
    )
    limits: LimitSettings = Field(default_factory=LimitSettings)
    weight: float = Field(default=1.0, ge=0.1, le=100, description="Share of busy slots, relative to other keys'")
    expires: Moment | None = Field(default=None, description="When the key stops opening, UTC; a date is its 00:00")

    def caller(self) -> Caller:
        return Caller(
            id=self.id,
            models=self.models or (),
            paths=self.paths or (),
            allowance=Allowance(**self.limits.model_dump()),
            weight=self.weight,
            expires=None if self.expires is None else self.expires.timestamp(),
        )


class AuthSettings(Settings):
    """Who may call. Without any key the gateway serves this machine's own programs only."""

    keys: tuple[KeySettings, ...] = Field(default=(), description="Clients' keys, hashed")
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        default=(), description="Web origins that may call from a browser, such as https://app.example.com"
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids: dict[str, int] = {}
        hashes: dict[str, int] = {}
        for index, key in enumerate(self.keys):
            if (first := ids.setdefault(key.id, index)) != index:
                raise _wrong(f"is the id of auth.keys[{first}] too; each key has its own", "keys", index, "id")
            if (first := hashes.setdefault(key.hash, index)) != index:
                other = self.keys[first].id
                raise _wrong(
                    f"is the key of {other} too; make another one with `gateway keys new`", "keys", index, "hash"
                )
        return self


class ClientSettings(Settings):
    """Which addresses and programs are served, and how many connections they may have."""

    allow: tuple[NetworkText, ...] = Field(default=(), description="Addresses and networks served; none: all")
    deny: tuple[NetworkText, ...] = Field(default=(), description="Addresses and networks refused, whatever allow says")
    agents_allow: tuple[Glob, ...] = Field(default=(), description="Globs of User-Agent served, in any case; none: all")
    agents_deny: tuple[Glob, ...] = Field(
        default=(), description="Globs of User-Agent refused, whatever the other says"
    )
    trusted_proxies: tuple[NetworkText, ...] = Field(
        default=(), description="Proxies whose X-Forwarded-For is believed; nobody else's is"
    )
    per_address: int = Field(
        default=64, ge=1, description="Connections of one address; trusted proxies and this machine are exempt"
    )
    connections: Count | None = Field(
        default=None,
        description="Connections in all; default 2000, and never more than half of the file limit",
    )


class SignatureSettings(Settings):
    """Requests signed with a secret that clients share, in `X-Request-Signature`."""

    secrets: tuple[Secret, ...] = Field(default=(), description="Any of them may have signed: for rotation")
    mode: Literal["body", "timestamp"] = Field(
        default="body", description="`body`: its HMAC-SHA256; `timestamp`: time, method and path too, and used once"
    )
    required: bool | None = Field(
        default=None, description="Refuse unsigned requests; default: as soon as there is a secret"
    )
    window: Seconds = Field(default=300.0, ge=1, le=3600, description="How far a client's clock may be off")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.required and not self.secrets:
            raise _wrong("needs signature.secrets, or APP_SECRET", "required")
        return self


class ErrorSettings(Settings):
    """Words that clients look for."""

    moderation_code: Annotated[str, Field(pattern="^(moderation_blocked|content_policy_violation)$")] = Field(
        default="moderation_blocked",
        description="The code of a moderated request; the older word is content_policy_violation",
    )


def _wrong(text: str, *path: str | int) -> PydanticCustomError:
    """A problem at `path`, from the section down."""
    context: dict[str, Any] = {"text": text, "path": path}
    return PydanticCustomError("inconsistent", "{text}", context)
