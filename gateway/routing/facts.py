"""What is known of a request when its targets are chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.domain.caller import Caller
from gateway.domain.errors import InvalidField

NOBODY = Caller("nobody")
PREFERENCE = "X-ImageModel"


class Kind(StrEnum):
    """What is made: a picture from pictures, or one from text alone."""

    EDIT = "edit"
    GENERATION = "generation"


# The paths that are more than relayed, by what they make.
PATHS = {Kind.EDIT: "/v1/images/edits", Kind.GENERATION: "/v1/images/generations"}
ROUTES = {"images.edits": Kind.EDIT, "images.generations": Kind.GENERATION}
RELAYED = "relay"


# Both ways in which Azure writes them: https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference
_AZURE = re.compile(r"/openai(?:/deployments/([^/]+)(?=/images/)|/v1)(/.*)")


class Family(StrEnum):
    """What a client may prefer: platforms that speak OpenAI themselves, or those that are translated for."""

    OPENAI = "openai"
    FLUX = "flux"


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What is known of a request. `route` is the name of its resource, `path` begins with `/v1/`, without the gateway's
    own prefix; `headers` are looked up without regard to case.

    `read` is False before the body was read; what follows it is known only then. `model` is the client's word for it;
    `images` and `mask` say what came with the request, `pixels` is the largest picture's width × height.
    """

    route: str
    model: str | None = None
    read: bool = False
    path: str = ""
    caller: Caller = NOBODY
    headers: Mapping[str, str] = field(default_factory=dict)
    n: int = 1
    images: int = 0
    mask: bool = False
    pixels: int = 0

    @property
    def kind(self) -> Kind | None:
        """None where nothing but relaying is possible."""
        return ROUTES.get(self.route)

    def with_pictures(self, images: int, pixels: int, *, mask: bool) -> Facts:
        """With what came. Rules about pictures are about edits: those that come with a generation do not count."""
        return self if self.kind is Kind.GENERATION else replace(self, images=images, pixels=pixels, mask=mask)

    def header(self, name: str) -> tuple[str, ...]:
        """Every value of a header; none when it was not sent."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers.items() if key.lower() == wanted)

    def words(self) -> Iterator[tuple[str, str]]:
        """What patterns are held against, each with the key of such a condition; the model once the body was read."""
        yield "path", self.path
        yield "caller", self.caller.id
        for name, value in self.headers.items():
            yield f"header {name.lower()}", value
        if self.read and self.model is not None:
            yield "model", self.model

    @property
    def preference(self) -> Family | None:
        """What `X-ImageModel` asks for on a path that makes pictures. Raises: InvalidField for another word."""
        if self.kind is None or not (sent := self.header(PREFERENCE)):
            return None
        try:
            (word,) = {value.strip().lower() for value in sent}
            return Family(word)
        except ValueError:
            raise InvalidField(f"{PREFERENCE} is {' or '.join(Family)}.", param=PREFERENCE) from None


def public_path(path: str) -> tuple[str, str | None]:
    """
    The path as OpenAI writes it, and the deployment, which is Azure's word for the model.

    `path` comes decoded, without the gateway's own prefix.
    """
    if (azure := _AZURE.fullmatch(path)) is None:
        return path, None
    return f"/v1{azure[2]}", azure[1]


def route_of(method: str, path: str) -> str:
    """The name of the resource that serves a path, as `public_path` tells it; empty when nothing lives there."""
    for route, kind in ROUTES.items():
        if path == PATHS[kind]:
            return route
    if method in ("GET", "HEAD") and (path == "/v1/models" or path.startswith("/v1/models/")):
        return "models"
    return RELAYED if path.startswith("/v1/") else ""
