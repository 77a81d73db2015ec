"""Where platforms are to call back: is this gateway there? Only that address is asked, and with no secret."""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address

import aiohttp
import orjson
from yarl import URL

from gateway.cli.checks.finding import Finding, fine, problem, warning
from gateway.domain.errors import MethodNotAllowed
from gateway.domain.hosts import is_loopback
from gateway.jobs.hints import address
from gateway.platforms import registry
from gateway.platforms.account import Account
from gateway.platforms.openai import OpenAi

WITHIN_S = 5.0
MEANWHILE = "Until calls arrive, tasks are polled as if there were no webhook"


async def webhook(name: str, settings: Account, prefix: str) -> Finding | None:
    """None where nothing is configured. Where a gateway takes call-backs it refuses a GET, in words of its own."""
    built = registry.build(name, settings)
    if isinstance(built, OpenAi) or (base := built.webhook_base) is None:
        return None
    url = URL(address(base, prefix, name, "doctor", 0, "0"))
    near = is_loopback(URL(settings.base_url).host)
    if not near and _internal(url.host or ""):
        advice = "Write the address at which the internet reaches this gateway, or leave webhook out"
        return problem("webhook", f"{url.host} is no address that {name} can reach", advice, name)
    try:
        times = aiohttp.ClientTimeout(total=WITHIN_S)
        async with aiohttp.ClientSession(timeout=times) as session, session.get(url, allow_redirects=False) as answer:
            status, body = answer.status, await answer.content.read(10_000)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        advice = f"Check again while the gateway runs, and from outside. {MEANWHILE}"
        return warning("webhook", f"nobody answers at {base} ({type(error).__name__})", advice, name)
    if not _refused_by_gateway(status, body):
        path = url.path.partition("/hooks/")[0]
        advice = f"Let {path}/hooks/ through to this gateway. {MEANWHILE}"
        return warning("webhook", f"what answers at {base} is not this gateway ({status})", advice, name)
    if url.scheme == "http" and not near:
        advice = "Use https: secrets of call-backs come over it"
        return warning("webhook", f"{base} is this gateway, in plain http", advice, name)
    return fine("webhook", f"{base} is this gateway", name)


def _internal(host: str) -> bool:
    """Told by the address alone: what a name leads to may differ from outside."""
    if host == "localhost":
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def _refused_by_gateway(status: int, body: bytes) -> bool:
    try:
        return status == HTTPStatus.METHOD_NOT_ALLOWED and orjson.loads(body)["error"]["code"] == MethodNotAllowed.code
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
