"""The guard: no connection to addresses that are not on the public internet."""

from __future__ import annotations

import socket

import pytest

from gateway.upstream.guard import PrivateAddress, public_socket


def test_the_socket_is_refused_before_it_exists() -> None:
    """The check sits where every address passes, literals included."""
    with pytest.raises(PrivateAddress, match=r"127\.0\.0\.1 is not a public address"):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443)))
    with pytest.raises(PrivateAddress):
        public_socket((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::ffff:127.0.0.1", 443, 0, 0)))
    with public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))) as made:
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)
