"""What keeps a host from being reached is said in words that lead to the cure, and no key goes along."""

from __future__ import annotations

import asyncio
import socket
import ssl
from email.utils import formatdate
from typing import Any

import pytest
from yarl import URL

from gateway.cli.checks import reach
from gateway.cli.checks.finding import Finding, Mark
from gateway.domain.egress import DIRECT, Egress
from gateway.upstream.egress import load_authorities
from tests.fakes.certificates import Authority
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.openai_server import bodyless, cut, fake_openai, silence

HOST = "api.vendor.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    load_authorities(made.ca_file)
    return made


@pytest.fixture(scope="module")
def tls(authority: Authority) -> dict[str, ssl.SSLContext]:
    contexts = {host: authority.issue(host).server() for host in ("localhost", HOST)}
    return contexts | {"expired": authority.issue("localhost", expired=True).server()}


async def connect(url: str, egress: Egress = DIRECT) -> Finding:
    return (await reach.connection("p", URL(url), egress))[0]


# Names.


async def test_names() -> None:
    """Looked up, or written as what they are."""
    assert (await reach.names("p", URL("https://127.0.0.1/"), DIRECT)).text == "127.0.0.1 needs no DNS"
    found = await reach.names("p", URL("http://localhost:1/"), DIRECT)
    assert found.mark is Mark.FINE and found.text.startswith("localhost is ")


async def test_a_name_that_leads_nowhere() -> None:
    """The vendor's, or the proxy's in its place."""
    found = await reach.names("p", URL("https://nowhere.invalid/"), DIRECT)
    assert found.mark is Mark.PROBLEM and "nowhere.invalid has no address" in found.text and "base_url" in found.advice
    egress = Egress("http://ann:hunter22@gone.invalid:1")
    found = await reach.names("p", URL("https://nowhere.invalid/"), egress)
    assert found.text.startswith("the proxy gone.invalid has no address") and "of proxy" in found.advice
    assert "hunter22" not in str(found)


async def test_a_name_only_the_proxy_knows() -> None:
    """Is none of this machine's business."""
    found = await reach.names("p", URL("https://nowhere.invalid/"), Egress("http://127.0.0.1:1"))
    assert (found.mark, found.text) == (Mark.FINE, "the proxy 127.0.0.1 needs no DNS")
    assert (await reach.names("p", URL("http://nowhere.invalid/"), Egress("http://127.0.0.1:1"))).mark is Mark.PROBLEM


async def test_names_that_are_none() -> None:
    """A label too long for DNS."""
    assert (await reach.names("p", URL(f"http://{'x' * 70}.test/"), DIRECT)).mark is Mark.PROBLEM


async def test_dns_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up after a moment; the answer that comes later troubles nobody."""
    monkeypatch.setattr(reach, "WITHIN_S", 0.05)
    late, told = asyncio.Event(), asyncio.get_running_loop()

    def slow(*_: object, **__: object) -> Any:
        asyncio.run_coroutine_threadsafe(late.wait(), told).result()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    found = await reach.names("p", URL("https://api.bfl.ai/"), DIRECT)
    assert (found.mark, found.text) == (Mark.PROBLEM, "api.bfl.ai: no word from DNS within 0.05 s")
    late.set()
    await asyncio.sleep(0.05)


# Connections.


@pytest.mark.parametrize("status", [200, 401, 404, 503])
async def test_any_answer_will_do(status: int) -> None:
    """What it says is the next check's business. It was asked without a key."""
    async with fake_openai(bodyless(status)) as vendor:
        found = await connect(vendor.url)
        assert (found.mark, found.text) == (Mark.FINE, "127.0.0.1 answers, in plain http")
        assert vendor.seen[0].method == "HEAD"
        assert not {"x-key", "authorization"} & {name.lower() for name, _ in vendor.seen[0].headers}


async def test_tls(authority: Authority, tls: dict[str, ssl.SSLContext]) -> None:
    """With the right authority; without it, the cure is named."""
    async with fake_openai(bodyless(200), tls=tls["localhost"]) as vendor:
        assert (await connect(vendor.url, Egress(ca_file=authority.ca_file))).text == "localhost answers, with TLS"
        found = await connect(vendor.url)
        assert "localhost's certificate is not believed: unable to get local issuer" in found.text
        assert "ca_file" in found.advice and not vendor.seen[1:]


@pytest.mark.parametrize(("name", "words"), [("expired", "certificate has expired"), (HOST, "Hostname mismatch")])
async def test_wrong_certificates(authority: Authority, tls: dict[str, ssl.SSLContext], name: str, words: str) -> None:
    """In OpenSSL's own words."""
    async with fake_openai(tls=tls[name]) as vendor:
        found = await connect(vendor.url, Egress(ca_file=authority.ca_file))
        assert found.mark is Mark.PROBLEM and words in found.text and str(authority.ca_file) in found.advice


async def test_nobody_there(unused_tcp_port: int) -> None:
    """No listener, no TLS, no http, no word."""
    found = await connect(f"http://127.0.0.1:{unused_tcp_port}/")
    assert found.text == f"127.0.0.1:{unused_tcp_port} takes no connection: Connection refused"
    async with fake_openai(silence()) as vendor:
        found = await connect(vendor.url.replace("http:", "https:"))
        assert found.mark is Mark.PROBLEM and "127.0.0.1" in found.text
    async with fake_openai(cut(b"SSH-2.0-OpenSSH\r\n\r\n")) as vendor:
        assert "gives no answer in http" in (await connect(vendor.url)).text


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up after a moment."""
    monkeypatch.setattr(reach, "WITHIN_S", 0.1)
    async with fake_openai(silence()) as vendor:
        found = await connect(vendor.url)
    assert (found.mark, found.text) == (Mark.PROBLEM, "no answer from 127.0.0.1 within 0.1 s")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, f"{HOST} answers through the proxy, with TLS"),
        ({"credentials": "ann:word"}, "the proxy wants other credentials"),
        ({"refuse": 403}, f"the proxy answers 403 when it is asked for {HOST}"),
        ({"rude": True}, f"{HOST}:443 gives no answer in http (ServerDisconnectedError)"),
    ],
)
async def test_proxies(
    authority: Authority, tls: dict[str, ssl.SSLContext], options: dict[str, Any], text: str
) -> None:
    """The name is the proxy's to look up."""
    names = {f"{HOST}:443": ""}
    async with fake_openai(bodyless(200), tls=tls[HOST]) as vendor, ConnectProxy(names, **options) as proxy:
        names[f"{HOST}:443"] = vendor.place
        assert (await connect(f"https://{HOST}/v1", Egress(proxy.url, authority.ca_file))).text == text


async def test_no_proxy_there(unused_tcp_port: int) -> None:
    """Told apart from a vendor that is not there."""
    found = await connect(f"https://{HOST}/", Egress(f"http://ann:hunter22@127.0.0.1:{unused_tcp_port}"))
    assert found.text == "the proxy takes no connection: Connection refused" and "proxy" in found.advice
    assert "hunter22" not in str(found)


# Clocks.


async def test_the_date_of_an_answer() -> None:
    """Handed on as it came."""
    async with fake_openai(bodyless(200, [("Date", "Sun, 06 Nov 1994 08:49:37 GMT")])) as vendor:
        _, date = await reach.connection("p", URL(vendor.url), DIRECT)
    assert date == "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("drift", "mark", "words"),
    [
        (0.0, Mark.FINE, "agrees"),
        (30.0, Mark.FINE, "agrees"),
        (-29.0, Mark.FINE, "agrees"),
        (3600.0, Mark.WARNING, "this machine's is 3600 s ahead of the platform's"),
        (-31.0, Mark.WARNING, "this machine's is 31 s behind the platform's"),
    ],
)
def test_clocks(drift: float, mark: Mark, words: str) -> None:
    """Half a minute may be the way there and back."""
    found = reach.clock("p", formatdate(1_700_000_000, usegmt=True), 1_700_000_000 + drift)
    assert found is not None and found.mark is mark and words in found.text


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_no_date(date: str | None) -> None:
    """Nothing can be said then."""
    assert reach.clock("p", date, 0.0) is None
