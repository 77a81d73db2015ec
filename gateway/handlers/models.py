"""Which models there are: the gateway's own, and those of the platform it relays to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from gateway.domain.errors import ModelNotFound, PlatformError
from gateway.handlers.keys import STORY
from gateway.handlers.relay import RelayHandler
from gateway.platforms.openai import OpenAi
from gateway.upstream.relay import Relay

# Applications ask for the list as a test of the connection: an absent OpenAI must not look like an absent gateway.
WITHIN_S = 3.0
CAP = 1024 * 1024
# Not every vendor publishes a date, and clients sort by it: 1 January 2025 stands for unknown.
UNDATED = 1_735_689_600


@dataclass(frozen=True, slots=True)
class Listed:
    """A model name or alias that clients may use. `created` is in Unix seconds."""

    id: str
    owner: str
    created: int = UNDATED

    def entry(self) -> dict[str, Any]:
        """https://developers.openai.com/api/reference/resources/models"""
        return {"id": self.id, "object": "model", "created": self.created, "owned_by": self.owner}


class ModelsHandler:
    """
    Handlers of `GET {prefix}/models` and `GET {prefix}/models/{id}`. `openai` is None when nothing is relayed.

    `within_s` is how long OpenAI's own list may take before it is left out.
    """

    def __init__(
        self,
        listed: Iterable[Listed],
        relay: Relay,
        openai: OpenAi | None,
        *,
        prefix: str = "/v1",
        within_s: float = WITHIN_S,
    ) -> None:
        self._own = {model.id: model.entry() for model in listed}
        self._relay, self._openai, self._within_s = relay, openai, within_s
        self._pass_on = RelayHandler(relay, openai, prefix=prefix)

    async def list(self, request: web.Request) -> web.Response:
        theirs: Sequence[dict[str, Any]] = ()
        if self._openai is not None:
            try:
                theirs = await self._ask(self._openai)
            except PlatformError as error:
                request[STORY].facts["models_missing"] = f"{self._openai.name}: {error.text}"
        data = [*self._own.values(), *(entry for entry in theirs if entry["id"] not in self._own)]
        return _json({"object": "list", "data": data})

    async def one(self, request: web.Request) -> web.StreamResponse:
        """Raises: ModelNotFound, or what the relay raises."""
        wanted = request.match_info["id"]
        if entry := self._own.get(wanted):
            return _json(entry)
        if self._openai is not None:
            return await self._pass_on(request)
        raise ModelNotFound(f"The model {wanted[:100]!r} is not served here.", param="model")

    async def _ask(self, openai: OpenAi) -> Sequence[dict[str, Any]]:
        answer = await self._relay.ask(openai, "models", within_s=self._within_s, cap=CAP)
        if answer.status != 200:
            raise PlatformError(f"answered {answer.status}")
        try:
            listed = orjson.loads(answer.body)["data"]
            return [entry for entry in listed if isinstance(entry["id"], str)]
        except (ValueError, LookupError, TypeError) as error:
            raise PlatformError("answered with something that is not a list of models") from error


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
