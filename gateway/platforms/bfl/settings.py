"""What the operator may say about a BFL account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from yarl import URL

from gateway.domain.edit import read_response_format
from gateway.domain.egress import refuse_plain
from gateway.domain.errors import InvalidField
from gateway.domain.hosts import PrivateHosts
from gateway.domain.secret import Secret
from gateway.domain.settings import BaseUrl, Settings
from gateway.platforms.account import Account
from gateway.platforms.bfl.kinds import Flux
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.terms import check

EDITS, GENERATES = "flux-kontext-pro", "flux-pro-1.1"


class WebhookSettings(Settings):
    """The platform calls when a task is over. A call is a hint: what it says is asked after."""

    public_url: BaseUrl | None = Field(
        default=None,
        description="Where the platform reaches this gateway; left out, it is not to call",
    )


class BflSettings(Account):
    """A Black Forest Labs account. https://docs.bfl.ai"""

    kind: Literal["bfl"]
    api_key: Secret = Field(description="Sent as `x-key`; from https://dashboard.bfl.ai")
    base_url: BaseUrl = Field(
        default="https://api.bfl.ai", description="The API's origin; `https://api.eu.bfl.ai` keeps requests in Europe"
    )
    max_active_tasks: int = Field(default=24, ge=1, le=10_000, description="The account's limit of unfinished tasks")
    models: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The only models that this account serves; left out, all"
    )
    default_model: str = Field(default=EDITS, description="Used for edits where the client names no model")
    default_generation_model: str = Field(
        default=GENERATES, description="Used for generations where the client names no model"
    )
    aliases: dict[str, str] = Field(
        default_factory=lambda: {"flux1_kontext": EDITS},
        description="Further names clients may use, each with the model it means",
    )
    defaults: dict[str, str] = Field(
        default_factory=dict, description="Form fields used where the client sent none, such as `safety_tolerance`"
    )
    unknown_fields: Literal["refuse", "ignore"] = Field(
        default="refuse", description="`ignore` drops fields nobody knows, and reports how many"
    )
    forward_user: bool = Field(default=False, description="Send `user` or `safety_identifier` on as BFL's `user`")
    webhook: WebhookSettings = Field(default_factory=WebhookSettings)
    polling_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts outside bfl.ai that may be polled, with the key, over https"
    )
    insecure_hosts: tuple[str, ...] = Field(
        default=(), description="`host:port` pairs spoken to over plain http: an emulator, never the internet"
    )

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

    @property
    def offered(self) -> Mapping[str, Flux]:
        """The models that this account serves, in the table's order."""
        return {name: model for name, model in MODELS.items() if self.models is None or name in self.models}

    @property
    def served_aliases(self) -> Mapping[str, str]:
        """The aliases, without one that nobody wrote down for a model that is not offered."""
        return {alias: name for alias, name in self.aliases.items() if name in self.offered}

    @property
    def default_generation(self) -> str | None:
        """Where it is not said, and the usual one not offered, the first that works from text alone."""
        able = [model.name for model in self.offered.values() if model.generates]
        if self.default_generation_model in able or "default_generation_model" in self.model_fields_set:
            return self.default_generation_model
        return next(iter(able), None)

    @model_validator(mode="after")
    def _offers_what_it_names(self) -> Self:
        named = [("models", name) for name in self.models or ()] + [("default_model", self.default_model)]
        for key in {"aliases", "default_generation_model"} & self.model_fields_set:
            value = getattr(self, key)
            named += ((key, name) for name in ([value] if isinstance(value, str) else value.values()))
        for key, name in named:
            if name not in self.offered:
                known = ", ".join(self.offered or MODELS)
                raise _refusal(f"no BFL model is called {name!r} here; known: {known}", key)
        edits = [model.name for model in self.offered.values() if model.edits]
        if edits and self.default_model not in edits:
            raise _refusal(f"{self.default_model} edits nothing; those that do: {', '.join(edits)}", "default_model")
        if self.default_generation and not MODELS[self.default_generation].generates:
            raise _refusal(f"{self.default_generation} makes nothing from text alone", "default_generation_model")
        return self

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """What every request would be refused for is refused here, where its author reads it."""
        for name, text in self.defaults.items():
            try:
                if name == "response_format":
                    read_response_format(text)
                else:
                    check(name, text, self.offered.values())
            except InvalidField as error:
                raise _refusal(error.text, "defaults", name) from None
        return self


def _refusal(text: str, *path: str) -> PydanticCustomError:
    """A complaint about one key of several that belong together."""
    return PydanticCustomError("bfl_account", "{text}", {"text": text, "path": path})
