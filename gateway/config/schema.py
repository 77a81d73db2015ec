"""The whole configuration: every package's own settings, composed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.chain.settings import AuthSettings, ClientSettings, ErrorSettings, SignatureSettings
from gateway.config.routes import check_routes
from gateway.domain.egress import read_proxy
from gateway.domain.hosts import is_loopback
from gateway.domain.quantity import ByteSize
from gateway.domain.secret import Secret
from gateway.domain.settings import BaseUrl, Settings
from gateway.handlers.settings import UploadSettings
from gateway.imaging.settings import ImagingSettings
from gateway.jobs.settings import JobSettings
from gateway.platforms import registry
from gateway.platforms.account import Account
from gateway.routing.settings import RouteSettings
from gateway.stores.settings import MemorySettings, ResultSettings
from gateway.upstream.egress import NoAuthorities, load_authorities


def _trusting(platform: Account) -> Account:
    """With its certificate authorities read, so that what is wrong with them is told here."""
    if platform.ca_file is not None:
        try:
            load_authorities(platform.ca_file)
        except NoAuthorities as error:
            context = {"text": str(error), "path": ("ca_file",)}
            raise PydanticCustomError("inconsistent", "{text}", context) from None
    return platform


if TYPE_CHECKING:
    PlatformSettings = Account
else:
    _each = tuple(map(registry.settings, registry.kinds()))
    # `|` takes no tuple.
    PlatformSettings = Annotated[Union[_each], Field(discriminator="kind"), AfterValidator(_trusting)]  # noqa: UP007


class Listener(Settings):
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(ge=0, le=65_535, description="TCP port; 0 takes a free one")


class PublicListener(Listener):
    """Where clients come in."""

    port: int = Field(default=8080, ge=0, le=65_535, description="TCP port; 0 takes a free one")
    header_line: ByteSize = Field(
        default=8190, ge=1024, le=64 * 1024, description="Longest line of a request's head, such as a cookie"
    )


class AdminListener(Listener):
    """Where operators look: /metrics, /healthz, /readyz. Never public."""

    port: int = Field(default=8081, ge=0, le=65_535, description="TCP port; 0 takes a free one")


def state_dir() -> Path:
    """https://specifications.freedesktop.org/basedir-spec/latest/"""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "image-gateway"


def _public_url(text: str) -> str:
    if text.rstrip("/").endswith("/v1"):
        raise ValueError("should be what stands before /v1: links to pictures lead past it")
    return text


def _prefix(text: str) -> str:
    if not re.search(PREFIX, text):
        raise ValueError("should be a path such as /images, without a slash at its end")
    return text


PREFIX = r"^(/[A-Za-z0-9._~-]+)*$"
Prefix = Annotated[str, AfterValidator(_prefix), WithJsonSchema({"type": "string", "pattern": PREFIX})]
PublicUrl = Annotated[BaseUrl, AfterValidator(_public_url)]


class Config(Settings):
    """An image-API gateway: OpenAI's Images API in front, FLUX and OpenAI behind."""

    model_config = ConfigDict(title="image-gateway")

    listen: PublicListener = Field(default_factory=PublicListener)
    admin: AdminListener = Field(default_factory=AdminListener)
    public_base_url: PublicUrl | None = Field(
        default=None, description="Where clients reach the gateway; needed for response_format=url off this machine"
    )
    route_prefix: Prefix = Field(default="", description="Put before every public path, such as /images")
    auth: AuthSettings = Field(default_factory=AuthSettings)
    clients: ClientSettings = Field(default_factory=ClientSettings)
    signature: SignatureSettings = Field(default_factory=SignatureSettings)
    platforms: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], PlatformSettings] = Field(
        default_factory=dict, description="Accounts at platforms, by an id of your own"
    )
    routes: RouteSettings = Field(default_factory=RouteSettings)
    uploads: UploadSettings = Field(default_factory=UploadSettings)
    memory: MemorySettings = Field(default_factory=MemorySettings)
    imaging: ImagingSettings = Field(default_factory=ImagingSettings)
    results: ResultSettings = Field(default_factory=ResultSettings)
    jobs: JobSettings = Field(default_factory=JobSettings)
    errors: ErrorSettings = Field(default_factory=ErrorSettings)
    ledger: Literal["sqlite", "none"] = Field(
        default="sqlite",
        description="Where paid jobs are remembered; with none a restart loses what runs, and what was not fetched yet",
    )
    state_dir: Path = Field(default_factory=state_dir, description="Where files live; private to the gateway")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(check_routes(self.platforms, self.routes))
        if not self.auth.keys and not is_loopback(self.listen.host):
            text = (
                f"{self.listen.host} can be reached by others, and no key is configured. Set FORWARD_KEY or auth.keys "
                "(`gateway keys new` makes one), or listen on 127.0.0.1."
            )
            problems.append((("listen", "host"), text))
        if problems:
            # All of them at once, each told at its own place by `Complaints`.
            text = "; ".join(text for _, text in problems)
            raise PydanticCustomError("inconsistent", "{text}", {"text": text, "problems": problems})
        return self

    def secrets(self) -> list[str]:
        """Every secret in plain text, for the log's redactor."""
        return list(_secrets(self))


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal()
        proxy = read_proxy(value.reveal())
        if proxy is not None and proxy.password:
            yield proxy.password
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _secrets(inner)
