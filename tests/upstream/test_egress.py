"""Through a proxy and with certificates of one's own, and still nobody but the vendor sees the key."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web
from yarl import URL

from gateway.domain.blob import Link
from gateway.domain.egress import Egress
from gateway.domain.errors import Paid, PlatformError, PlatformTimeout, PlatformUnreachable
from gateway.domain.hosts import PrivateHosts
from gateway.platforms.openai import OpenAi
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream import session
from gateway.upstream.download import Download, FetchFailed
from gateway.upstream.egress import NoAuthorities, leaving, load_authorities, told
from gateway.upstream.relay import Relay
from gateway.upstream.session import Answered, MaybeSent, NotSent, Sent, Session
from gateway.wire.body import Base64, JsonBody
from gateway.wire.call import Call
from tests.fakes.blob import MemoryBlob
from tests.fakes.certificates import Authority
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.openai_server import FakeOpenAi, Script, body, cut, fake_openai
from tests.fakes.pictures import picture
from tests.fakes.relay_front import front, nothing, platform

KEY = "vendor-key-that-nobody-else-sees"
HOST = "api.vendor.example"
URL_BY_NAME = f"https://{HOST}/v1/model"
PICTURE = picture(40, 30)
# More than the sockets' buffers hold.
LARGE = MemoryBlob(bytes(8 * 1024 * 1024), cuts=[65536] * 127)
SMALL = MemoryBlob(b"picture")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> dict[str, ssl.SSLContext]:
    """Servers' contexts: good ones by name, and one whose time is over."""
    contexts = {host: authority.issue(host).server() for host in ("localhost", HOST, "picture.delivery.test")}
    return contexts | {"expired": authority.issue("localhost", expired=True).server()}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is given up after a moment."""
    times = aiohttp.ClientTimeout(total=10, connect=0.5, sock_connect=2, sock_read=2)
    monkeypatch.setattr(session, "SUBMIT_TIMES", times)


async def send(url: str, egress: Egress, blob: MemoryBlob = SMALL) -> Sent:
    content = JsonBody({"prompt": "blue", "input_image": Base64(blob)})
    call = Call("submit", "POST", url, content, secrets={"x-key": KEY}, egress=egress)
    async with Session() as opened:
        return await opened.send(call)


def status(sent: Sent) -> int:
    assert isinstance(sent, Answered), sent
    return sent.answer.status


# Certificates.


async def test_a_private_authority(authority: Authority, tls: dict[str, ssl.SSLContext]) -> None:
    """Believed when the operator says so, and only then; nothing is sent to a stranger."""
    async with fake_openai(tls=tls["localhost"]) as vendor:
        assert status(await send(vendor.url, Egress(ca_file=authority.ca_file))) == 200
        assert vendor.seen[0].one("x-key") == KEY
        refused = await send(vendor.url, Egress())
        assert isinstance(refused, NotSent) and "Certificate" in refused.why
        assert len(vendor.seen) == 1


@pytest.mark.parametrize("name", [HOST, "expired"])
async def test_a_certificate_that_will_not_do(authority: Authority, tls: dict[str, ssl.SSLContext], name: str) -> None:
    """From the right authority, for another host or of another year."""
    async with fake_openai(tls=tls[name]) as vendor:
        refused = await send(vendor.url, Egress(ca_file=authority.ca_file))
        assert isinstance(refused, NotSent) and "Certificate" in refused.why
        assert not vendor.seen


async def test_the_systems_authorities_do_not_count_then(
    tls: dict[str, ssl.SSLContext], authority: Authority, tmp_path: Path
) -> None:
    """The file stands instead of them, and another authority's is of no use."""
    other = Authority(tmp_path / "other")
    async with fake_openai(tls=tls["localhost"]) as vendor:
        assert isinstance(await send(vendor.url, Egress(ca_file=other.ca_file)), NotSent)
    options = leaving(Egress(ca_file=authority.ca_file), URL("https://x.test"))
    context = options["ssl"]
    assert isinstance(context, ssl.SSLContext) and len(context.get_ca_certs()) == 1
    assert context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED


def test_one_context_for_all_requests(authority: Authority, tmp_path: Path) -> None:
    """Read once; a renewed file counts when the configuration is loaded again, a spoilt one changes nothing."""
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.ca_file.read_bytes())
    load_authorities(path)
    egress, url = Egress(ca_file=path), URL("https://x.test")
    first = leaving(egress, url)["ssl"]
    path.write_text("spoilt")
    with pytest.raises(NoAuthorities, match="no certificates"):
        load_authorities(path)
    assert leaving(egress, url)["ssl"] is first
    path.write_bytes(authority.ca_file.read_bytes())
    load_authorities(path)
    assert leaving(egress, url)["ssl"] is not first


async def test_a_file_that_has_gone_is_no_riddle(tmp_path: Path) -> None:
    """Nothing was sent; the text says what is missing."""
    assert await send("https://localhost:9/", Egress(ca_file=tmp_path / "none.pem")) == NotSent(
        "NoAuthorities: cannot be read: No such file or directory"
    )


# Proxies.


@pytest.fixture
async def behind(authority: Authority, tls: dict[str, ssl.SSLContext]) -> AsyncIterator[Callable[..., object]]:
    """Start a vendor that only a proxy can reach: `vendor, proxy, egress = await behind(script, refuse=403)`."""
    async with AsyncExitStack() as stack:

        async def start(
            script: Script | None = None, *, certificate: str = HOST, user: str = "", **options: object
        ) -> tuple[FakeOpenAi, ConnectProxy, Egress]:
            scripts = () if script is None else (script,)
            vendor = await stack.enter_async_context(fake_openai(*scripts, tls=tls[certificate]))
            names = {f"{HOST}:443": vendor.place, "picture.delivery.test:443": vendor.place}
            proxy = await stack.enter_async_context(ConnectProxy(names, **options))  # type: ignore[arg-type]  # by name
            return vendor, proxy, Egress(proxy.url.replace("//", f"//{user}"), authority.ca_file)

        yield start


Behind = Callable[..., "asyncio.Future[tuple[FakeOpenAi, ConnectProxy, Egress]]"]


@pytest.mark.parametrize("blob", [SMALL, LARGE], ids=["small", "large"])
async def test_through_a_proxy(behind: Behind, blob: MemoryBlob) -> None:
    """It sees a name, its own credentials and noise; the vendor sees the key, and nothing of the proxy's."""
    vendor, proxy, egress = await behind(user="ann:p%40ss%3Aword@", credentials="ann:p@ss:word")
    assert status(await send(URL_BY_NAME, egress, blob)) == 200
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}")
    assert "proxy-authorization: basic " in head.lower() and "x-key" not in head.lower() and KEY not in head
    assert len(proxy.seen) > len(blob.data) and KEY.encode() not in proxy.seen and b"prompt" not in proxy.seen
    (seen,) = vendor.seen
    assert seen.one("x-key") == KEY and seen.one("Host") == HOST and seen.target == "/v1/model" and seen.complete
    assert not any(name.lower().startswith("proxy") for name, _ in seen.headers)


async def test_each_submission_has_a_tunnel_of_its_own_and_polls_share_one(behind: Behind) -> None:
    """As without a proxy: only a fresh connection makes a reset mean this request."""
    _, proxy, egress = await behind(user="ann:word@", credentials="ann:word")
    async with Session() as opened:
        for name, tunnels in (("submit", 2), ("poll", 3), ("probe", 3)):
            for _ in range(2):
                assert isinstance(await opened.send(Call(name, "GET", URL_BY_NAME, egress=egress)), Answered)
            assert len(proxy.heads) == tunnels


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"refuse": 403}, "the proxy answered 403"),
        ({"refuse": 503}, "the proxy answered 503"),
        ({"credentials": "ann:word"}, "the proxy answered 407"),
        ({"user": "ann:wrong-word@", "credentials": "ann:word"}, "the proxy answered 407"),
        ({"rude": True}, "ServerDisconnectedError"),
        ({"deaf": True}, "ConnectionTimeoutError"),
        ({"certificate": "localhost"}, "ClientConnectorCertificateError"),
    ],
)
async def test_nothing_was_sent(behind: Behind, options: dict[str, object], words: str) -> None:
    """Whatever keeps the tunnel from being made, the vendor has not heard of the job; no text holds a password."""
    vendor, _, egress = await behind(**options)
    sent = await send(URL_BY_NAME, egress)
    assert isinstance(sent, NotSent) and words in sent.why
    assert not vendor.seen
    assert "wrong-word" not in sent.why and "/v1/model" not in sent.why


@pytest.mark.parametrize("proxy", ["http://ann:secret-word@127.0.0.1:{}", "http://ann:secret-word@nowhere.invalid:{}"])
async def test_no_proxy_there(unused_tcp_port: int, proxy: str) -> None:
    """Nobody listens, or the name leads nowhere."""
    sent = await send(URL_BY_NAME, Egress(proxy.format(unused_tcp_port)))
    assert isinstance(sent, NotSent) and "secret-word" not in sent.why


async def test_a_lost_answer_behind_a_proxy_is_perhaps_paid(behind: Behind) -> None:
    """The tunnel hides nothing of what was written."""
    vendor, _, egress = await behind(cut(b""))
    assert isinstance(await send(URL_BY_NAME, egress), MaybeSent)
    assert vendor.seen[0].complete


def test_a_proxy_that_speaks_tls(authority: Authority, tls: dict[str, ssl.SSLContext]) -> None:
    """TLS inside of TLS, on the event loop that serves and on the one of the standard library."""

    async def main() -> None:
        names = {f"{HOST}:443": ""}
        async with fake_openai(tls=tls[HOST]) as vendor, ConnectProxy(names, tls=tls["localhost"]) as proxy:
            names[f"{HOST}:443"] = vendor.place
            assert proxy.url.startswith("https://")
            for blob in (SMALL, LARGE):
                assert status(await send(URL_BY_NAME, Egress(proxy.url, authority.ca_file), blob)) == 200
            assert len(vendor.seen) == len(proxy.heads) == 2
            assert isinstance(await send(URL_BY_NAME, Egress(proxy.url)), NotSent)

    uvloop.run(main())
    asyncio.run(main())


async def test_plain_http_goes_past_the_proxy(behind: Behind) -> None:
    """An emulator's key is nobody else's business either."""
    _, proxy, egress = await behind()
    async with fake_openai() as emulator:
        assert status(await send(emulator.url, egress)) == 200
    assert not proxy.heads


# Pictures.


async def fetch(folder: Path, url: str, egress: Egress, private: PrivateHosts | None = None) -> bytes:
    settings = MemorySettings(budget=2_000_000, disk=0, wait=0)
    async with Spool(settings, folder, lambda _kind, _held: None) as spool, Download(spool) as opened:
        blob = await opened.fetch(Link(url), private or PrivateHosts(), egress, "bfl")
        data = b"".join([chunk async for chunk in blob.chunks()])
        blob.release()
        return data


async def test_a_picture_through_a_proxy(
    authority: Authority, tls: dict[str, ssl.SSLContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy may be private, the picture's host has to look public."""
    monkeypatch.setattr("gateway.domain.public.PRIVATE_ZONES", ())  # `.test`, which the vendor's name ends in
    names = {"picture.delivery.test:443": ""}
    async with fake_openai(body(PICTURE), tls=tls["picture.delivery.test"]) as vendor, ConnectProxy(names) as proxy:
        names["picture.delivery.test:443"] = vendor.place
        egress = Egress(proxy.url, authority.ca_file)
        assert await fetch(tmp_path, "https://picture.delivery.test/a.png?sig=1", egress) == PICTURE
        assert len(proxy.heads) == 1 and vendor.seen[0].target == "/a.png?sig=1"
        with pytest.raises(FetchFailed, match=r"from picture\.delivery\.test \(by proxy\)"):
            await fetch(tmp_path, "https://picture.delivery.test/a.png", Egress(proxy.url))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "localhost",
        "metadata",
        "vault.internal",
        "0x7f.1",
        "2130706433",
    ],
)
async def test_a_proxy_is_not_asked_for_what_is_private(behind: Behind, tmp_path: Path, host: str) -> None:
    """It stands where those can be reached."""
    _, proxy, egress = await behind()
    with pytest.raises(FetchFailed, match="not a public name or address"):
        await fetch(tmp_path, f"https://{host}/a.png", egress)
    with pytest.raises(FetchFailed, match="not https"):
        await fetch(tmp_path, f"http://{host}/a.png", egress)
    assert not proxy.heads


async def test_a_listed_host_may_be_private_behind_a_proxy(behind: Behind, tmp_path: Path) -> None:
    """The operator's own word is enough, with and without TLS."""
    listed = PrivateHosts(frozenset({f"{HOST}:443"}))
    _, proxy, egress = await behind(body(PICTURE))
    with pytest.raises(FetchFailed, match="not a public name"):
        await fetch(tmp_path, f"https://{HOST}/a.png", egress)
    assert await fetch(tmp_path, f"https://{HOST}/a.png", egress, listed) == PICTURE
    assert len(proxy.heads) == 1


# Relays.


async def relayed(openai: OpenAi, data: bytes | None = b"x" * 300_000) -> BaseException | int:
    """The status that a client gets, or the fault behind it."""

    def routes(relay: Relay) -> list[web.RouteDef]:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await relay.forward(request, openai, request.raw_path.removeprefix("/v1/"))

        return [web.route("*", "/v1/{rest:.*}", handler, expect_handler=nothing)]

    async with (
        front(routes, connect_s=0.5) as made,
        aiohttp.ClientSession() as client,
        client.post(f"{made.url}/v1/files?x=1", data=data) as response,
    ):
        return made.faults[0] if made.faults else response.status


async def test_a_relay_through_a_proxy(behind: Behind) -> None:
    """Streams and questions of the gateway's own; the client's headers do not reach the proxy."""
    vendor, proxy, egress = await behind()
    openai = platform(f"https://{HOST}/v1", proxy=egress.proxy, ca_file=egress.ca_file)
    assert await relayed(openai) == 200
    assert (vendor.seen[0].target, vendor.seen[0].length) == ("/v1/files?x=1", 300_000)
    async with Relay(Catalogue()) as relay:
        assert (await relay.ask(openai, "models", within_s=5, cap=1000)).status == 200
    assert len(proxy.heads) == 2
    assert "sk-pool" not in str(proxy.heads) and b"sk-pool" not in proxy.seen


@pytest.mark.parametrize("data", [None, b"x"], ids=["empty", "body"])
@pytest.mark.parametrize(
    ("options", "kind"),
    [({"refuse": 403}, PlatformUnreachable), ({"deaf": True}, PlatformTimeout), ({"rude": True}, PlatformUnreachable)],
)
async def test_a_relay_whose_proxy_fails(
    behind: Behind, options: dict[str, object], kind: type[PlatformError], data: bytes | None
) -> None:
    """Nothing was sent, with a body or without."""
    vendor, _, egress = await behind(**options)
    fault = await relayed(platform(f"https://{HOST}/v1", proxy=egress.proxy, ca_file=egress.ca_file), data=data)
    assert isinstance(fault, kind) and fault.paid is Paid.NO
    assert not vendor.seen


# The environment.


async def test_no_proxy_from_the_environment(
    behind: Behind,
    authority: Authority,
    tls: dict[str, ssl.SSLContext],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its proxies are never used, and its exceptions do not switch off the operator's."""
    _, proxy, egress = await behind()
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    direct = Egress(ca_file=authority.ca_file)
    async with fake_openai(body(PICTURE), tls=tls["localhost"]) as vendor:
        assert status(await send(vendor.url, direct)) == 200
        listed = PrivateHosts(frozenset({vendor.url.removeprefix("https://").removesuffix("/v1")}))
        assert await fetch(tmp_path, f"{vendor.url}/a.png", direct, listed) == PICTURE
        assert await relayed(platform(vendor.url, ca_file=authority.ca_file)) == 200
        assert len(vendor.seen) == 3
    assert not proxy.heads
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    assert status(await send(URL_BY_NAME, egress)) == 200
    assert len(proxy.heads) == 1


# Words.


def test_what_the_library_is_told() -> None:
    """Credentials apart from the address, decoded; nothing for plain http, and nothing unless asked."""
    egress = Egress("http://ann:p%40ss@proxy.corp:3128/")
    assert leaving(egress, URL("https://x.test/a")) == {
        "ssl": True,
        "proxy": URL("http://proxy.corp:3128/"),
        "proxy_headers": {"Proxy-Authorization": "Basic YW5uOnBAc3M="},
    }
    assert leaving(Egress("http://proxy.corp"), URL("https://x.test")) == {
        "ssl": True,
        "proxy": URL("http://proxy.corp"),
    }
    assert leaving(Egress(), URL("https://x.test")) == {"ssl": True}
    assert leaving(egress, URL("http://x.test/a")) == {}
    assert "p%40ss" not in repr(egress) and "p@ss" not in repr(egress)


def test_what_is_told() -> None:
    """An error's name and words."""
    assert told(TimeoutError("so")) == "TimeoutError: so"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 2xx no\r\n\r\n", b"sk-echo\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9999]
)
async def test_an_address_is_told_nowhere(answer: bytes) -> None:
    """A polling address leads to a client's picture; of an answer that is none the library quotes both."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer + b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Session() as session:
        sent = await session.send(Call("poll", "GET", f"http://127.0.0.1:{port}/get_result?id=hidden"))
    assert isinstance(sent, MaybeSent) and sent.why.startswith("ClientResponseError")
    assert "hidden" not in sent.why and "echo" not in sent.why and "aaa" not in sent.why


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        ("", "no certificates"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificates"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no certificates"),
    ],
)
def test_files_that_hold_no_authority(tmp_path: Path, content: str | None, words: str) -> None:
    """Said when they are loaded."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NoAuthorities, match=words):
        load_authorities(path)
    with pytest.raises(NoAuthorities, match="cannot be read: Is a directory"):
        load_authorities(tmp_path)
