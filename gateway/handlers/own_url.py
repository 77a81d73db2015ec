"""Where clients reach this gateway, for links that lead here."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.hosts import names_loopback
from gateway.handlers.keys import SNAPSHOT


def own_url(request: web.Request, prefix: str) -> str | None:
    """
    Scheme, host and `prefix`. None when no address is configured and the request did not come to this machine by its
    loopback name: what a client says of its way here is not repeated in links.
    """
    if (public := request[SNAPSHOT].public_url) is not None:
        return public + prefix
    host = request.headers.get("Host", "")
    return f"http://{host}{prefix}" if names_loopback(host) else None
