"""Which models there are for this caller: the gateway's own, and those of the platforms it relays to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from gateway.domain.caller import Caller
from gateway.domain.errors import ModelNotFound, PlatformError
from gateway.domain.target import RelayTarget
from gateway.handlers.keys import CALLER, SNAPSHOT, STORY, Snapshot
from gateway.handlers.relay import RelayHandler
from gateway.platforms.contract import Platform
from gateway.platforms.openai import OpenAi

# Applications ask for the list as a test of the connection: an absent OpenAI must not look like an absent gateway.
WITHIN_S = 3.0
CAP = 1024 * 1024
# Not every vendor publishes a date, and clients sort by it: 1 January 2025 stands for unknown.
UNDATED = 1_735_689_600


@dataclass(frozen=True, slots=True)
class Listed:
    """
    A model's name or alias. `created` is in Unix seconds; `names` are all names of the same model: a key that allows
    one of them allows each.
    """

    id: str
    owner: str
    created: int = UNDATED
    names: frozenset[str] = field(default=frozenset())

    def allowed(self, caller: Caller) -> bool:
        return any(map(caller.may_use, self.names or (self.id,)))

    def entry(self) -> dict[str, Any]:
        """https://developers.openai.com/api/reference/resources/models"""
        return {"id": self.id, "object": "model", "created": self.created, "owned_by": self.owner}


def listed(platforms: Mapping[str, Platform], relays: Mapping[str, OpenAi]) -> Iterator[Listed]:
    """What the configuration knows of: every model and alias of job platforms, and what relays are known for."""
    for platform in platforms.values():
        yield from _all_names({model: model for model in platform.models} | dict(platform.aliases), platform.owner)
    for relay in relays.values():
        settings = relay.settings
        yield from _all_names({model: model for model in settings.models} | settings.aliases, relay.name)


def _all_names(names: Mapping[str, str], owner: str) -> Iterator[Listed]:
    for name, model in names.items():
        same = frozenset(other for other, meant in names.items() if meant == model)
        yield Listed(name, owner, names=same | {model})


class ModelsHandler:
    """
    Handlers of `GET /v1/models` and `GET /v1/models/{id}`.

    `within_s` is how long a relay's own list may take before it is left out.
    """

    def __init__(self, pass_on: RelayHandler, *, within_s: float = WITHIN_S) -> None:
        self._pass_on, self._relay, self._within_s = pass_on, pass_on.relay, within_s

    async def list(self, request: web.Request) -> web.Response:
        caller, missing, own = request[CALLER], [], _own(request[SNAPSHOT])
        data = {model.id: model.entry() for model in own.values() if model.allowed(caller)}
        relays = tuple(request[SNAPSHOT].relays.values())
        answers = await asyncio.gather(*map(self._ask_list, relays), return_exceptions=True)
        for relay, answer in zip(relays, answers, strict=True):
            if isinstance(answer, PlatformError):
                missing.append(f"{relay.name}: {answer.text}")
            elif isinstance(answer, BaseException):
                raise answer
            else:
                data |= {
                    entry["id"]: entry
                    for entry in answer
                    if entry["id"] not in data and entry["id"] not in own and caller.may_use(entry["id"])
                }
        if missing:
            request[STORY].facts["models_missing"] = "; ".join(missing)
        return _json({"object": "list", "data": [*data.values()]})

    async def one(self, request: web.Request) -> web.StreamResponse:
        """A model that the key does not allow is not there. Raises: ModelNotFound, or what the relay raises."""
        wanted, caller = request.match_info["id"], request[CALLER]
        own = _own(request[SNAPSHOT]).get(wanted)
        allowed = own.allowed(caller) if own else caller.may_use(wanted)
        if own and allowed:
            return _json(own.entry())
        if request[SNAPSHOT].relays and allowed:
            return await self._elsewhere(request)
        raise ModelNotFound(f"The model {wanted[:100]!r} is not served here.", param="model")

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        """From the first relay that has it; the first one's answer when none has."""
        relays = tuple(request[SNAPSHOT].relays.values())
        for relay in relays[1:] and relays:
            try:
                rest = self._pass_on.rest(request)
                answer = await self._relay.ask(relay, rest, within_s=self._within_s, cap=CAP)
                if answer.status == 200:
                    return _json(orjson.loads(answer.body))
            except (PlatformError, ValueError):
                continue
        return await self._pass_on.pass_on(request, RelayTarget(relays[0].name))

    async def _ask_list(self, relay: OpenAi) -> Sequence[dict[str, Any]]:
        answer = await self._relay.ask(relay, "models", within_s=self._within_s, cap=CAP)
        if answer.status != 200:
            raise PlatformError(f"answered {answer.status}")
        try:
            found = orjson.loads(answer.body)["data"]
            return [entry for entry in found if isinstance(entry["id"], str)]
        except (ValueError, LookupError, TypeError) as error:
            raise PlatformError("answered with something that is not a list of models") from error


def _own(snapshot: Snapshot) -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    for model in listed(snapshot.platforms, snapshot.relays):
        found.setdefault(model.id, model)
    return found


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")
