"""The configurations of README's cookbook at work: only where the platforms are is different."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from gateway.app import Gateway
from gateway.config.load import load
from gateway.config.schema import Config
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from gateway.jobs.breaker import State
from gateway.jobs.clock import Clock
from tests.conftest import FASTER
from tests.fakes.clock import UNHURRIED, fast_clock
from tests.fakes.customer import until
from tests.fakes.forms import BOUNDARY
from tests.fakes.openai_server import FakeOpenAi, answer, fake_openai
from tests.fakes.pictures import picture
from tests.fakes.recipes import RECIPES, client_key, environment
from tests.fakes.signer import stamped_mac

EDITS, GENERATIONS, CHAT = "/v1/images/edits", "/v1/images/generations", "/v1/chat/completions"
PRO, TEXT = "bfl/flux-kontext-pro", "bfl/flux-pro-1.1"
PHOTO = (6000, 4000)


@dataclass(frozen=True)
class Heard:
    """An answer, and who gave it."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def platform(self) -> str:
        return self.headers["x-gateway-platform"]

    @property
    def attempts(self) -> str | None:
        return self.headers.get("x-gateway-attempts")

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.body["error"]["code"]


@dataclass(frozen=True)
class Place:
    """A gateway that runs a recipe, and one of its clients; `secret` signs what it sends."""

    gateway: Gateway
    client: aiohttp.ClientSession
    clock: Clock
    key: str = client_key("FORWARD_KEY")
    secret: str = ""

    def by(self, name: str) -> Place:
        """The same with the key whose hash the recipe takes from `NAME_KEY_HASH`."""
        return replace(self, key=client_key(name))

    async def edit(
        self, *images: bytes, mask: bytes | None = None, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Heard:
        parts = [
            (f'name="{name}"', str(value).encode()) for name, value in {"prompt": "make it blue", **fields}.items()
        ]
        parts += [('name="image[]"; filename="a.png"', image) for image in images or (picture(320, 320),)]
        if mask is not None:
            parts.append(('name="mask"; filename="mask.png"', mask))
        form = b"".join(
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; {words}\r\n\r\n".encode() + value + b"\r\n"
            for words, value in parts
        )
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return await self.send(EDITS, form + f"--{BOUNDARY}--\r\n".encode(), kind, headers)

    async def generate(self, headers: Mapping[str, str] | None = None, **fields: Any) -> Heard:
        body = json.dumps({"prompt": "a blue square", **fields}).encode()
        return await self.send(GENERATIONS, body, "application/json", headers)

    async def chat(self, headers: Mapping[str, str] | None = None) -> Heard:
        return await self.send(CHAT, b'{"model": "gpt-5", "messages": []}', "application/json", headers)

    async def send(self, path: str, body: bytes, kind: str, headers: Mapping[str, str] | None) -> Heard:
        lines = {"Authorization": f"Bearer {self.key}", "Content-Type": kind, **(headers or {})}
        if self.secret:
            lines["X-Request-Signature"] = stamped_mac(self.clock.wall(), "POST", path, body, self.secret)
        async with self.client.post(self.gateway.url + path, data=body, headers=lines) as heard:
            return Heard(heard.status, heard.headers, json.loads(await heard.read()))

    def shut(self, platform: str) -> bool:
        return self.gateway.breakers.account(platform).cause is not None

    def breaker(self, platform: str) -> State:
        """The one that keeps most away, of the platform's models."""
        states = self.gateway.breakers.states().items()
        return max(standing.state for (account, _), standing in states if account == platform)


Run = Callable[..., Awaitable[Place]]


@pytest.fixture
async def run(tmp_path: Path, client: aiohttp.ClientSession) -> AsyncIterator[Run]:
    """`await run("migration", BFL_BASE_URL=…)` starts a recipe's gateway; the variables say where platforms are."""
    async with AsyncExitStack() as stack:

        async def start(recipe: str, *, draw: float = 0.5, **variables: str) -> Place:
            places = {"GATEWAY_PORT": "0", "GATEWAY_ADMIN_PORT": "0", "GATEWAY_STATE_DIR": str(tmp_path / "state")}
            config = unhurried(load(Config, RECIPES[recipe], environment(recipe) | places | variables))
            clock = fast_clock(FASTER)
            gateway = await stack.enter_async_context(Gateway(config, clock=clock, chance=lambda: draw))
            return Place(gateway, client, clock)

        yield start


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai(answer({"data": [{"b64_json": "aGk="}]})) as fake:
        yield fake


def unhurried(config: Config) -> Config:
    """Where a recipe's own seconds, `FASTER` as they pass here, could be over before the next request."""
    breaker = config.jobs.breaker.model_copy(update={"open_for": 6000.0, "longest": 6000.0})
    jobs = config.jobs.model_copy(update={"breaker": breaker, **UNHURRIED})
    return config.model_copy(update={"jobs": jobs, "signature": config.signature.model_copy(update={"window": 3600.0})})


def asked(openai: FakeOpenAi) -> dict[str, Any]:
    """The JSON of the newest request there."""
    return dict(json.loads(bytes(openai.seen[-1].body)))


def field(openai: FakeOpenAi, name: str) -> str:
    """A text field of the newest form there."""
    head, _, rest = bytes(openai.seen[-1].body).partition(f'name="{name}"'.encode())
    assert rest, f"no {name} in {head[:200]!r}"
    return rest.partition(b"\r\n\r\n")[2].partition(b"\r\n")[0].decode()


def mask(width: int, height: int) -> bytes:
    """The left half is transparent."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


async def test_one_account(bfl: Emulator, run: Run) -> None:
    """Every key within what it may do; the rule of guests wins over what they ask for."""
    place = await run("one-account", BFL_BASE_URL=bfl.api_url)
    studio, website, trial = place.by("STUDIO"), place.by("WEBSITE"), place.by("TRIAL")
    assert (await studio.edit(model="gpt-image-2")).platform == PRO
    assert (await studio.edit(model="final")).platform == "bfl/flux-2-pro"
    assert (await studio.generate()).platform == TEXT
    edited = await website.edit()
    assert (edited.status, edited.platform) == (200, PRO)
    assert edited.headers["x-ratelimit-remaining-images"] == "119"
    assert (await website.edit(model="flux-2-pro")).refusal == (403, "model_not_allowed")
    assert (await website.generate()).refusal == (403, "path_not_allowed")
    tried = await trial.edit(model="flux-kontext-max", size="2048x2048")
    assert (tried.status, tried.platform, tried.body["size"]) == (200, "bfl/flux-2-klein-4b", "1024x1024")
    assert "size=converted(1024x1024)" in tried.headers["x-gateway-translation"]
    assert (await trial.generate(n=2)).refusal == (400, "invalid_value")
    assert (await trial.generate()).platform == "bfl/flux-2-klein-4b"
    assert (await replace(place, key="gw-wrong-0123456789abcdef").edit()).refusal == (401, "invalid_api_key")
    assert (await studio.chat()).refusal == (404, "platform_not_configured")


async def test_flux_then_openai(bfl: Emulator, openai: FakeOpenAi, run: Run) -> None:
    """On to OpenAI while nothing can have been paid, under a model that it has; not after a refusal."""
    place = await run("flux-then-openai", BFL_BASE_URL=bfl.api_url, OPENAI_BASE_URL=openai.url)
    easy = await place.edit()
    assert (easy.platform, easy.attempts) == (PRO, None)
    painted = await place.edit(mask=mask(320, 320))
    assert (painted.platform, painted.attempts) == ("bfl/flux-pro-1.0-fill", None)
    bfl.script("request_moderated")
    assert (await place.edit()).refusal == (400, "moderation_blocked")
    assert not openai.seen

    bfl.set_credits(0)
    edited = await place.edit(model="flux-kontext-max")
    assert (edited.status, edited.platform) == (200, "openai/gpt-image-2")
    assert edited.attempts == "bfl/flux-kontext-max platform_out_of_credits, openai/gpt-image-2"
    assert field(openai, "model") == "gpt-image-2"
    await until(lambda: place.shut("bfl"))
    seen = bfl.counts.submits_seen
    made = await place.generate(model="gpt-image-2.6-flare")
    assert made.attempts == f"{TEXT} platform_out_of_credits, openai/gpt-image-2.6-flare"
    assert (asked(openai)["model"], bfl.counts.submits_seen) == ("gpt-image-2.6-flare", seen)
    painted = await place.edit(mask=mask(320, 320))
    assert painted.attempts == "bfl/flux-pro-1.0-fill platform_out_of_credits, openai/gpt-image-2"
    preferred = await place.generate({"X-ImageModel": "openai"})
    assert (preferred.platform, preferred.attempts) == ("openai/gpt-image-2", None)
    assert (await place.chat()).platform == "openai"


async def test_flux_that_is_not_there(openai: FakeOpenAi, run: Run) -> None:
    """Connections refused: every picture comes from OpenAI, the fourth without a try."""
    place = await run("flux-then-openai", BFL_BASE_URL="http://127.0.0.1:9", OPENAI_BASE_URL=openai.url)
    told = [await place.edit() for _ in range(4)]
    assert [heard.status for heard in told] == [200] * 4
    first, *_, last = (str(heard.attempts) for heard in told)
    assert first == f"{PRO} platform_unreachable, openai/gpt-image-2"
    assert last == f"{PRO} platform_unavailable, openai/gpt-image-2"


async def test_photos_and_masks(bfl: Emulator, run: Run) -> None:
    """A photograph of 24 megapixels is scaled, a mask is painted by the model that has them, numbers choose models."""
    place = await run("photos-and-masks", BFL_BASE_URL=bfl.api_url)
    assert (await place.edit()).platform == PRO
    photo = picture(*PHOTO, form="JPEG")
    large = await place.edit(photo)
    assert (large.status, large.platform) == (200, "bfl/flux-kontext-max"), large.body
    assert "image=converted" in large.headers["x-gateway-translation"]
    painted = await place.edit(mask=mask(320, 320))
    assert (painted.status, painted.platform) == (200, "bfl/flux-pro-1.0-fill"), painted.body
    assert "model=converted(flux-pro-1.0-fill)" in painted.headers["x-gateway-translation"]
    both = await place.edit(photo, mask=mask(*PHOTO))
    assert (both.status, both.platform) == (200, "bfl/flux-pro-1.0-fill"), both.body
    assert (await place.edit(*[picture(64, 64)] * 5)).platform == "bfl/flux-2-pro"
    drafts = await place.generate(n=5)
    assert (drafts.platform, len(drafts.body["data"])) == ("bfl/flux-2-klein-9b", 5)
    assert (await place.generate()).platform == TEXT
    assert not bfl.counts.refused


async def test_migration(bfl: Emulator, openai: FakeOpenAi, run: Run) -> None:
    """As it was for everybody, and FLUX for those who were drawn, volunteered or asked for it."""
    place = await run("migration", BFL_BASE_URL=bfl.api_url, OPENAI_BASE_URL=openai.url)
    shop, pilot, batch = place.by("SHOP"), place.by("PILOT"), place.by("BATCH")
    assert (await shop.edit(model="gpt-image-2")).platform == "openai/gpt-image-2"
    assert (await shop.edit()).platform == "openai"
    assert (await shop.edit(model="house-style")).platform == "openai/gpt-image-2"
    assert field(openai, "model") == "gpt-image-2"
    assert (await shop.edit(headers={"X-ImageModel": "flux"}, model="gpt-image-2")).platform == PRO
    assert (await shop.edit(model="flux", wonder="1")).platform == PRO
    assert (await pilot.edit(model="gpt-image-2")).platform == PRO
    assert (await pilot.generate(model="dall-e-3")).platform == TEXT
    small = await batch.generate(model="gpt-image-2", quality="high")
    assert small.platform == "openai-small/gpt-image-2.6-flare"
    assert (asked(openai)["model"], asked(openai)["quality"], asked(openai)["n"]) == ("gpt-image-2.6-flare", "low", 1)
    assert (await batch.generate(n=2)).refusal == (400, "invalid_value")
    bfl.script("submit_402", times=None)
    assert (await pilot.edit(model="gpt-image-2")).attempts == f"{PRO} platform_out_of_credits, openai/gpt-image-2"


@pytest.mark.parametrize(("draw", "platform"), [(0.89, "openai/gpt-image-2"), (0.91, PRO)])
async def test_the_share_of_a_migration(
    bfl: Emulator, openai: FakeOpenAi, run: Run, draw: float, platform: str
) -> None:
    """One edit in ten, by the draw; pictures from text stay where they were."""
    place = await run("migration", draw=draw, BFL_BASE_URL=bfl.api_url, OPENAI_BASE_URL=openai.url)
    assert (await place.by("SHOP").edit(model="gpt-image-2")).platform == platform
    assert (await place.by("SHOP").generate(model="gpt-image-2")).platform == "openai/gpt-image-2"


async def test_regions(openai: FakeOpenAi, run: Run) -> None:
    """European data stays there, come what may; others go on to Europe; addresses and signatures count first."""
    settings = EmulatorSettings(speed=FASTER)
    async with Emulator(settings) as us, Emulator(settings) as eu, fake_openai(answer({"from": "eu"})) as openai_eu:
        place = await run(
            "regions",
            BFL_US_BASE_URL=us.api_url,
            BFL_EU_BASE_URL=eu.api_url,
            OPENAI_BASE_URL=openai.url,
            OPENAI_EU_BASE_URL=openai_eu.url,
        )
        place = replace(place, secret=client_key("APP_SECRET"))
        office, marked = {"X-Forwarded-For": "198.51.100.9, 192.0.2.7"}, {"X-Data-Region": "eu"}
        desk, eu_desk = place.by("US"), place.by("EU")

        assert (await desk.edit()).refusal == (403, "forbidden_client")
        assert (await desk.edit(headers={"X-Forwarded-For": "192.0.2.130"})).refusal == (403, "forbidden_client")
        assert (await replace(desk, secret="").edit(headers=office)).refusal == (401, "invalid_signature")
        assert (await replace(desk, secret="another-secret").edit(headers=office)).refusal == (401, "invalid_signature")
        assert us.counts.submits_seen == eu.counts.submits_seen == 0

        assert (await desk.edit(headers=office)).platform == "bfl-us/flux-kontext-pro"
        assert (await desk.edit(headers=office | marked)).platform == "bfl-eu/flux-kontext-pro"
        assert (await eu_desk.edit(headers=office)).platform == "bfl-eu/flux-kontext-pro"
        assert (await eu_desk.generate(office)).platform == "bfl-eu/flux-pro-1.1"
        assert (await desk.edit(headers=office, model="gpt-image-2")).refusal == (404, "model_not_found")
        assert (await eu_desk.chat(office)).platform == "openai-eu"
        assert (await desk.chat(office | marked)).platform == "openai-eu"
        assert (await desk.chat(office)).platform == "openai"

        us.set_credits(0)
        gone_on = await desk.edit(headers=office)
        assert (gone_on.status, gone_on.platform) == (200, "bfl-eu/flux-kontext-pro")
        assert gone_on.attempts == "bfl-us/flux-kontext-pro platform_out_of_credits, bfl-eu/flux-kontext-pro"
        await until(lambda: place.shut("bfl-us"))
        assert not place.shut("bfl-eu")
        eu.set_credits(0)
        seen = us.counts.submits_seen
        assert (await eu_desk.edit(headers=office)).refusal == (503, "platform_out_of_credits")
        assert us.counts.submits_seen == seen
