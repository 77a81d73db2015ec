"""
What lies on the public internet, as far as spelling tells: addresses and names that strangers write.

Ranges beyond `ipaddress.is_global`: https://github.com/stripe/smokescreen
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address, ip_network

from gateway.domain.errors import InvalidUrl
from gateway.domain.hosts import read_foreign

# All of IPv6 that has been handed out for the public internet; NAT64, multicast and site-local addresses lie outside.
# https://www.iana.org/assignments/ipv6-address-space
UNICAST = ip_network("2000::/3")
REFUSED = tuple(
    ip_network(net)
    for net in (
        "2002::/16",  # 6to4 embeds any IPv4 address
        "2001::/32",  # Teredo
        "3fff::/20",  # documentation
        "100.64.0.0/10",  # carrier-grade NAT
        "168.63.129.16/32",  # Azure's host endpoint
        "192.0.0.0/24",  # Oracle's metadata endpoint lives here
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/4",
    )
)
# Names that lead nowhere in public: https://www.iana.org/assignments/special-use-domain-names, ICANN's `internal`, and
# what the DNS must never delegate because private networks use it: https://www.rfc-editor.org/rfc/rfc6762#appendix-G
PRIVATE_ZONES = (
    *("alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain"),
    *("localhost", "onion", "private", "test"),
)
# A name, or an IPv6 address without its brackets; no escapes, which one parser undoes and another does not.
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", re.ASCII)


def is_public(address: str) -> bool:
    """True for an address of the public internet. Raises: ValueError when it is no address."""
    read = ip_address(address.partition("%")[0])
    if isinstance(read, IPv6Address) and read.ipv4_mapped is not None:
        read = read.ipv4_mapped
    known = read.version == 4 or read in UNICAST
    return known and read.is_global and not any(read in net for net in REFUSED if net.version == read.version)


def is_public_host(host: str) -> bool:
    """
    True for a public address and for a name that may lead to one, as far as its spelling tells.

    A last label that begins with a digit makes an address of a name: `127.1` and `0x7f.1` are this machine.
    https://url.spec.whatwg.org/#ends-in-a-number-checker
    """
    name = host.lower().removesuffix(".")
    try:
        return is_public(name)
    except ValueError:
        labels = name.split(".")
    return len(labels) > 1 and all(labels) and not labels[-1][0].isdigit() and labels[-1] not in PRIVATE_ZONES


def check_public(url: str, param: str) -> None:
    """
    Let an address pass that a platform may be asked to fetch. Raises: InvalidUrl, which names `param`.

    Only its spelling is judged: who fetches it has to look at where the name leads.
    """
    read = read_foreign(url)
    if read is None or read.scheme != "https":
        raise InvalidUrl(
            f"Invalid '{param}': a picture's address is https, ASCII and without a user name; or send a data URL.",
            param=param,
        )
    host = read.raw_host or ""
    if read.port != 443 or not _HOST.fullmatch(host) or not is_public_host(host):
        raise InvalidUrl(
            f"Invalid '{param}': the address has another port than 443 or a host that is not on the public internet.",
            param=param,
        )
