"""
How a request leaves: through the operator's proxy or not, and whose certificates are believed.

A proxy sees a name and encrypted bytes: https goes through CONNECT. Plain http would show it the key, so that leaves
directly; only hosts that the operator listed as insecure are spoken to that way at all.
https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypedDict

import aiohttp
from yarl import URL

from gateway.domain.egress import Egress, read_proxy

_believed: dict[Path, ssl.SSLContext] = {}


class NoAuthorities(ValueError):
    """The file cannot be used; the text says why, without the file's name."""


class Leaving(TypedDict, total=False):
    """What the client library is told for one request."""

    ssl: ssl.SSLContext | bool
    proxy: URL
    proxy_headers: dict[str, str]


def leaving(egress: Egress, url: URL) -> Leaving:
    """
    The options of a request to `url`.

    Raises: NoAuthorities when a file that nobody has loaded before is no good.
    """
    if url.scheme != "https":
        return {}
    options: Leaving = {"ssl": True if egress.ca_file is None else _context(egress.ca_file)}
    proxy = read_proxy(egress.proxy) if egress.proxy is not None else None
    if proxy is not None:
        # Apart from the address, which the library quotes in its errors.
        options["proxy"] = proxy.with_user(None)
        if proxy.user is not None or proxy.password is not None:
            basic = aiohttp.encode_basic_auth(proxy.user or "", proxy.password or "")
            options["proxy_headers"] = {"Proxy-Authorization": basic}
    return options


def load_authorities(ca_file: Path) -> None:
    """
    Read the file, now and for all requests from now on. Called when a configuration is loaded: a renewed file counts
    from then on, and no request waits for a disk.

    Raises: NoAuthorities.
    """
    try:
        with ca_file.open("rb"):  # OpenSSL says less about what it cannot open
            context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise NoAuthorities(f"holds no certificates in PEM form ({error.reason or 'malformed'})") from None
    except OSError as error:
        raise NoAuthorities(f"cannot be read: {error.strerror}") from None
    if not context.cert_store_stats()["x509"]:
        raise NoAuthorities("holds no certificates in PEM form")
    context.set_alpn_protocols(["http/1.1"])
    _believed[ca_file] = context


def told(error: Exception) -> str:
    """What went wrong on the way, for the log: without the address that was asked for, which may be signed."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"ClientHttpProxyError: the proxy answered {error.status}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "ConnectionTimeoutError: no connection in time"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        # Their words are the address, and bytes of the answer.
        return f"{type(error).__name__}: the answer is malformed, or the address"
    return f"{type(error).__name__}: {error}"


def _context(ca_file: Path) -> ssl.SSLContext:
    if ca_file not in _believed:
        load_authorities(ca_file)
    return _believed[ca_file]
