"""Whose address a request has: what strangers write changes nothing, what proxies write is read from the right."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chain.address import Address, Networks, client_address, group, read_address, read_network

PROXIES = Networks.of(["10.0.0.0/8", "fd00::/8"])

addresses = st.ip_addresses()
strangers = addresses.map(str).filter(lambda text: read_address(text) not in PROXIES)
inside = st.ip_addresses(network="10.0.0.0/8").map(str) | st.ip_addresses(network="fd00::/8").map(str)
# What a client may have written before any proxy of ours added to it.
rubbish = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40)


def spelled(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@given(strangers, st.lists(rubbish))
def test_a_stranger_says_nothing_about_itself(peer: str, lines: list[str]) -> None:
    """A peer that is no proxy of ours has its own address, whatever it forwards."""
    assert client_address(peer, lines, PROXIES) == read_address(peer)


@given(inside, strangers, st.lists(inside, max_size=4), rubbish, st.none() | st.integers(1, 65535), st.booleans())
def test_the_right_most_stranger_asks(
    peer: str, client: str, chain: list[str], written: str, port: int | None, joined: bool
) -> None:
    """What it wrote itself stands left of what proxies added, in one line or in many, with ports or without."""
    entries = [written, spelled(client, port), *chain]
    lines = [", ".join(entries)] if joined else entries
    assert client_address(peer, lines, PROXIES) == read_address(client)


@given(inside, st.lists(inside, min_size=1))
def test_where_all_are_ours_the_first_asks(peer: str, chain: list[str]) -> None:
    """A program behind the proxies, such as their own monitoring."""
    assert client_address(peer, [",".join(chain)], PROXIES) == read_address(chain[0])


@given(inside, st.lists(rubbish))
def test_an_address_comes_out_whatever_goes_in(peer: str, lines: list[str]) -> None:
    """No text in the header raises anything, or makes an address that nobody wrote."""
    found = client_address(peer, lines, PROXIES)
    assert isinstance(found, IPv4Address | IPv6Address)


@pytest.mark.parametrize(
    "entry",
    ["unknown", "_hidden", "1.2.3", "1.2.3.4.5", "01.2.3.4", "2130706433", "0x7f.1", "1.2.3.4:", "1.2.3.4:x", "[::1",
     "::1]", "[]:1", "1.2.3.4:123456", "[1.2.3.4", "1.2.3.4 5.6.7.8", "1.2.3.4;5.6.7.8", "\u0661.2.3.4", ":80"],
)  # fmt: skip
def test_what_cannot_be_read_is_the_peers(entry: str) -> None:
    """Everything left of an entry that no proxy would write is as good as written by the client."""
    assert str(client_address("10.0.0.1", [f"8.8.8.8, {entry}"], PROXIES)) == "10.0.0.1"


@pytest.mark.parametrize("lines", [[], [""], [" , ,"], ["", ""]])
def test_nothing_forwarded_is_the_peers(lines: list[str]) -> None:
    """A proxy asking for itself."""
    assert str(client_address("10.0.0.1", lines, PROXIES)) == "10.0.0.1"


@pytest.mark.parametrize("peer", [None, "", "/run/socket", "a name"])
def test_a_peer_without_an_address_has_none(peer: str | None) -> None:
    """A local socket forwards for nobody."""
    assert client_address(peer, ["8.8.8.8"], PROXIES) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [("::ffff:10.1.2.3", "10.1.2.3"), ("fe80::1%eth0", "fe80::1"), ("2001:DB8::0:1", "2001:db8::1")],
)
def test_one_address_has_one_spelling(written: str, meant: str) -> None:
    """IPv4 as a socket for both versions tells it, zones, and letters of any case."""
    assert str(read_address(written)) == meant


def test_a_mapped_peer_is_trusted_as_its_address() -> None:
    """A listener on `::` sees IPv4 proxies in IPv6 clothes."""
    assert str(client_address("::ffff:10.0.0.1", ["::ffff:8.8.8.8"], PROXIES)) == "8.8.8.8"


@given(addresses, st.lists(st.tuples(addresses, st.integers(0, 128)), max_size=8))
def test_networks_hold_what_the_standard_library_says(address: Address, parts: list[tuple[Address, int]]) -> None:
    """Asked by prefix, the answer is that of asking one after the other."""
    networks = [ip_network((each, min(bits, each.max_prefixlen)), strict=False) for each, bits in parts]
    plain = [network for network in networks if read_network(str(network)) == network]
    read = read_address(str(address))
    assert read is not None
    assert (read in Networks.of(map(str, plain))) == any(read in network for network in plain)


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_mapped_networks_are_their_own(address: IPv4Address, bits: int) -> None:
    """`::ffff:10.0.0.0/104` is `10.0.0.0/8`."""
    network = ip_network((address, bits), strict=False)
    assert read_network(f"::ffff:{network.network_address}/{bits + 96}") == network


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0", "example.com", "::/129", "*"]
)
def test_what_is_no_network(text: str) -> None:
    """Bits behind the prefix are a mistake: nobody can tell which half was meant."""
    with pytest.raises(ValueError, match="should be an address"):
        read_network(text)


@given(addresses, addresses)
def test_groups(one: Address, other: Address) -> None:
    """IPv4 addresses are counted by themselves, IPv6 ones with all of their /64."""
    if one.version == 6 and other.version == 6:
        assert (group(one) == group(other)) == (int(one) >> 64 == int(other) >> 64)
    else:
        assert (group(one) == group(other)) == (one == other)


def test_no_address_is_a_group_of_its_own() -> None:
    """Whatever has none is counted together."""
    assert group(None) == group(read_address("x")) != group(ip_address("::"))
