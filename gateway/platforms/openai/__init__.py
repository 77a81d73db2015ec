"""OpenAI, and services that speak its API: nothing is translated, only the key and the address change."""

from __future__ import annotations

from itertools import cycle

from gateway.domain.egress import Egress
from gateway.domain.secret import Secret
from gateway.platforms.openai.settings import OpenAiSettings

__all__ = ["SETTINGS", "OpenAi", "OpenAiSettings", "build"]

SETTINGS = OpenAiSettings


class OpenAi:
    """One service and as many `keys` to it. Not a `Platform`: its requests are relayed, never planned."""

    def __init__(self, name: str, settings: OpenAiSettings) -> None:
        self.name = name
        self.settings = settings
        base = settings.base_url.rstrip("/")
        self.base_url = base if base.count("/") > 2 else base + "/v1"
        self.egress = Egress.of(settings.proxy, settings.ca_file)
        self.keys = len(settings.api_keys)
        self._keys = cycle(settings.api_keys)

    def next_key(self) -> Secret:
        """The keys of the pool, one after the other."""
        return next(self._keys)

    def url(self, rest: str) -> str:
        """Where a request goes. `rest` is the raw path and query after `/v1/`, kept byte for byte."""
        return f"{self.base_url}/{rest}"


def build(name: str, settings: OpenAiSettings) -> OpenAi:
    return OpenAi(name, settings)
