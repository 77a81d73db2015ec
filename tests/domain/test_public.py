"""What is on the public internet and what is not, however it is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import InvalidUrl
from gateway.domain.public import check_public, is_public, is_public_host

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "20.60.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "2620:1ec::1",
]

PRIVATE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "this network": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "site-local": ["fec0::1"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
    "metadata": ["168.63.129.16", "192.0.0.192", "fd00:ec2::254"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "broadcast and reserved": ["255.255.255.255", "240.0.0.1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "6to4": ["2002:7f00:1::", "2002:808:808::", "192.88.99.1"],
    "Teredo": ["2001::1", "2001:0:7f00:1::"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
    "mapped": [
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:100.64.0.1",
        "::ffff:168.63.129.16",
    ],
    "translated": ["::ffff:0:127.0.0.1"],
    "compatible": ["::127.0.0.1", "::8.8.8.8"],
    "never handed out": ["100::1", "5f00::1", "4000::1", "8000::1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    """Ordinary addresses of both families, and those beside private ranges."""
    assert is_public(address)


@pytest.mark.parametrize(("kind", "address"), [(kind, a) for kind, found in PRIVATE.items() for a in found])
def test_private(kind: str, address: str) -> None:
    """Each range that leads inside, or carries an inner address in itself."""
    assert not is_public(address), kind


def test_a_mapped_public_address_is_public() -> None:
    """A socket of the newer family to an address of the older one."""
    assert is_public("::ffff:8.8.8.8")


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_way_to_write_an_inner_address(number: int) -> None:
    """What is refused as IPv4 is refused inside of any IPv6 form; only the mapped form may be public."""
    inner = IPv4Address(number)
    assert is_public(str(IPv6Address(0xFFFF << 32 | number))) == is_public(str(inner))
    for prefix in (0, 0x64FF9B << 96, 0x2002 << 112 | number << 80, 0xFFFF << 48, 0x20010000 << 96):
        assert not is_public(str(IPv6Address(prefix | number)))


@pytest.mark.parametrize(
    "host", [*PUBLIC, "delivery.bfl.ai", "a.b.co.uk.", "x-1.example.com", "local.host.net", "7.eu"]
)
def test_hosts_that_look_public(host: str) -> None:
    """What a proxy may be asked for."""
    assert is_public_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *(address for found in PRIVATE.values() for address in found),
        *("", ".", "localhost", "localhost.", "LOCALHOST", "x.localhost", "metadata", "metadata.google.internal"),
        *("printer.local", "nas.lan", "router.home.arpa", "1.0.0.127.in-addr.arpa", "a..com", ".com"),
        *("127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "10.0.0.0x1", "127.0.0.1.", "1.2.3.4.5"),
    ],
)
def test_hosts_that_do_not(host: str) -> None:
    """Inner names, and every spelling of an address that some resolver reads: a proxy would go there."""
    assert not is_public_host(host)


@given(st.integers(0, 2**32 - 1))
def test_every_number_is_refused_or_public(number: int) -> None:
    """An address in dots counts as what it is; as one number it is nobody's name."""
    assert is_public_host(str(IPv4Address(number))) == is_public(str(IPv4Address(number)))
    assert not is_public_host(str(number)) and not is_public_host(hex(number))


@pytest.mark.parametrize(
    "url",
    [
        "https://a.blob.core.windows.net/c/x.png?sig=a%2Bb&se=2026",
        "HTTPS://Bucket.S3.amazonaws.com/x",
        "https://example.org:443/",
        "https://xn--bcher-kva.ch/",
        "https://8.8.8.8/x.png",
        "https://[2606:4700::1111]/x.png",
    ],
)
def test_addresses_a_platform_may_fetch(url: str) -> None:
    """Plain https, signed or not, names and public literals."""
    check_public(url, "images[0].image_url")


@pytest.mark.parametrize(
    "url",
    [
        *("", "x.png", "http://example.org/x.png", "ftp://example.org/x.png", "file:///etc/passwd", "//example.org/x"),
        *("https://u@example.org/", "https://u:p@example.org/", "https://example.org:8443/", "https://example.org:80/"),
        *("https://exämple.org/", "https://example.org/ä", "https://example.org/a b", "https://example.org\\@a/"),
        *("https://localhost/", "https://a.localhost/", "https://printer.local/", "https://metadata.google.internal/"),
        *("https://router.home.arpa/", "https://intranet/", "https://127.0.0.1/", "https://2130706433/"),
        *(
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://169.254.169.254/",
        ),
        *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[fd00::1]/"),
        *("https://127.0.0.1%2eexample.org/", "https://[2606:4700::1111%25eth0]/", "https://10.0.0.1./"),
    ],
)
def test_addresses_no_platform_is_sent_to(url: str) -> None:
    """Other schemes and ports, users, other alphabets, and every private host; the refusal repeats nothing of it."""
    with pytest.raises(InvalidUrl) as caught:
        check_public(url, "mask.image_url")
    assert caught.value.param == "mask.image_url"
    assert len(url) < 8 or url not in caught.value.text
