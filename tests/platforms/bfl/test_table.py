"""The table against the emulator, which has the vendor's schemas by itself: what is planned is taken, and all of it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from PIL import Image

from gateway.domain.blob import Blob
from gateway.domain.edit import Edit
from gateway.domain.outcome import Finished, Working
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.domain.target import JobTarget, MaskPolicy, OversizePolicy, Terms
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.options import Decimal, Option, Truth, Whole, Word
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.contract import Plan
from gateway.wire.call import Answer
from gateway.wire.render import pieces, stream
from tests.conftest import KEY
from tests.fakes.blob import MemoryBlob

EDITING = [name for name, model in MODELS.items() if model.edits]
GENERATING = [name for name, model in MODELS.items() if model.generates]


def png(size: Pixels = Pixels(320, 288), mode: str = "RGB") -> MemoryBlob:  # noqa: B008 - immutable
    out = io.BytesIO()
    Image.new(mode, (size.width, size.height), (200, 30, 30, 0)[: len(mode)] if len(mode) > 1 else 255).save(out, "PNG")
    return MemoryBlob(out.getvalue(), pixels=size)


def made(work: Rework) -> Blob:
    """What `imaging` would make of it, as far as size and mode go."""
    return png(work.pixels or work.source.pixels, "L" if work.mask else "RGB")


def extreme(option: Option, *, highest: bool) -> str:
    match option:
        case Whole(lowest, most) | Decimal(lowest, most):
            return f"{most if highest else lowest}"
        case Word(words):
            return words[-1 if highest else 0]
        case Truth():
            return str(highest).lower()


@pytest.fixture
async def vendor() -> AsyncIterator[tuple[Bfl, Emulator]]:
    """An account at the emulator; at the end, it has seen nothing that the vendor would drop or choke on."""
    async with Emulator(EmulatorSettings(speed=1000.0, max_active=1000, max_active_by_model={})) as bfl:
        settings = {"kind": "bfl", "api_key": KEY, "base_url": bfl.api_url, "forward_user": True}
        yield Bfl("bfl", BflSettings.model_validate(settings)), bfl
        assert bfl.counts.accepted > 0
        assert not bfl.counts.refused
        assert not bfl.counts.ignored_fields
        assert not bfl.counts.explicit_nulls
        assert bfl.counts.data_uris == 0


async def submit(account: Bfl, edit: Edit, target: JobTarget) -> Plan:
    """Every call of its plan, as it would go over the wire, to the finished picture."""
    plan = account.plan(edit, target)
    plan = plan.fulfilled({work: made(work) for work in plan.needs})
    async with aiohttp.ClientSession() as session:
        for call in plan.calls:
            assert call.body
            body = b"".join([chunk async for chunk in stream(pieces(call.body))])
            headers = {**call.secrets, "Content-Type": "application/json"}
            async with session.post(call.url, data=body, headers=headers) as response:
                said = await response.json()
                assert response.status == 200, said
                outcome = account.read_submit(plan, Answer(200, response.headers, await response.read()))
            while isinstance(outcome, Working):
                poll = account.poll(outcome.ticket)
                async with session.get(poll.url, headers=poll.secrets) as response:
                    answer = Answer(response.status, response.headers, await response.read())
                    outcome = account.read_poll(outcome.ticket, answer)
            assert isinstance(outcome, Finished), outcome
        if said["cost"] is not None:
            assert said["cost"] == pytest.approx(plan.credits)
            assert said["input_mp"] + said["output_mp"] == pytest.approx(plan.megapixels, abs=0.02)
    return plan


def asked(fields: dict[str, str], images: tuple[Blob, ...] = (), mask: Blob | None = None, size: object = None) -> Edit:
    pairs = tuple(fields.items())
    own = tuple((name, value) for name, value in pairs if name not in ("user", "moderation", "size"))
    moderation, user = fields.get("moderation"), fields.get("user")
    return Edit(
        "a fox",
        images,
        mask=mask,
        size=size if isinstance(size, Pixels) else None,
        moderation=moderation,
        end_user=user,
        asked=pairs,
        extra=own,
    )


@pytest.mark.parametrize("name", EDITING)
async def test_every_model_that_edits(vendor: tuple[Bfl, Emulator], name: str) -> None:
    """With one picture and with as many as it takes, with nothing else and with all that it takes at both ends."""
    account, model = vendor[0], MODELS[name]
    mask = png(mode="RGBA") if model.masks else None
    for count in {1, model.max_images}:
        await submit(account, asked({}, (png(),) * count, mask), JobTarget("bfl", name))
    for highest in (False, True):
        fields = {key: extreme(option, highest=highest) for key, option in model.options.items() if key != "seed"}
        fields |= {"safety_tolerance": str(model.tolerance if highest else 0), "user": "u"}
        fields |= {"seed": "7"} if "seed" in model.options else {}
        fields |= {"aspect_ratio": "7:3" if highest else "3:7"} if model.takes("aspect_ratio") else {}
        await submit(account, asked(fields, (png(),), mask), JobTarget("bfl", name))
    for size in (Pixels(1024, 1024), Pixels(1500, 1000), Pixels(64, 64)):
        await submit(account, asked({"moderation": "low"}, (png(),), mask, size), JobTarget("bfl", name))


@pytest.mark.parametrize("name", GENERATING)
async def test_every_model_that_generates(vendor: tuple[Bfl, Emulator], name: str) -> None:
    """The same from text alone."""
    account, model = vendor[0], MODELS[name]
    await submit(account, asked({}), JobTarget("bfl", name))
    for highest in (False, True):
        fields = {key: extreme(option, highest=highest) for key, option in model.options.items() if key != "seed"}
        fields |= {"safety_tolerance": str(model.tolerance_from_text if highest else 0), "user": "u"}
        fields |= {"seed": "7"} if "seed" in model.options else {}
        fields |= {"aspect_ratio": "7:3" if highest else "3:7"}
        await submit(account, asked(fields), JobTarget("bfl", name))
    for size in (Pixels(1024, 1024), Pixels(1500, 1000), Pixels(4096, 4096), Pixels(64, 64)):
        await submit(account, asked({"moderation": "low"}, size=size), JobTarget("bfl", name))


@pytest.mark.parametrize("name", EDITING)
async def test_masks_and_large_pictures_by_leave_of_the_route(vendor: tuple[Bfl, Emulator], name: str) -> None:
    """A mask goes to the model that paints, and a picture that is too heavy is made smaller first."""
    account, bfl = vendor
    heavy = png(Pixels(600, 400))
    heavy.data += bytes(MODELS[name].max_image_bytes)
    terms = Terms(mask=MaskPolicy.FILL, oversize=OversizePolicy.DOWNSCALE)
    for mask in (None, png(Pixels(600, 400), "RGBA")):
        if mask or name != "flux-pro-1.0-fill":
            plan = await submit(account, asked({}, (heavy,), mask), JobTarget("bfl", name, terms))
            assert plan.target.model == ("flux-pro-1.0-fill" if mask else name)
    assert bfl.counts.accepted_by_model["flux-pro-1.0-fill"] == 1
