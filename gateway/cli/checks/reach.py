"""The way to a host: its name, the connection with TLS and proxy, and the other side's clock. No key goes along."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from gateway.cli.checks.finding import Finding, fine, problem, warning
from gateway.domain.egress import Egress, read_proxy
from gateway.upstream.egress import leaving
from gateway.upstream.session import client

WITHIN_S = 5.0
# Links that vendors sign live for ten minutes; log times should still find each other.
DRIFT_S = 30.0
RESOLVERS = "this machine's DNS (/etc/resolv.conf)"


async def names(name: str, url: URL, egress: Egress) -> Finding:
    """Whether the host that is connected to has an address: the proxy's when there is one, which looks up the rest."""
    proxy = read_proxy(egress.proxy) if egress.proxy is not None and url.scheme == "https" else None
    host, key = (proxy.host or "", "proxy") if proxy is not None else (url.host or "", "base_url")
    told = f"the proxy {host}" if proxy is not None else host
    try:
        found = await asyncio.wait_for(_addresses(host), WITHIN_S)
    except TimeoutError:
        return problem("name", f"{told}: no word from DNS within {WITHIN_S:g} s", f"Check {RESOLVERS}", name)
    except OSError as error:
        text = f"{told} has no address: {error.strerror or error}"
        return problem("name", text, f"Check the spelling of {key}, and {RESOLVERS}", name)
    if found == [host]:
        return fine("name", f"{told} needs no DNS", name)
    return fine("name", f"{told} is {', '.join(found[:2])}{' …' if len(found) > 2 else ''}", name)


async def connection(name: str, url: URL, egress: Egress) -> tuple[Finding, str | None]:
    """What came of a HEAD request, and the answer's `Date`. Any answer will do."""
    times = aiohttp.ClientTimeout(total=WITHIN_S)
    try:
        async with (
            client(aiohttp.TCPConnector(), times) as session,
            session.head(url, allow_redirects=False, **leaving(egress, url)) as answer,
        ):
            way = " through the proxy" if egress.proxy is not None and url.scheme == "https" else ""
            text = f"{url.host} answers{way}, {'with TLS' if url.scheme == 'https' else 'in plain http'}"
            return fine("connection", text, name), answer.headers.get("Date")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        return _broken(name, url, egress, error), None


def clock(name: str, date: str | None, wall: float) -> Finding | None:
    """This machine's clock, `wall` in Unix seconds, beside a `Date` header; None when there is none to read."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    drift = wall - theirs
    if abs(drift) <= DRIFT_S:
        return fine("clock", "agrees with the platform's", name)
    text = f"this machine's is {abs(drift):.0f} s {'ahead of' if drift > 0 else 'behind'} the platform's"
    return warning("clock", text, "Set it, such as by `timedatectl set-ntp true`", name)


def _broken(name: str, url: URL, egress: Egress, error: Exception) -> Finding:
    host, trusted = url.host, egress.ca_file
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            text, advice = "the proxy wants other credentials", "Put user:password@ before the host in proxy"
        case aiohttp.ClientHttpProxyError(status=status):
            text = f"the proxy answers {status} when it is asked for {host}"
            advice = f"Have {host}:{url.port} allowed there"
        case aiohttp.ClientProxyConnectionError():
            text, advice = f"the proxy takes no connection: {_reason(error)}", "Check host and port in proxy"
        case aiohttp.ClientConnectorCertificateError(certificate_error=reason):
            text = f"{host}'s certificate is not believed: {getattr(reason, 'verify_message', reason)}"
            advice = (
                f"Put the authority that issued it into {trusted}"
                if trusted is not None
                else "Where a firewall opens TLS, name its authority in ca_file; else base_url is wrong, or the clock"
            )
        case aiohttp.ClientSSLError():
            text, advice = f"{host} does not speak TLS as it should: {error.strerror}", "Check base_url and its port"
        case TimeoutError():
            text = f"no answer from {host} within {WITHIN_S:g} s"
            advice = "Open the firewall for it, or name a proxy"
        case aiohttp.ClientConnectorError():
            text = f"{host}:{url.port} takes no connection: {_reason(error)}"
            advice = "Check base_url, or open the firewall for it"
        case _:
            text = f"{host}:{url.port} gives no answer in http ({type(error).__name__})"
            advice = "Check base_url and its port"
    return problem("connection", text, advice, name)


def _reason(error: OSError) -> str:
    """The system's words; asyncio has its own, with addresses in Python's spelling."""
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error.strerror)


async def _addresses(host: str) -> list[str]:
    """
    In a thread that nobody waits for: a resolver that does not answer may hold it for a minute.

    Raises: OSError.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(result: list[str] | OSError) -> None:
        if found.done():
            return
        if isinstance(result, OSError):
            found.set_exception(result)
        else:
            found.set_result(result)

    def look() -> None:
        result: list[str] | OSError
        try:
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            result = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except OSError as error:
            result = error
        except UnicodeError:
            result = OSError("not a name")
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result)

    threading.Thread(target=look, daemon=True).start()
    return await found
