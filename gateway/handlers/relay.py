"""Every path that nobody else owns: relayed as it is, once it is sure to stay below the platform's base path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.domain.blob import Blob
from gateway.domain.errors import (
    DuplicateField,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    ModelNotAllowed,
    NotFound,
    PlatformAuthFailed,
    PlatformBusy,
    PlatformError,
    PlatformNotConfigured,
    PlatformOutOfCredits,
    UnsupportedMedia,
)
from gateway.domain.notes import Fate, Note
from gateway.domain.target import RelayTarget, Target
from gateway.handlers.attempts import first_able
from gateway.handlers.body import check_coding
from gateway.handlers.counted import counted, usage
from gateway.handlers.duty import DUTY
from gateway.handlers.expect import expects, invite_body
from gateway.handlers.hold import Held, can_hold, hold
from gateway.handlers.keys import CALLER, CANDIDATES, FACTS, SNAPSHOT, STORY
from gateway.handlers.rewrite import rewritten
from gateway.jobs.breaker import Verdict
from gateway.jobs.breakers import Breakers
from gateway.platforms.openai.rewrite import rewrite
from gateway.routing.choose import choose
from gateway.routing.facts import PATHS
from gateway.routing.spelling import hint, misspelled
from gateway.stores.contract import Limits
from gateway.stores.spool import Spool
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.relay import Relay

# A segment of one or two dots in any spelling a server on the way might undo, `%252e` and `..;x` included.
_SLASH = r"[/\\]|%(?:25)*(?:2f|5c)"
_DOTS = re.compile(rf"(?:^|{_SLASH})(?:\.|%(?:25)*2e){{1,2}}(?=$|;|%(?:25)*3b|{_SLASH})", re.IGNORECASE)
# A request may name the whole address; its host means nothing here: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
# Azure's spellings: https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference
_DEPLOYMENT = re.compile(r"/openai/deployments/[^/?#]+(?=/images/)")

# TRACE answers with the request it got, the platform's key included; CONNECT is for proxies.
REFUSED_METHODS = ("CONNECT", "TRACE")


@dataclass(frozen=True, slots=True)
class RelayHandler:
    """Handler of every method on paths that are relayed. `prefix` stands before every public path."""

    relay: Relay
    spool: Spool
    breakers: Breakers
    limits: Limits
    metrics: Catalogue
    chance: Callable[[], float]
    prefix: str = ""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """
        Raises: PlatformNotConfigured, MethodNotAllowed, NotFound, InvalidRequest, ExpectationFailed, ModelNotFound,
        ModelNotAllowed, UnsupportedMedia, what `hold` and what `Relay.forward` raises.
        """
        candidates, rules, facts = request[CANDIDATES], request[SNAPSHOT].rules, request[FACTS]
        if meant := ((facts.path,) if facts.path in PATHS.values() else misspelled(facts.path)):
            # What is said of pictures (routes, pins, numbers of them) holds on their own path only.
            raise NotFound(f"Nothing lives at this path.{hint(meant, self.prefix)}")
        if not candidates:
            raise self._not_configured()
        first = candidates[0]
        if isinstance(first, RelayTarget) and not rules.needs_body(facts):
            return await self.pass_on(request, first)
        held, facts = None, replace(facts, read=True)
        if request.body_exists and can_hold(request):
            held = await hold(request, self.spool, request[SNAPSHOT].uploads.pace)
            facts = held.seen.into(facts)
        elif request.body_exists and facts.caller.models:
            raise UnsupportedMedia("A key for certain models sends application/json or multipart/form-data.")
        try:
            targets = choose(rules, facts, self.chance())

            async def attempt(target: Target, last: bool) -> web.StreamResponse:
                assert isinstance(target, RelayTarget)
                again = not last and (held is not None or not request.body_exists)
                return await self.pass_on(request, target, held=held, last=not again)

            return await first_able(request, targets, attempt, self.metrics)
        finally:
            if held is not None:
                held.release()

    async def pass_on(
        self, request: web.Request, target: RelayTarget, *, held: Held | None = None, last: bool = True
    ) -> web.StreamResponse:
        """
        To this target. `held` is the request's body when it has been received before; it stays the caller's.

        Raises: as above, and LimitReached for pictures; unless it is the last, also what a definite no of the
        platform's means.
        """
        if request.method in REFUSED_METHODS:
            raise MethodNotAllowed(f"{request.method} is not served.")
        _check_query(request)
        check_coding(request)
        told = request[STORY]
        told.platform, told.model = target.platform, target.model or "-"
        rest = self.rest(request)
        changes = {} if held is None else self._changes(request, target, held)
        async with AsyncExitStack() as counting:
            if request.method == "POST" and request[FACTS].kind is not None:
                told_by = held.seen.certain(changes) if held is not None else None
                used = counted(request, self.limits, self.metrics, target.platform, usage(told_by))
                await counting.enter_async_context(used)
            body: Blob | None = held.raw if held is not None else None
            if held is not None and changes:
                told.notes = _notes(changes, target, request[FACTS].model)
                body = await rewritten(held.raw, held.raw.media_type, changes)
            response = await self._forward(request, target.platform, rest, body, last)
        told.outcome = _outcome(response.status)
        return response

    async def _forward(
        self, request: web.Request, platform: str, rest: str, body: Blob | None, last: bool
    ) -> web.StreamResponse:
        invite = invite_body if body is None and expects(request) else None
        with ExitStack() as probing:
            attempt = probing.enter_context(self.breakers.of(platform).attempt())

            def settled(status: int) -> None:
                """The platform has been reached, or not (0); what it answers later says nothing about that."""
                attempt.verdict, attempt.why = (Verdict.WELL, "") if status else (Verdict.FAULT, "no answer")
                probing.close()
                if not last and (error := _no(status)) is not None:
                    raise error

            return await self.relay.forward(
                request,
                request[SNAPSHOT].relays[platform],
                rest,
                body=body,
                invite=invite,
                duty=request.get(DUTY),
                settled=settled,
            )

    def _changes(self, request: web.Request, target: RelayTarget, held: Held) -> Mapping[str, str | None]:
        """
        What the target wants otherwise, or Azure's spelling has in the path.

        Raises: DuplicateField for one of them that came more than once; InvalidField; InvalidMultipart where something
        is settled and the form cannot be read.
        """
        seen, fields, terms = held.seen, held.seen.fields, target.terms
        if (deployment := request[FACTS].model) is not None:
            # The choice was made by it, and by no other that is named in the body.
            fields = {**fields, "model": deployment}
        settled = {*terms.pins, *terms.overrides, *(["model"] if target.model or deployment else ())}
        if seen.fault is not None and settled:
            # Behind the fault, the platform may find another value than was seen.
            raise seen.fault
        for name in sorted(seen.doubtful & settled):
            raise DuplicateField(f"'{name}' may come once, and not as a file.", param=name)
        # A field without a value is as good as absent for whoever settles it; else it stays as it came.
        wanted = {**fields, **rewrite({name: text for name, text in fields.items() if text}, target)}
        changes = {name: value for name, value in wanted.items() if seen.fields.get(name) != value}
        # Of what came twice nobody can tell what it says.
        return {name: value for name, value in changes.items() if value is not None or name not in seen.doubtful}

    def rest(self, request: web.Request) -> str:
        """What follows the platform's base URL. Raises: as `rest_of`."""
        target = request.raw_path
        if origin := _ORIGIN.match(target):
            target = target[origin.end() :]
        target = target.removeprefix(self.prefix)
        if found := _DEPLOYMENT.match(target):
            # The model is in the body now, and Azure's date of its API is nobody's business further on.
            path, _, query = target[found.end() :].partition("?")
            left = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] != "api-version")
            target = f"/v1{path}" + (f"?{left}" if left else "")
        return rest_of(target.removeprefix("/openai") if target.startswith("/openai/v1/") else target, "/v1")

    def _not_configured(self) -> PlatformNotConfigured:
        return PlatformNotConfigured(
            "This path is relayed to OpenAI, and no key for it is configured: set OPENAI_API_KEY, or list a platform of"
            f" kind `openai`. Served without one: POST {self.prefix}/v1/images/edits and /v1/images/generations, "
            f"GET {self.prefix}/v1/models."
        )


def _check_query(request: web.Request) -> None:
    """What is opened by its address names its model there. Raises: ModelNotAllowed."""
    named = (value for name, value in request.query.items() if name.strip().lower() == "model")
    if not all(map(request[CALLER].may_use, named)):
        raise ModelNotAllowed("The model in the query is not served with this key.", param="model")


def rest_of(target: str, prefix: str) -> str:
    """
    What follows `prefix/` in a request's target, byte for byte.

    Raises: NotFound when it does not start so, InvalidRequest when it could lead out of it.
    """
    if origin := _ORIGIN.match(target):
        target = target[origin.end() :]
    if not target.startswith(prefix + "/"):
        raise NotFound("Nothing lives at this path.")
    rest = target[len(prefix) + 1 :]
    # The client library leaves out bytes that are not UTF-8, which would make `.\xff.` a `..`.
    if not rest.isascii() or _DOTS.search(re.split(r"[?#]", rest, maxsplit=1)[0]):
        raise InvalidRequest("The path is not one that can be relayed.")
    return rest


def _notes(changes: Mapping[str, str | None], target: RelayTarget, deployment: str | None) -> tuple[Note, ...]:
    """For the client. Values are the operator's or ours, never the client's own words, as Azure's `deployment` is."""
    own = {"model", "size", *target.terms.defaults, *target.terms.overrides, *target.terms.pins}
    told = ((name, value) for name, value in changes.items() if value is None or (name in own and value != deployment))
    return tuple(
        Note(name, Fate.IGNORED) if value is None else Note(name, Fate.CONVERTED, value[:64]) for name, value in told
    )


def _no(status: int) -> GatewayError | None:
    """
    A definite no that is the platform's own trouble; what the client did wrong it did wrong elsewhere as well.

    https://developers.openai.com/api/docs/guides/error-codes
    """
    if status == 429:
        return PlatformBusy("The platform has no capacity or no quota left for the gateway; nothing was charged.")
    if status == 401:
        return PlatformAuthFailed("The platform refuses the gateway's own key; yours is fine.")
    if status == 402:
        return PlatformOutOfCredits("The gateway's account at the platform is out of credits.")
    return None


def _outcome(status: int) -> str:
    """The metric word for a relayed status; the platform's own words are not a closed set."""
    if status < 400:
        return "ok"
    if status >= 500:
        return PlatformError.code
    return {401: PlatformAuthFailed.code, 429: PlatformBusy.code}.get(status, InvalidRequest.code)
