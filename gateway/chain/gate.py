"""Before a connection is one: how many there may be, in total and from one address. What is too many is told so."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from gateway.chain.address import NOWHERE, Networks, group, read_address
from gateway.chain.refusal import envelope
from gateway.chain.settings import ClientSettings
from gateway.domain.errors import OutOfRoom

# A proxy on this machine brings everybody's connections; another program on it could do worse than connect.
THIS_MACHINE = ("127.0.0.0/8", "::1")
RETRY_AFTER_S = 5.0
MOST = 2000


def affordable(wanted: int = MOST) -> int:
    """As many of them as leave every second file descriptor to the rest of the gateway."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed // 2)


def raise_limit() -> None:
    """Allow this process all the file descriptors that it may allow itself."""
    with suppress(OSError, ValueError):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@dataclass(frozen=True, slots=True)
class Crowding:
    """The most connections in total, and from one address (None: no such limit); `exempt` is not counted apart."""

    most: int
    per_address: int | None = None
    exempt: Networks = NOWHERE

    @classmethod
    def of(cls, settings: ClientSettings) -> Crowding:
        exempt = Networks.of((*settings.trusted_proxies, *THIS_MACHINE))
        return cls(affordable(settings.connections or MOST), settings.per_address, exempt)


class Crowd:
    """Who is connected: a number for each address that has a connection, and no more."""

    def __init__(self, rules: Callable[[], Crowding]) -> None:
        self._rules = rules
        self._total = 0
        self._present: Counter[str] = Counter()

    def enter(self, peer: str | None) -> str:
        """Why this connection is one too many; empty when it has been counted in, until it `leave`s."""
        rules, address = self._rules(), read_address(peer)
        if self._total >= rules.most:
            return f"The gateway has too many connections; {rules.most} are the most."
        place = group(address)
        crowded = rules.per_address is not None and self._present[place] >= rules.per_address
        if crowded and address not in rules.exempt:
            return f"There are too many connections from your address; {rules.per_address} are the most."
        self._present[place] += 1
        self._total += 1
        return ""

    def leave(self, peer: str | None) -> None:
        place = group(read_address(peer))
        self._present[place] -= 1
        self._total -= 1
        if not self._present[place]:
            del self._present[place]


def turned_away(why: str, name: str) -> bytes:
    """The whole answer to a connection that is one too many; `name` is its request id."""
    response = envelope(OutOfRoom(why, retry_after_s=RETRY_AFTER_S), name)
    head = "".join(f"{field}: {value}\r\n" for field, value in response.headers.items())
    body = cast(bytes, response.body)
    return (
        f"HTTP/1.1 {response.status} {response.reason}\r\n{head}Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode()
        + body
    )
