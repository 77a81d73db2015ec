"""Which hosts may be private: an operator's own list, and this machine when the platform itself is on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

# A name or an address, an IPv6 one in brackets, and a port: https://www.rfc-editor.org/rfc/rfc9110#section-7.2
_AUTHORITY = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PrivateHosts:
    """`listed` are `host:port` pairs. `loopback` is set when the platform's base URL is plain http on this machine."""

    listed: frozenset[str] = frozenset()
    loopback: bool = False

    @classmethod
    def of(cls, base_url: str, listed: tuple[str, ...]) -> PrivateHosts:
        base = URL(base_url)
        return cls(frozenset(listed), loopback=base.scheme == "http" and is_loopback(base.host))

    def allows(self, url: URL) -> bool:
        """True when the address may be plain http and may be private."""
        return f"{url.host}:{url.port}" in self.listed or (self.loopback and is_loopback(url.host))


def is_loopback(host: str | None) -> bool:
    """True for `localhost` and loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def names_loopback(authority: str) -> bool:
    """True for a `Host` header that is this machine's, with or without a port, and nothing else."""
    found = _AUTHORITY.fullmatch(authority)
    return found is not None and is_loopback(found[1].strip("[]").lower())


def read_foreign(url: str) -> URL | None:
    """
    An address somebody else wrote; None unless it is plain http or https, ASCII, without user, blanks and backslashes.

    Parsed with the parser the client uses, so that what is checked is what is called.
    """
    if not url.isascii() or any(c <= " " or c in "\\\x7f" for c in url):
        return None
    try:
        read = URL(url, encoded=True)
        plain = read.user is None and read.password is None and bool(read.host) and read.port is not None
    except (ValueError, IndexError):  # yarl 1.25 looks for the first character of the host in `https://[]@`
        return None
    return read if plain and read.scheme in ("http", "https") else None
