"""Where the key may go. The address comes from the vendor's answer, so it is checked as if a stranger had sent it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.domain.hosts import PrivateHosts, read_foreign

DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)*bfl\.ai", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyHosts:
    """
    The hosts that may see the key.

    Tasks live on regional hosts whose names change, so every https host at or under bfl.ai qualifies, except the
    delivery hosts: https://docs.bfl.ai/api_integration/integration_guidelines. `polling` are the operator's own words:
    the base URL's host and `polling_hosts`, in lower case.
    """

    polling: frozenset[str]
    private: PrivateHosts

    def allow(self, address: str) -> bool:
        url = read_foreign(address)
        if url is None:
            return False
        if self.private.allows(url):
            return True
        host = (url.host or "").lower()
        delivery = any(label.startswith("delivery") for label in host.split("."))
        own = DOMAIN.fullmatch(host) is not None and not delivery
        return url.scheme == "https" and url.port == 443 and (host in self.polling or own)
