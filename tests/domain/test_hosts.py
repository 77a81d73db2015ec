"""Addresses that somebody else wrote, and the few private hosts that may be reached."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from gateway.domain.hosts import PrivateHosts, is_loopback, read_foreign

HOSTILE = [
    "",
    "api.bfl.ai/x",
    "//api.bfl.ai/x",
    "https:api.bfl.ai",
    "https:/api.bfl.ai",
    "https:///x",
    "ftp://api.bfl.ai/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://user@api.bfl.ai/",
    "https://user:pass@api.bfl.ai/",
    "https://:@api.bfl.ai/",
    "https://api.bfl.ai:99999/",
    "https://api.bfl.ai:abc/",
    "https://api.bfl.ai:-1/",
    "https://api.bfl.ai\\@evil.com/",
    "https:\\\\evil.com/",
    "https://api.bfl.ai /x",
    " https://api.bfl.ai/x",
    "https://api.bfl.ai/\tx",
    "https://api.bfl.ai/x\n",
    "https://api.bfl.ai/\x00",
    "https://api.bfl.ai/\x7f",
    "https://bfl\u3002ai/",
    "https://bﬂ.ai/",
    "https://api.bfl.ai/é",
    "https://[api.bfl.ai]/",
    "https://[::1/",
    "https://[]@",
    "https://evil.com[.bfl.ai/",
    "https://evil.com]@api.bfl.ai/",
]


@pytest.mark.parametrize("address", HOSTILE)
def test_what_is_no_plain_address(address: str) -> None:
    """Users, blanks, backslashes, control characters, other alphabets, schemes, broken ports: None, no exception."""
    assert read_foreign(address) is None


@pytest.mark.parametrize(
    ("address", "scheme", "host", "port"),
    [
        ("https://api.eu2.bfl.ai/v1/get_result?id=1", "https", "api.eu2.bfl.ai", 443),
        ("HTTPS://API.bfl.ai", "https", "api.bfl.ai", 443),
        ("http://127.0.0.1:8080/x", "http", "127.0.0.1", 8080),
        ("https://[2001:db8::1]:444/x", "https", "2001:db8::1", 444),
        ("https://evil.com#@api.bfl.ai/", "https", "evil.com", 443),
        ("https://evil.com?@api.bfl.ai/", "https", "evil.com", 443),
    ],
)
def test_plain_addresses(address: str, scheme: str, host: str, port: int) -> None:
    """Read by the client's own parser."""
    read = read_foreign(address)
    assert read is not None
    assert (read.scheme, read.host, read.port) == (scheme, host, port)


def test_a_plain_address_is_called_byte_for_byte() -> None:
    """A signature would not survive being decoded and encoded again."""
    address = "https://h.example/a%2Fb%20c?sig=a%2Bb%3D&x=+"
    assert str(read_foreign(address)) == address


@settings(deadline=None)
@given(st.text(max_size=60) | st.text(st.sampled_from("htps:/\\@[]?#.%:0 bfl.ai"), max_size=60).map("https://".__add__))
def test_any_text_is_read_or_refused(address: str) -> None:
    """No text raises; what is accepted has a host and no user."""
    read = read_foreign(address)
    assert read is None or (read.host and read.user is None and read.scheme in ("http", "https"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        (None, False),
        ("", False),
        ("localhost.", False),
        ("localhost.evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("127.1", False),
        ("2130706433", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("::ffff:7f00:1", False),
    ],
)
def test_loopback(host: str | None, expected: bool) -> None:
    """This machine by its plain names only."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("base", "listed", "address", "allowed"),
    [
        ("https://api.bfl.ai", (), "https://api.bfl.ai/", False),
        ("https://api.bfl.ai", (), "http://127.0.0.1/", False),
        ("https://api.bfl.ai", ("emulator:9000",), "http://emulator:9000/x", True),
        ("https://api.bfl.ai", ("emulator:9000",), "http://emulator:9001/x", False),
        ("https://api.bfl.ai", ("emulator:9000",), "http://emulator.evil.com:9000/", False),
        ("http://127.0.0.1:8000", (), "http://127.0.0.1:1/", True),
        ("http://localhost:8000", (), "http://[::1]:1/", True),
        ("http://127.0.0.1:8000", (), "http://10.0.0.1:8000/", False),
        ("http://emulator:8000", (), "http://emulator:8000/", False),
        ("http://emulator:8000", (), "http://127.0.0.1:8000/", False),
        ("https://127.0.0.1:8000", (), "http://127.0.0.1:8000/", False),
    ],
)
def test_private_hosts(base: str, listed: tuple[str, ...], address: str, allowed: bool) -> None:
    """The operator's list, the base URL's own host when it is plain http, and loopback when that host is loopback."""
    assert PrivateHosts.of(base, listed).allows(URL(address)) is allowed
