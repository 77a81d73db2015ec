"""Every kind of client there is, good and bad; what each may be told is written beside it."""

from __future__ import annotations

import asyncio
import base64
import io
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from PIL import Image
from yarl import URL

from tests.fakes.pictures import picture
from tests.soak.checks import Asked, Good

KEYS = {
    name: f"gw-{name}-0123456789abcdef0123456789abcdef" for name in ("heavy", "light", "thrifty", "hasty", "steady")
}
SMALL, LARGE, HUGE = picture(96, 64), picture(900, 800, noise=True), picture(5200, 4200)
# Trouble that passes, or that is an answer of its own, by the vendor's emulator; what it makes of an answer.
PASSING = ("submit_429*1", "poll_500*2", "poll_reset", "poll_cut_json", "poll_503", "delivery_404*1", "delivery_reset",
           "delivery_short", "delivery_torn", "delivery_html", "poll_404_early")  # fmt: skip
FINAL = ("request_moderated", "content_moderated=Violence", "task_error", "submit_422_field")
LOST = ("submit_accepted_reset", "submit_reset", "submit_accepted_502")
EDITING = ("flux-kontext-pro", "flux-kontext-max", "flux-2-pro", "flux-2-flex", "flux-2-klein-4b")
# The good clients' model is the first: trouble of the others is none of theirs.
OTHERS = EDITING[1:]
MODELS = (*EDITING, "flux-pro-1.1", "flux-dev")
# No key has access to it.
GATED = "flux-2-max"
# A good client's pause between two requests, and after a refusal.
REST_S, AGAIN_S = 0.1, 0.25
# What the OpenAI of the soak makes.
RELAYED = "UE5H"
RESEND = {"x-stainless-retry-count": "1"}


def _mask() -> bytes:
    image, data = Image.new("RGBA", (96, 64), (0, 0, 0, 255)), io.BytesIO()
    image.paste((0, 0, 0, 0), (10, 10, 60, 40))
    image.save(data, "PNG")
    return data.getvalue()


MASK = _mask()


@dataclass
class Load:
    """One gateway under load. `dice` decides everything that clients do."""

    url: str
    session: aiohttp.ClientSession
    dice: random.Random
    asked: Asked = field(default_factory=Asked)
    _count: int = 0

    def prompt(self, most: int = 1, fault: str = "") -> str:
        """A prompt that nobody had before; as many tasks may be paid for it."""
        self._count += 1
        made = f"soak {self._count}" + (f" [[fault:{fault}]]" if fault else "")
        self.asked.paid[made] = most
        return made

    def key(self, name: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEYS[name or self.dice.choice(['heavy', 'heavy', 'light', 'hasty'])]}"}

    async def edit(self, who: str, prompt: str, expected: str, *, headers: Mapping[str, str] | None = None,
                   image: bytes = SMALL, mask: bytes | None = None, **fields: Any) -> tuple[int, bytes]:  # fmt: skip
        """A form; status and body."""
        form = aiohttp.FormData()
        form.add_field("image", image, filename="a.png", content_type="image/png")
        if mask is not None:
            form.add_field("mask", mask, filename="m.png", content_type="image/png")
        for name, value in {"prompt": prompt, **fields}.items():
            form.add_field(name, str(value))
        return await self.post(who, "images/edits", expected, headers=headers or self.key(), prompt=prompt, data=form)

    async def post(
        self, who: str, path: str, expected: str, *, headers: Mapping[str, str], prompt: str = "", **body: Any
    ) -> tuple[int, bytes]:
        async with self.session.post(f"{self.url}/v1/{path}", headers=headers, **body) as answer:
            raw, platform = await answer.read(), answer.headers.get("x-gateway-platform", "")
        if answer.status == 502 and orjson.loads(raw)["error"]["code"] == "platform_answer_lost":
            self.asked.lost.add(prompt)
            expected += " 502"
        self.heard(who, answer.status, expected, raw)
        if answer.status == 200 and platform.startswith("bfl/") and raw.startswith(b"{"):
            # A repetition brings the same picture again.
            self.asked.got[prompt] = max(self.asked.got.get(prompt, 0), len(orjson.loads(raw)["data"]))
        return answer.status, raw

    def heard(self, who: str, status: int, expected: str, raw: bytes = b"") -> None:
        """`expected` names the statuses that are right."""
        self.asked.answers[who, status] = self.asked.answers.get((who, status), 0) + 1
        if str(status) not in expected.split():
            self.asked.surprises.append(f"{who} was told {status}: {raw[:200]!r}")


async def edit(load: Load) -> None:
    n = load.dice.choice((1, 1, 1, 2, 3))
    fault = load.dice.choice(PASSING) if load.dice.random() < 0.4 else ""
    await load.edit("edit", load.prompt(n, fault), "200 429 503", n=n, model=load.dice.choice(EDITING))


async def refused(load: Load) -> None:
    await load.edit("refused", load.prompt(1, load.dice.choice(FINAL)), "400 429 503 200")


async def lost(load: Load) -> None:
    # 200 when the breaker is open just then, and OpenAI serves.
    await load.edit("lost", load.prompt(1, load.dice.choice(LOST)), "502 429 503 200", model=load.dice.choice(OTHERS))


async def large(load: Load) -> None:
    await load.edit("large", load.prompt(), "200 429 503", image=LARGE, output_format="jpeg")


async def oversize(load: Load) -> None:
    await load.edit("oversize", load.prompt(), "200 429 503", image=HUGE)


async def masked(load: Load) -> None:
    await load.edit("masked", load.prompt(), "200 429 503", mask=MASK)


async def in_json(load: Load) -> None:
    url = "data:image/png;base64," + base64.b64encode(load.dice.choice((SMALL, SMALL, LARGE))).decode()
    prompt = load.prompt()
    body = {"prompt": prompt, "images": [{"image_url": url}]}
    await load.post("in_json", "images/edits", "200 429 503", headers=load.key(), prompt=prompt, json=body)


async def generation(load: Load) -> None:
    prompt = load.prompt()
    size = load.dice.choice(("1024x1024", "16:9", "auto"))
    body = {"prompt": prompt, "model": load.dice.choice(MODELS), "size": size}
    await load.post("generation", "images/generations", "200 429 503", headers=load.key(), prompt=prompt, json=body)


async def stream(load: Load) -> None:
    _, raw = await load.edit("stream", load.prompt(), "200 429 503", stream="true")
    if raw.startswith((b"event", b"data", b":")) and b"image_edit.completed" not in raw and b"error" not in raw:
        load.asked.surprises.append(f"a stream ended without an end: {raw[-200:]!r}")


async def again(load: Load) -> None:
    """Three with one Idempotency-Key, two of them at once: one task, one picture."""
    prompt = load.prompt()
    load.asked.repeated.add(prompt)
    headers = {**load.key("heavy"), "Idempotency-Key": prompt}
    heard = await asyncio.gather(*(load.edit("again", prompt, "200 429 503", headers=headers) for _ in "12"))
    heard.append(await load.edit("again", prompt, "200 429 503", headers=headers))
    made = {orjson.loads(raw)["data"][0]["b64_json"] for status, raw in heard if status == 200} - {RELAYED}
    if len(made) > 1:
        load.asked.surprises.append(f"{prompt!r} brought different pictures under one key")


async def leave(load: Load) -> None:
    """Goes while it waits, and never comes back."""
    with suppress(TimeoutError):
        async with asyncio.timeout(load.dice.uniform(0.0, 0.4)):
            await load.edit("leave", load.prompt(), "200 429 503")
    load.heard("leave", 499, "499")


async def resend(load: Load) -> None:
    """Is cut off while it waits, and repeats itself as an SDK does."""
    prompt, key = load.prompt(), load.key("heavy")
    load.asked.repeated.add(prompt)
    with suppress(TimeoutError):
        async with asyncio.timeout(load.dice.uniform(0.05, 0.4)):
            await load.edit("resend", prompt, "200 429 503", headers=key)
    await load.edit("resend", prompt, "200 429 503", headers={**key, **RESEND})


async def tear(load: Load) -> None:
    """Tears its own upload off."""
    where = URL(load.url)
    _, writer = await asyncio.open_connection(where.host, where.port)
    writer.write(f"POST /v1/images/edits HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEYS['light']}\r\n".encode())
    writer.write(b"Content-Length: 2000000\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n")
    writer.write(b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n')
    writer.write(LARGE[: load.dice.randrange(1_000_000)])
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(0.2):
            await writer.drain()
    writer.transport.abort()
    load.heard("tear", 499, "499")


async def rubbish(load: Load) -> None:
    kind, data = load.dice.choice(
        (
            ("application/json", b'{"prompt": "x", "images": [{"image_url": "data:image/png;base64,AAAA"}]}'),
            ("application/json", b'{"prompt": '),
            ("multipart/form-data; boundary=x", b"--x\r\nno head"),
            ("multipart/form-data", b"x"),
            ("text/plain", b"hello"),
        )
    )
    headers = {**load.key("light"), "Content-Type": kind}
    await load.post("rubbish", "images/edits", "400 415 429", headers=headers, data=data)


async def stranger(load: Load) -> None:
    headers = {"Authorization": f"Bearer gw-guess-{load.dice.randrange(10**9)}"}
    await load.post("stranger", "images/generations", "401 429", headers=headers, json={"prompt": "x"})


async def thrifty(load: Load) -> None:
    """Has four pictures a minute and little money."""
    await load.edit("thrifty", load.prompt(2), "200 429", headers=load.key("thrifty"), n=2)


async def chat(load: Load) -> None:
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "x" * load.dice.randrange(50_000)}]}
    await load.post("chat", "chat/completions", "200 429", headers=load.key(), json=body)


async def preferring(load: Load) -> None:
    headers = {**load.key(), "X-ImageModel": "openai"}
    await load.edit("preferring", load.prompt(), "200 429 503", headers=headers, size="3:2")


async def empty(load: Load) -> None:
    """The vendor says that nothing is left, once: OpenAI serves, and the breaker is open for a moment."""
    await load.edit("empty", load.prompt(1, "submit_402*1"), "200 429 503", model=load.dice.choice(OTHERS))


async def link(load: Load) -> None:
    status, raw = await load.edit("link", load.prompt(), "200 429 503", response_format="url")
    url = orjson.loads(raw)["data"][0].get("url") if status == 200 else None
    if url is not None:
        async with load.session.get(url) as answer:
            load.heard("link", answer.status, "200", await answer.read())


async def gated(load: Load) -> None:
    """Asks for what the key has no access to, and nobody else serves it."""
    await load.edit("gated", load.prompt(), "502 503 429", headers=load.key("steady"), model=GATED)


async def stuck(load: Load) -> None:
    """Its task takes longer than it may, and nobody waits for that long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(load.dice.uniform(0.2, 1.0)):
            await load.edit("stuck", load.prompt(1, "pending_long=300"), "200 429 503")
    load.heard("stuck", 499, "499")


async def hosts(load: Load) -> None:
    """The picture's host is silent, drips or has lost it for a while."""
    fault = load.dice.choice(("delivery_trickle", "delivery_404*12", "delivery_stall"))
    await load.edit("hosts", load.prompt(1, fault), "200 429 503 504")


async def good(load: Load, until: Callable[[], bool]) -> None:
    """Nothing is wrong with any of its requests, and no other platform may serve them."""
    while not until():
        prompt, begun = load.prompt(), time.monotonic()
        status, raw = await load.edit("good", prompt, "200 429 502 503 504", headers=load.key("steady"))
        told = str(status) if status == 200 else f"{status} {orjson.loads(raw)['error']['code']}"
        load.asked.good.append(Good(prompt, begun, time.monotonic(), told))
        await asyncio.sleep(REST_S if status == 200 else AGAIN_S)


Behaviour = Callable[[Load], Awaitable[None]]

MIX: Mapping[Behaviour, float] = {
    edit: 12, refused: 3, lost: 0.7, large: 3, oversize: 0.5, masked: 2, in_json: 4, generation: 5, stream: 4, again: 2,
    leave: 3, resend: 3, tear: 2, rubbish: 3, stranger: 2, thrifty: 2, chat: 4, preferring: 3, empty: 0.1, link: 3,
    gated: 2, stuck: 0.3, hosts: 0.7,
}  # fmt: skip
NAMES = tuple(behaviour.__name__ for behaviour in MIX)


def dealt(dice: random.Random, hands: int) -> list[list[Behaviour]]:
    """Every behaviour once, among so many clients."""
    every = dice.sample(list(MIX), len(MIX))
    return [every[hand::hands] for hand in range(hands)]


async def client(load: Load, first: Sequence[Behaviour], until: Callable[[], bool]) -> None:
    """One client after the other, until it is over; `first` these."""
    for behaviour in first:
        if until():
            return
        await _one(behaviour, load)
    while not until():
        (behaviour,) = load.dice.choices(list(MIX), list(MIX.values()))
        await _one(behaviour, load)


async def _one(behaviour: Behaviour, load: Load) -> None:
    try:
        await behaviour(load)
    except (aiohttp.ClientError, TimeoutError) as error:
        load.asked.surprises.append(f"{behaviour.__name__}: {type(error).__name__}: {error}")
