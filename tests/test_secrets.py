"""Canaries: nothing that leaves the gateway holds a key, a prompt or a signature, in any spelling."""

from __future__ import annotations

import base64
import copy
import json
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.config.show import show
from gateway.emulator.server import Emulator
from gateway.upstream.session import Session
from tests.fakes.customer import NO_BREAKER
from tests.fakes.forms import BOUNDARY, edit_body, edit_form, key_settings
from tests.fakes.logbook import Logbook, logbook
from tests.fakes.openai_server import answer, cut, fake_openai, silence
from tests.fakes.raw import exchange, talk

StartGateway = Callable[..., Awaitable[Gateway]]

BFL_KEY = "cAnArYbf-1111-4222-8333-944445555666"
OPENAI_KEY = "sk-cAnArYoPeNaI+of/the=tests0123456789"
KEY = "gw-cAnArYgAtEwAy0123456789abcdef"
SIGNING = "cAnArYsIgNiNg secret+of/clients="
PROMPT = "cAnArYpRoMpT a heron über the marsh"
USER = "cAnArYuSeR-person@example.org"
CANARIES = {
    "vendor key": BFL_KEY, "relay key": OPENAI_KEY, "client key": KEY, "prompt": PROMPT, "end user": USER,
    "signing secret": SIGNING,
}  # fmt: skip

# Of every stage one or more; `=` values are the faults' own.
FAULTS = (
    "submit_401", "submit_402", "submit_403", "submit_422", "submit_422_field=prompt", "submit_500", "submit_html",
    "submit_redirect", "submit_reset", "submit_stall", "submit_accepted_reset", "submit_accepted_html", "submit_no_id",
    "submit_foreign_polling", "request_moderated=Violence", "content_moderated", "task_error=boom", "task_failed",
    "ready_without_sample", "foreign_sample=https://evil.example/a.png?sig=cAnArYsIgNaTuRe", "poll_403*2",
    "poll_html*2", "poll_redirect*2", "poll_cut_json*2", "delivery_expired*1", "delivery_404", "delivery_html",
    "delivery_redirect", "delivery_reset*1", "delivery_torn", "delivery_huge_length", "delivery_gone",
)  # fmt: skip

# Not the settings and rules of that name, which objects print of themselves.
SIGNATURE = re.compile(r"(?:\bsig|signature)=(?!\*\*\*|Signature(?:Settings|Policy)\()[^\s&\"']|cAnArYsIgNaTuRe")


def spellings(secret: str) -> Iterator[str]:
    """The forms in which a text leaks without looking like itself."""
    data = secret.encode()
    yield secret
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield data.hex()
    yield data.hex().upper()
    for offset in range(3):
        # The inner part of the base64 of a longer text, at each of its three alignments.
        inner = base64.b64encode(b"\0" * offset + data).decode()[4 if offset else 0 : -4]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))


def leaks(text: str) -> list[str]:
    """What of the canaries is in there."""
    found = [name for name, secret in CANARIES.items() if any(form in text for form in spellings(secret))]
    return found + ["signature"] * bool(SIGNATURE.search(text))


class Collected:
    """Everything that strangers and operators get to see."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def add(self, where: str, text: str) -> None:
        self.seen.append((where, text))

    def check(self) -> None:
        assert len(self.seen) > 1
        found = [(where, leaks(text)) for where, text in self.seen]
        assert [(where, what) for where, what in found if what] == []


async def collect(
    kept: Collected,
    client: aiohttp.ClientSession,
    where: str,
    url: str,
    form: aiohttp.FormData | None = None,
    **more: Any,
) -> int:
    headers = {"Authorization": f"Bearer {KEY}", **more}
    try:
        async with client.request("POST" if form else "GET", url, data=form, headers=headers) as heard:
            kept.add(f"{where}: head", str(heard.headers))
            body = await heard.text()
            if heard.status != 200:
                kept.add(f"{where}: body", body)
            return heard.status
    except aiohttp.ClientError:
        return 0


async def metrics(gateway: Gateway, client: aiohttp.ClientSession) -> str:
    async with client.get(f"{gateway.admin_url}/metrics", headers={"Accept-Encoding": "identity"}) as heard:
        return await heard.text()


def finish(kept: Collected, gateway: Gateway, book: Logbook, scrape: str) -> None:
    kept.add("log", book.text)
    kept.add("metrics", scrape)
    kept.add("configuration", repr(gateway.config) + str(gateway.config) + show(gateway.config))
    kept.add("configuration as JSON", gateway.config.model_dump_json())
    kept.add(
        "objects",
        repr([vars(gateway), vars(gateway.supervisor), list(map(vars_of, gateway.snapshot.platforms.values()))]),
    )
    kept.check()


def vars_of(thing: Any) -> dict[str, Any]:
    """Without what the translator has to send: the one place where the vendor's key is in the clear."""
    return {name: value for name, value in vars(thing).items() if name != "_secrets"}


@pytest.mark.parametrize("readable", [False, True], ids=["json", "terminal"])
async def test_faults_of_every_kind_tell_nothing(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, readable: bool
) -> None:
    """Requests good and bad, a vendor that fails in every way; then logs, metrics, answers and objects are searched."""
    kept = Collected()
    async with fake_openai(answer({"error": {"message": "no"}}, 400)) as openai:
        with logbook([BFL_KEY, OPENAI_KEY, SIGNING], readable=readable) as book:
            gateway = await start_gateway(
                bfl,
                platform={"api_key": BFL_KEY, "forward_user": True},
                platforms={"openai": {"kind": "openai", "api_keys": [OPENAI_KEY], "base_url": openai.url}},
                routes={"edits": ["bfl"]},
                auth={"keys": key_settings(KEY), "origins": ["https://app.example"]},
                signature={"secrets": [SIGNING], "required": False},
                jobs={"answer_within": 30, "job_max_age": 60, "breaker": NO_BREAKER},
            )
            url = gateway.url
            edits = f"{url}/v1/images/edits"
            statuses = [
                await collect(kept, client, fault, edits, edit_form(f"{PROMPT} [[fault:{fault}]]", user=USER))
                for fault in ("none", *FAULTS)
            ]
            for fields in (
                {"stream": "true"},
                {"size": PROMPT},
                {"model": PROMPT},
                {PROMPT: "1"},
                {"seed": PROMPT},
                {"n": PROMPT},
                {"aspect_ratio": PROMPT},
                {"quality": PROMPT},
                {"image": PROMPT.encode()},
            ):
                form = edit_form(PROMPT, user=USER, **fields)
                # What a client wrote into a field may be told to that client, and to nobody else.
                await collect(Collected(), client, "bad field", edits, form)
            for path in (
                "/v1/models",
                "/v1/chat/completions",
                "/nope",
                "/v1/models/none",
                "/results/x?expires=1&signature=abcdef",
            ):
                await collect(kept, client, path, url + path)
                await collect(
                    kept, client, path, url + path, Authorization=f"Bearer {KEY}x", Origin="https://app.example"
                )
            linked = edit_form(PROMPT, response_format="url")
            assert await collect(Collected(), client, "link", edits, linked) == 200
            for head in (
                f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\x01\r\n\r\n",
                f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}{'x' * 9000}\r\n\r\n",
                f"{KEY} /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
                f"GET {KEY} HTTP/1.1\r\nHost: x\r\n\r\n",
                f"POST /v1/images/edits HTTP/1.1\r\nHost: x\r\nContent-Length: {KEY}\r\n\r\n",
            ):
                kept.add("broken head", (await talk(url, head.encode())).decode("latin-1"))
            scrape = await metrics(gateway, client)
    assert {200, 400, 502, 503, 504} <= set(statuses)
    assert bfl.counts.accepted > 10
    assert bfl.counts.leaked_keys == 0
    assert bfl.counts.strays == 0
    assert openai.seen
    assert {seen.one("Authorization") for seen in openai.seen} == {f"Bearer {OPENAI_KEY}"}
    finish(kept, gateway, book, scrape)


async def test_a_relay_that_fails_tells_nothing(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Cut, silent, absent: the pool's key is in the request to OpenAI, and nowhere else."""
    kept = Collected()
    with logbook([BFL_KEY, OPENAI_KEY]) as book:
        scripts = (
            cut(b""),
            cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
            cut(b"junk\r\n\r\n"),
            silence(b"HTTP/"),
        )
        for index, script in enumerate(scripts):
            async with fake_openai(script) as openai:
                gateway = await start_gateway(
                    platforms={"openai": {"kind": "openai", "api_keys": [OPENAI_KEY], "base_url": openai.url}},
                    auth={"keys": key_settings(KEY)},
                    state_dir=tmp_path / str(index),
                )
                if script.__qualname__.startswith("silence"):
                    with pytest.raises(TimeoutError):
                        await exchange(
                            gateway.url,
                            f"GET /v1/x?{quote(PROMPT)} HTTP/1.1",
                            f"Authorization: Bearer {KEY}",
                            within=0.1,
                        )
                else:
                    await collect(kept, client, "relay", f"{gateway.url}/v1/chat?q={quote(PROMPT)}")
                    form = edit_form(PROMPT)
                    await collect(kept, client, "relay", f"{gateway.url}/v1/images/edits", form)
        scrape = await metrics(gateway, client)
    finish(kept, gateway, book, scrape)


@pytest.mark.parametrize("readable", [False, True], ids=["json", "terminal"])
@pytest.mark.parametrize("place", ["session", "form", "answer", "download"])
async def test_bugs_tell_nothing(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    readable: bool,
) -> None:
    """A crash in any layer, its message and its local variables full of secrets: the log has the traceback alone."""

    def crash(*told: Any, **more: Any) -> Any:
        held = (BFL_KEY, OPENAI_KEY, told)
        raise RuntimeError(f"crashed with {BFL_KEY} and {OPENAI_KEY}, Bearer {KEY}, {len(held)}")

    kept = Collected()
    with logbook([BFL_KEY, OPENAI_KEY], readable=readable) as book:
        gateway = await start_gateway(bfl, platform={"api_key": BFL_KEY}, auth={"keys": key_settings(KEY)})
        match place:
            case "session":
                monkeypatch.setattr(Session, "send", crash)
            case "form":
                monkeypatch.setattr("gateway.handlers.take.read_edit", crash)
            case "answer":
                monkeypatch.setattr("gateway.handlers.answer.reply.write", crash)
            case "download":
                monkeypatch.setattr(type(gateway.download), "fetch", crash)
        status = await collect(kept, client, place, f"{gateway.url}/v1/images/edits", edit_form(PROMPT))
        scrape = await metrics(gateway, client)
    assert status == 500
    assert "Traceback" in book.text
    assert "crashed with *** and ***" in book.text
    finish(kept, gateway, book, scrape)


async def test_values_do_not_show_themselves(bfl: Emulator, start_gateway: StartGateway) -> None:
    """What a debugger, an exception or a careless log call prints of the things that hold secrets."""
    gateway = await start_gateway(
        bfl,
        platform={"api_key": BFL_KEY},
        platforms={"openai": {"kind": "openai", "api_keys": [OPENAI_KEY]}},
        auth={"keys": key_settings(KEY)},
        signature={"secrets": [SIGNING]},
    )
    kept = Collected()
    (openai,) = gateway.snapshot.relays.values()
    for thing in (
        gateway.config,
        gateway.door,
        copy.deepcopy(gateway.config),
        openai.next_key(),
        gateway.config.platforms,
    ):
        kept.add(type(thing).__name__, f"{thing!r} {thing!s} {thing}")
    try:
        raise ValueError(gateway.config)
    except ValueError:
        kept.add("traceback", traceback.format_exc())
    kept.check()
    assert set(gateway.config.secrets()) == {BFL_KEY, OPENAI_KEY, SIGNING}


async def test_only_hashes_of_client_keys_are_held(bfl: Emulator, start_gateway: StartGateway) -> None:
    """After an authenticated request no part of the configuration or the chain knows the key."""
    gateway = await start_gateway(bfl, auth={"keys": key_settings(KEY)})
    body = edit_body(PROMPT)
    heard = await exchange(
        gateway.url,
        "POST /v1/images/edits HTTP/1.1",
        f"Authorization: Bearer {KEY}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        body=body,
    )
    assert heard.status == 200
    assert "client key" not in leaks(gateway.config.model_dump_json())


def test_the_search_finds_what_it_looks_for() -> None:
    """A canary in any spelling, at any place, is found; a scan that cannot fail would prove nothing."""
    for name, secret in CANARIES.items():
        for text in (
            f"x{secret}y",
            quote(secret),
            f"key={quote(secret, safe='')}",
            secret.encode().hex(),
            *(base64.b64encode(b"z" * offset + secret.encode() + b"tail").decode() for offset in range(6)),
        ):
            assert name in leaks(text), text
    assert leaks("https://a/b?sig=abc") == ["signature"]
    assert leaks("https://a/b?sig=***&signature=*** nothing") == []
