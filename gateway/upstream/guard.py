"""
No connection to private addresses on a stranger's word.

The check sits in the socket factory, where every address passes: a filter in a resolver never sees IP literals.
Behind a proxy only the name is seen, see `domain.public.is_public_host`.
"""

from __future__ import annotations

import socket

from aiohttp import AddrInfoType

from gateway.domain.public import is_public


class PrivateAddress(OSError):
    """A name from outside led to an address that is not on the public internet."""


def public_socket(info: AddrInfoType) -> socket.socket:
    """A socket for a public address. Raises: PrivateAddress."""
    family, kind, protocol, _, place = info
    if not is_public(str(place[0])):
        raise PrivateAddress(f"{place[0]} is not a public address")
    return socket.socket(family, kind, protocol)
