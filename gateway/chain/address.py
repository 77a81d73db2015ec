"""
Where a request comes from: addresses, networks of them, and what trusted proxies say.

An IPv4 address written as an IPv6 one (`::ffff:10.0.0.1`) is that IPv4 address everywhere here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Proxies that note the port too: https://learn.microsoft.com/azure/application-gateway/how-application-gateway-works
_HOP = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.ASCII)
# What one customer of an IPv6 network has at least: https://www.rfc-editor.org/rfc/rfc6177
_V6_GROUP = 64


def read_address(text: str | None) -> Address | None:
    """The address without its zone; None for anything else."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def read_network(text: str) -> Network:
    """An address, or a network such as `10.0.0.0/8`. Raises: ValueError."""
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(
            "should be an address, or a network such as 10.0.0.0/8 without bits behind its prefix"
        ) from None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        return network if mapped is None else IPv4Network((mapped, network.prefixlen - 96))
    return network


@dataclass(frozen=True, slots=True)
class Networks:
    """
    A set of networks. Asked by prefix, so that a list of ten thousand costs no more than its few prefix lengths.

    By IP version: the bits behind each prefix, and the prefixes of that length.
    """

    prefixes: Mapping[int, Mapping[int, frozenset[int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, written: Iterable[str]) -> Networks:
        """Raises: ValueError."""
        found: dict[int, dict[int, frozenset[int]]] = {}
        for network in map(read_network, written):
            host_bits = network.max_prefixlen - network.prefixlen
            known = found.setdefault(network.version, {})
            known[host_bits] = known.get(host_bits, frozenset()) | {int(network.network_address) >> host_bits}
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self.prefixes)

    def __contains__(self, address: Address | None) -> bool:
        if address is None:
            return False
        number = int(address)
        return any(number >> bits in known for bits, known in self.prefixes.get(address.version, {}).items())


NOWHERE = Networks()


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Networks) -> Address | None:
    """
    Who asks. `forwarded` are the lines of `X-Forwarded-For`, of which only what trusted proxies wrote is believed:
    read from the right, the first address that is none of theirs. Where there is no such one it is the left-most; where
    one cannot be read it is the peer.
    """
    address = here = read_address(peer)
    if here not in trusted:
        return here
    for entry in reversed(",".join(forwarded).split(",")):
        if not (text := entry.strip()):
            continue
        if (address := _read_hop(text)) is None:
            return here
        if address not in trusted:
            break
    return address


def group(address: Address | None) -> str:
    """What is counted as one: an IPv4 address, or the /64 that an IPv6 address's owner can choose from."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _V6_GROUP), strict=False))
    return str(address or "-")


def _read_hop(text: str) -> Address | None:
    """One entry, with or without brackets and port."""
    found = _HOP.fullmatch(text)
    return read_address((found[1] or found[2]) if found else text)
