"""One unpaid question to each platform: does it take the key, and what is left on the account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime

from yarl import URL

from gateway.cli.checks import reach
from gateway.cli.checks.finding import Finding, Mark, fine, problem, warning
from gateway.cli.checks.models import endings
from gateway.domain.errors import PlatformError
from gateway.platforms import registry
from gateway.platforms.account import Account
from gateway.platforms.contract import Platform
from gateway.platforms.openai import OpenAi
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.relay import Relay
from gateway.upstream.session import Answered, Session

WITHIN_S = 5.0
CAP = 4 * 1024 * 1024


async def examine(name: str, settings: Account, wall: Callable[[], float], asked: Sequence[str] = ()) -> list[Finding]:
    """
    One step after the other; after one that fails the rest would only say so again. `asked` are the models that the
    configuration asks this platform for.
    """
    built = registry.build(name, settings)
    url = URL(settings.base_url)
    found = [await reach.names(name, url, built.egress)]
    if found[-1].mark is Mark.FINE:
        way, date = await reach.connection(name, url, built.egress)
        drift = reach.clock(name, date, wall())
        found += [way] if drift is None else [way, drift]
        if way.mark is Mark.FINE:
            found += await _key(built, asked, datetime.fromtimestamp(wall(), UTC).date())
    return found


async def _key(built: Platform | OpenAi, asked: Sequence[str], today: date) -> list[Finding]:
    async with AsyncExitStack() as stack:
        if isinstance(built, OpenAi):
            relay = await stack.enter_async_context(Relay(Catalogue()))
            told = await asyncio.gather(*(_listed(relay, built, n) for n in range(built.keys)))
            # One list is enough: the keys of a pool belong to one account.
            listing = next((body for _, body in told if body is not None), None)
            ends = endings(built.name, asked, listing, today) if listing is not None and asked else ()
            return [*(finding for finding, _ in told), *ends]
        return [await _probed(await stack.enter_async_context(Session()), built)]


async def _probed(session: Session, platform: Platform) -> Finding:
    name = platform.name
    try:
        sent = await asyncio.wait_for(session.send(platform.probe()), WITHIN_S)
    except TimeoutError:
        return problem("account", f"no answer within {WITHIN_S:g} s", "Try again; the platform may be slow", name)
    if not isinstance(sent, Answered):
        return problem("account", f"no answer ({sent.why})", "Try again; look at the platform's status page", name)
    health = platform.read_probe(sent.answer)
    if health.ok:
        return fine("account", health.text, name)
    if health.credits is not None:
        return problem("account", health.text, "Buy credits for this account", name)
    return problem("account", health.text, f"Check the key of {name}, and that it belongs to this base_url", name)


async def _listed(relay: Relay, openai: OpenAi, number: int) -> tuple[Finding, bytes | None]:
    """
    The list of models, when it came; it is free of charge. Keys take turns, so as many questions try each of them once.
    """
    name, which = openai.name, f"key {number + 1} of {openai.keys}"
    try:
        answer = await relay.ask(openai, "models", within_s=WITHIN_S, cap=CAP)
    except PlatformError as error:
        advice = "Try again; look at the platform's status page"
        return problem("account", f"{which}: {error.text}", advice, name), None
    if answer.status == 200:
        return fine("account", f"{which} is good", name), answer.body
    return _refused(name, which, answer.status), None


def _refused(name: str, which: str, status: int) -> Finding:
    if status in (401, 403):
        return problem("account", f"{which} is refused ({status})", f"Replace it among the api_keys of {name}", name)
    if status in (404, 405):
        text = f"{which}: there is no list of models ({status}), so it was not tried"
        return warning("account", text, "Check the path of base_url if there should be one", name)
    return warning("account", f"{which}: answered {status}", "Try again; look at the platform's status page", name)
