"""Which hosts may see BFL's key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from gateway.domain.hosts import PrivateHosts
from gateway.platforms.bfl.hosts import KeyHosts

HOSTS = KeyHosts(frozenset({"poll.example.com"}), PrivateHosts())


@pytest.mark.parametrize(
    "address",
    [
        "https://bfl.ai/x",
        "https://api.bfl.ai/v1/get_result?id=1",
        "https://api.eu4.bfl.ai/",
        "https://api.isr.bfl.ai/",
        "https://gateway.bfl.ai/",
        "https://a.b.c.bfl.ai/",
        "https://API.EU2.BFL.AI/",
        "https://api.bfl.ai:443/",
        "https://poll.example.com/",
        "https://POLL.example.com/",
    ],
)
def test_own_hosts(address: str) -> None:
    """Any https host at or under bfl.ai: regional names come and go. And those the operator listed."""
    assert HOSTS.allow(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://bfl.ai.evil.com/",
        "https://api.bfl.ai.evil.com/",
        "https://evilbfl.ai/",
        "https://evil-bfl.ai/",
        "https://bfl.ai./",
        "https://api.bfl.ai./",
        "https://.bfl.ai/",
        "https://..bfl.ai/",
        "https://evil.com%2f.bfl.ai/",
        "https://evil.com%23.bfl.ai/",
        "https://evil.com;.bfl.ai/",
        "https://evil.com,api.bfl.ai/",
        "https://*.bfl.ai/",
        "https://evil.com#.bfl.ai/",
        "https://evil.com?.bfl.ai/",
        "https://evil.com/.bfl.ai/",
        "https://evil.com\\.bfl.ai/",
        "https://evil.com\t.bfl.ai/",
        "https://api.bfl.ai@evil.com/",
        "https://user@api.bfl.ai/",
        "https://user:pw@api.bfl.ai/",
        "https://api.bfl.ai:8443/",
        "https://api.bfl.ai:80/",
        "http://api.bfl.ai/",
        "http://api.bfl.ai:443/",
        "wss://api.bfl.ai/",
        "//api.bfl.ai/",
        "api.bfl.ai",
        "",
        "https://delivery.eu2.bfl.ai/",
        "https://delivery-eu1.bfl.ai/",
        "https://DELIVERY.us.bfl.ai/",
        "https://x.delivery.bfl.ai/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://api.bﬂ.ai/",
        "https://api。bfl.ai/",
        "https://xn--bfl-1u3a.ai/",
        "https://api.bfl.ml/",
        "https://x.poll.example.com/",
        "http://poll.example.com/",
        "https://poll.example.com:444/",
    ],
)
def test_foreign_hosts(address: str) -> None:
    """Look-alikes, users, ports, plain http, pictures' delivery hosts, addresses, other alphabets."""
    assert not HOSTS.allow(address)


@settings(deadline=None)
@given(st.text(st.sampled_from("abfli.:/@#?%\\[]-2é\t "), max_size=24))
def test_what_is_allowed_is_called(rest: str) -> None:
    """Whatever is let through, the client's own parser finds https, port 443 and a host under bfl.ai in it."""
    address = f"https://{rest}.bfl.ai{rest}"
    if HOSTS.allow(address):
        url = URL(address, encoded=True)
        assert (url.scheme, url.port, url.user) == ("https", 443, None)
        assert url.raw_host is not None and f".{url.raw_host.lower()}".endswith(".bfl.ai")
