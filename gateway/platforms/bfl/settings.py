"""What the operator may say about a BFL account."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from yarl import URL

from gateway.domain.edit import Edit
from gateway.domain.egress import CaFile, Proxy, refuse_plain
from gateway.domain.errors import InvalidField
from gateway.domain.hosts import PrivateHosts
from gateway.domain.secret import Secret
from gateway.domain.settings import BaseUrl, Settings
from gateway.platforms.bfl.models import KONTEXT
from gateway.platforms.bfl.request import Translation


class BflSettings(Settings):
    """A Black Forest Labs account. https://docs.bfl.ai"""

    kind: Literal["bfl"]
    api_key: Secret = Field(description="Sent as `x-key`; from https://dashboard.bfl.ai")
    base_url: BaseUrl = Field(
        default="https://api.bfl.ai", description="The API's origin; `https://api.eu.bfl.ai` keeps requests in Europe"
    )
    max_active_tasks: int = Field(default=24, ge=1, le=10_000, description="The account's limit of unfinished tasks")
    default_model: str = Field(default="flux-kontext-pro", description="Used where the client names no model")
    aliases: dict[str, str] = Field(
        default_factory=lambda: {"flux1_kontext": "flux-kontext-pro"},
        description="Further names clients may use, each with the model it means",
    )
    defaults: dict[str, str] = Field(
        default_factory=dict, description="Form fields used where the client sent none, such as `safety_tolerance`"
    )
    unknown_fields: Literal["refuse", "ignore"] = Field(
        default="refuse", description="`ignore` drops fields nobody knows, and reports how many"
    )
    forward_user: bool = Field(default=False, description="Send `user` or `safety_identifier` on as BFL's `user`")
    polling_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts outside bfl.ai that may be polled, with the key, over https"
    )
    insecure_hosts: tuple[str, ...] = Field(
        default=(), description="`host:port` pairs spoken to over plain http: an emulator, never the internet"
    )
    proxy: Proxy = None
    ca_file: CaFile = None

    @field_validator("defaults")
    @classmethod
    def _usable(cls, defaults: dict[str, str]) -> dict[str, str]:
        """What every request would be refused for is refused here, where its author reads it."""
        edit = Edit("a default", images=())
        for model in KONTEXT.values():
            try:
                Translation(edit, model, defaults, forward_user=False, lenient=False).run()
            except InvalidField as error:
                raise ValueError(error.text) from None
        return defaults

    @model_validator(mode="after")
    def _keeps_its_key(self) -> Self:
        """The operator's own word is enough for https; plain http shows the key to everybody on the way."""
        base = URL(self.base_url)
        if base.scheme == "http" and not PrivateHosts.of(self.base_url, self.insecure_hosts).allows(base):
            raise PydanticCustomError(
                "plain_http",
                "{text}",
                {
                    "text": f"{self.base_url} would get the key over plain http. Use https, or list "
                    f"{base.host}:{base.port} in insecure_hosts if it is an emulator.",
                    "path": ("base_url",),
                },
            )
        refuse_plain(self.proxy, self.base_url, self.insecure_hosts)
        return self

    def model_post_init(self, _context: object) -> None:
        for name in (self.default_model, *self.aliases.values()):
            if name not in KONTEXT:
                raise ValueError(f"no BFL model is called {name!r}; known: {', '.join(KONTEXT)}")
