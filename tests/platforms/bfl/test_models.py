"""Every model's whole call, by equality: path, body, price and megapixels, from pictures and from text alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.domain.edit import Edit
from gateway.domain.notes import header
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels, Ratio
from gateway.domain.target import JobTarget
from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.kinds import MEGAPIXEL, Price
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.contract import Plan
from gateway.wire.body import Base64, JsonBody
from gateway.wire.call import Call
from tests.fakes.blob import MemoryBlob

KEY = "11111111-2222-4333-8444-555555555555"
A, B = (MemoryBlob(name, pixels=Pixels(1536, 1024)) for name in (b"a", b"b"))
MASK = MemoryBlob(b"mask", pixels=Pixels(1536, 1024))
INPUT_MP = 1.5
ACCOUNT = Bfl("bfl", BflSettings.model_validate({"kind": "bfl", "api_key": KEY}))

NUMBERED = {"prompt": "a fox", "input_image": Base64(A), "input_image_2": Base64(B), "output_format": "png"}
TEXT = {"prompt": "a fox", "output_format": "png"}
KONTEXT = NUMBERED | {"aspect_ratio": "3:2"}
FLUX_2 = NUMBERED | {"width": 1536, "height": 1024}
FLUX_2_TEXT = TEXT | {"width": 1536, "height": 1024}
PAINTED = {
    "prompt": "a fox",
    "image": Base64(Rework(A, flatten=True)),
    "mask": Base64(Rework(MASK, mask=True)),
    "output_format": "png",
}

# With two pictures of 1536x1024 (fill: one and its mask), and size=1536x1024.
# Credits: https://docs.bfl.ai/quick_start/pricing. FLUX.2 reads 3 MP and makes 1.5 MP, which counts as 2.
EDITS: dict[str, tuple[Mapping[str, Any], str, float | None, float]] = {
    "flux-kontext-pro": (KONTEXT, "size=converted(3:2)", 4, 3 + 1),
    "flux-kontext-max": (KONTEXT, "size=converted(3:2)", 8, 3 + 1),
    "flux-2-pro": (FLUX_2, "size=converted(1536x1024)", 3 + 1.5 + 3 * 1.5, 3 + 1.5),
    "flux-2-pro-preview": (FLUX_2, "size=converted(1536x1024)", 3 + 1.5 + 3 * 1.5, 3 + 1.5),
    "flux-2-max": (FLUX_2, "size=converted(1536x1024)", 7 + 3 + 3 * 3, 3 + 1.5),
    "flux-2-flex": (FLUX_2, "size=converted(1536x1024)", 5 + 5 + 3 * 5, 3 + 1.5),
    "flux-2-klein-4b": (FLUX_2, "size=converted(1536x1024)", 1.4 + 0.1 + 3 * 0.1, 3 + 1.5),
    "flux-2-klein-9b": (FLUX_2, "size=converted(1536x1024)", 1.5 + 0.2 + 3 * 0.2, 3 + 1.5),
    "flux-2-klein-9b-preview": (FLUX_2, "size=converted(1536x1024)", 1.5 + 0.2 + 3 * 0.2, 3 + 1.5),
    "flux-3-image": (
        {"prompt": "a fox", "images": [Base64(A), Base64(B)], "aspect_ratio": "3:2", "resolution": "1k"},
        "size=converted(3:2 at 1k)",
        None,
        3 + 1,
    ),
    "flux-pro-1.0-fill": (
        PAINTED,
        "mask=converted(white on black), image=converted(without alpha), size=converted(input size)",
        5,
        1.5 + 1.5,
    ),
}
GENERATIONS: dict[str, tuple[Mapping[str, Any], str, float | None, float]] = {
    "flux-kontext-pro": (TEXT | {"aspect_ratio": "3:2"}, "size=converted(3:2)", 4, 1),
    "flux-kontext-max": (TEXT | {"aspect_ratio": "3:2"}, "size=converted(3:2)", 8, 1),
    "flux-2-pro": (FLUX_2_TEXT, "size=converted(1536x1024)", 4.5, 1.5),
    "flux-2-pro-preview": (FLUX_2_TEXT, "size=converted(1536x1024)", 4.5, 1.5),
    "flux-2-max": (FLUX_2_TEXT, "size=converted(1536x1024)", 10, 1.5),
    "flux-2-flex": (FLUX_2_TEXT, "size=converted(1536x1024)", 10, 1.5),
    "flux-2-klein-4b": (FLUX_2_TEXT, "size=converted(1536x1024)", 1.5, 1.5),
    "flux-2-klein-9b": (FLUX_2_TEXT, "size=converted(1536x1024)", 1.7, 1.5),
    "flux-2-klein-9b-preview": (FLUX_2_TEXT, "size=converted(1536x1024)", 1.7, 1.5),
    "flux-3-image": (
        {"prompt": "a fox", "aspect_ratio": "3:2", "resolution": "1k"},
        "size=converted(3:2 at 1k)",
        None,
        1,
    ),
    # 1440 is the longest side of both.
    "flux-pro-1.1": (
        TEXT | {"width": 1440, "height": 960},
        "size=converted(1440x960)",
        4,
        1440 * 960 / MEGAPIXEL,
    ),
    "flux-dev": (TEXT | {"width": 1440, "height": 960}, "size=converted(1440x960)", 2.5, 1440 * 960 / MEGAPIXEL),
    "flux-pro-1.1-ultra": (TEXT | {"aspect_ratio": "3:2"}, "size=converted(3:2)", 6, 2784 * 1504 / MEGAPIXEL),
}


def asked(*pictures: MemoryBlob, mask: MemoryBlob | None = None, size: Pixels | Ratio | None = None) -> Edit:
    return Edit("a fox", pictures, mask=mask, size=size, asked=(("size", "given"),) if size else ())


def plan(edit: Edit, model: str) -> Plan:
    return ACCOUNT.plan(edit, JobTarget("bfl", model))


def call(model: str, body: Mapping[str, Any]) -> Call:
    return Call("submit", "POST", f"https://api.bfl.ai/v1/{model}", JsonBody(body), secrets={"x-key": KEY})


def test_the_lists_are_complete() -> None:
    """Each model is asked below for all that it does."""
    assert set(EDITS) == {name for name, model in MODELS.items() if model.edits}
    assert set(GENERATIONS) == {name for name, model in MODELS.items() if model.generates}


@pytest.mark.parametrize("model", EDITS)
def test_an_edit(model: str) -> None:
    """All of the plan, and nothing else."""
    body, said, credits, megapixels = EDITS[model]
    masked = model == "flux-pro-1.0-fill"
    pictures = (A,) if masked else (A, B)
    done = plan(asked(*pictures, mask=MASK if masked else None, size=Pixels(1536, 1024)), model)
    assert done.calls == (call(model, body),)
    assert header(done.notes) == said
    assert done.credits == credits if credits is None else done.credits == pytest.approx(credits)
    assert done.megapixels == pytest.approx(megapixels)
    assert done.needs == ((Rework(A, flatten=True), Rework(MASK, mask=True)) if masked else ())
    assert done.target == JobTarget("bfl", model)


@pytest.mark.parametrize("model", GENERATIONS)
def test_a_generation(model: str) -> None:
    """The same without pictures."""
    body, said, credits, megapixels = GENERATIONS[model]
    done = plan(asked(size=Pixels(1536, 1024)), model)
    assert done.calls == (call(model, body),)
    assert header(done.notes) == said
    assert done.credits == credits if credits is None else done.credits == pytest.approx(credits)
    assert done.megapixels == pytest.approx(megapixels)
    assert done.needs == ()


@pytest.mark.parametrize("model", GENERATIONS)
def test_a_generation_that_says_nothing(model: str) -> None:
    """No size: the vendor's own default holds, which is what the price is for."""
    done = plan(asked(), model)
    assert done.calls == (call(model, {"prompt": "a fox"} if model == "flux-3-image" else TEXT),)
    assert header(done.notes) == ""
    assert done.megapixels == pytest.approx(MODELS[model].default_size.count / MEGAPIXEL)


@pytest.mark.parametrize("model", [name for name in EDITS if name.startswith("flux-2")])
def test_flux_2_is_sent_no_size_that_nobody_asked_for(model: str) -> None:
    """A size would reframe the picture; without one it keeps that of the first input, up to 4 megapixels."""
    assert plan(asked(A, B), model).calls == (call(model, NUMBERED),)
    assert plan(asked(A, B), model).megapixels == pytest.approx(3 + 1.5)
    large = MemoryBlob(b"large", pixels=Pixels(4096, 2048))
    assert plan(asked(large), model).megapixels == pytest.approx(8 + 4)


@pytest.mark.parametrize(
    ("price", "read", "made", "credits"),
    [
        # https://docs.bfl.ai/quick_start/pricing: what was made so small and so large cost 3 and 4.5 credits.
        (Price(3, 1.5, 1.5), 0, 256 * 256, 3),
        (Price(3, 1.5, 1.5), 0, int(1.98 * MEGAPIXEL), 4.5),
        (Price(3, 1.5, 1.5), 1, MEGAPIXEL, 4.5),
        (Price(3, 1.5, 1.5), MEGAPIXEL, MEGAPIXEL + 1, 6),
        (Price(7, 3, 3), 0, 4 * MEGAPIXEL, 16),
        (Price(4), 80 * MEGAPIXEL, 16 * MEGAPIXEL, 4),
        (Price(4), 0, 0, 4),
    ],
)
def test_begun_megapixels_are_paid_whole(price: Price, read: int, made: int, credits: float) -> None:
    """The first made is in the price; every further one, and every one read, is added."""
    assert price.of(read, made) == credits


def test_what_the_table_says() -> None:
    """Limits as published: pictures, bytes, pixels, active tasks."""
    assert {name: model.max_images for name, model in MODELS.items() if model.edits} == {
        **dict.fromkeys(("flux-kontext-pro", "flux-kontext-max"), 4),
        **dict.fromkeys(("flux-2-pro", "flux-2-pro-preview", "flux-2-max", "flux-2-flex"), 8),
        **dict.fromkeys(("flux-2-klein-4b", "flux-2-klein-9b", "flux-2-klein-9b-preview"), 4),
        "flux-3-image": 10,
        "flux-pro-1.0-fill": 1,
    }
    strict = MODELS["flux-3-image"]
    limits = {(m.max_image_bytes, m.max_image_pixels) for m in MODELS.values() if m is not strict}
    assert limits == {(20 * 1024 * 1024, 20_000_000)}
    # 20 000 000 characters of base64.
    assert (strict.max_image_bytes, strict.max_image_pixels, strict.min_side) == (15_000_000, 16_000_000, 256)
    assert {name: model.ceiling for name, model in MODELS.items() if model.ceiling} == {"flux-kontext-max": 6}
    assert [name for name, model in MODELS.items() if model.masks] == ["flux-pro-1.0-fill"]
