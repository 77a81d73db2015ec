"""Sizes as clients ask for them, in each model's own words."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.blob import Link
from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField
from gateway.domain.notes import header
from gateway.domain.size import Pixels, Ratio
from gateway.domain.target import JobTarget, SizePolicy, Terms
from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.kinds import MEGAPIXEL
from gateway.platforms.bfl.models import MODELS, NARROWEST, WIDEST
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.bfl.sizes import AREAS, PRESETS, Shape, exact, shape
from tests.fakes.blob import MemoryBlob

SEEN, LINK = MemoryBlob(pixels=Pixels(123, 45)), Link("https://h.example/a.png")
SIDES = st.integers(1, 99_999)
SIZES = st.builds(Pixels, SIDES, SIDES)
RATIOS = st.builds(Ratio, SIDES, SIDES)
PICTURES = st.builds(Pixels, st.integers(64, 12_000), st.integers(64, 12_000))
INPUTS = st.lists(st.none() | PICTURES, max_size=3).map(tuple)


def of(model: str, wanted: Pixels | Ratio | None, *inputs: Pixels | None) -> Shape:
    return shape(MODELS[model], wanted, inputs)


@pytest.mark.parametrize(
    ("wanted", "inputs", "width", "height"),
    [
        (Pixels(1024, 1024), (), 1024, 1024),
        (Pixels(1000, 1000), (), 992, 992),
        (Pixels(1001, 999), (), 1008, 992),
        (Pixels(1, 1), (), 64, 64),
        (Pixels(32, 512), (), 64, 1024),
        (Pixels(2048, 2048), (), 2048, 2048),
        (Pixels(4096, 4096), (), 2048, 2048),
        (Pixels(3840, 2160), (), 2720, 1536),
        (Pixels(8192, 128), (), 8192, 128),
        (Ratio(1, 1), (), 1024, 1024),
        (Ratio(16, 9), (), 1360, 768),
        (Ratio(16, 9), (Pixels(1600, 900),), 1600, 896),
        (Ratio(1, 1), (Pixels(1600, 900),), 1200, 1200),
        (Ratio(1, 1), (Pixels(6000, 4000),), 2048, 2048),
        (Ratio(1, 1), (None,), 1024, 1024),
        (Ratio(1, 1), (Pixels(64, 64), Pixels(1024, 1024)), 64, 64),
    ],
)
def test_flux_2(wanted: Pixels | Ratio, inputs: tuple[Pixels | None, ...], width: int, height: int) -> None:
    """Multiples of 16; a ratio takes the area of the first picture, of text alone one megapixel."""
    found = of("flux-2-pro", wanted, *inputs)
    assert found == Shape({"width": width, "height": height}, f"{width}x{height}", width * height)


@pytest.mark.parametrize(
    ("wanted", "width", "height"),
    [
        (Pixels(1024, 768), 1024, 768),
        (Pixels(1000, 1000), 992, 992),
        (Pixels(1792, 1024), 1440, 832),
        (Pixels(1024, 1792), 832, 1440),
        (Pixels(128, 128), 256, 256),
        (Pixels(100, 500), 256, 1280),
        (Pixels(1440, 256), 1440, 256),
        (Pixels(4096, 4096), 1440, 1440),
        (Ratio(1, 1), 1024, 1024),
        (Ratio(16, 9), 1376, 768),
        (Ratio(21, 9), 1440, 608),
        (Ratio(45, 8), 1440, 256),
    ],
)
def test_flux_1(wanted: Pixels | Ratio, width: int, height: int) -> None:
    """Multiples of 32 from 256 to 1440."""
    for model in ("flux-pro-1.1", "flux-dev"):
        assert of(model, wanted) == Shape({"width": width, "height": height}, f"{width}x{height}", width * height)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("flux-pro-1.1", Pixels(1450, 256)),
        ("flux-pro-1.1", Ratio(6, 1)),
        ("flux-pro-1.1", Pixels(256, 1500)),
        ("flux-dev", Ratio(1, 99_999)),
        ("flux-2-pro", Ratio(99_999, 1)),
        ("flux-2-pro", Pixels(1, 1040)),
        ("flux-kontext-pro", Pixels(2101, 900)),
        ("flux-pro-1.1-ultra", Ratio(22, 9)),
        ("flux-3-image", Ratio(22, 9)),
        ("flux-3-image", Pixels(299, 700)),
    ],
)
def test_ratios_out_of_reach(model: str, wanted: Pixels | Ratio) -> None:
    """Refused with what is possible, under the name the client used."""
    for param in ("size", "aspect_ratio"):
        with pytest.raises(InvalidField) as caught:
            shape(MODELS[model], wanted, (), param)
        assert caught.value.param == param
        assert caught.value.text.startswith(f"{param} asks for ")


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (Pixels(1024, 1024), {"aspect_ratio": "1:1", "resolution": "1k"}),
        (Pixels(768, 768), {"aspect_ratio": "1:1", "resolution": "768sq"}),
        (Pixels(512, 512), {"aspect_ratio": "1:1", "resolution": "768sq"}),
        (Pixels(1536, 1024), {"aspect_ratio": "3:2", "resolution": "1k"}),
        (Pixels(1024, 1536), {"aspect_ratio": "2:3", "resolution": "1k"}),
        (Pixels(1792, 1024), {"aspect_ratio": "16:9", "resolution": "1.5k"}),
        (Pixels(2048, 2048), {"aspect_ratio": "1:1", "resolution": "2k"}),
        (Pixels(3840, 2160), {"aspect_ratio": "16:9", "resolution": "2k"}),
        (Pixels(4000, 3000), {"aspect_ratio": "4:3", "resolution": "4k"}),
        (Ratio(7, 3), {"aspect_ratio": "21:9"}),
        (Ratio(10, 14), {"aspect_ratio": "5:7"}),
        (Ratio(1000, 999), {"aspect_ratio": "1:1"}),
    ],
)
def test_flux_3(wanted: Pixels | Ratio, fields: dict[str, str]) -> None:
    """The nearest of its ratios, and of its resolutions where pixels were asked for."""
    assert of("flux-3-image", wanted).fields == fields


@pytest.mark.parametrize(
    ("model", "inputs", "told", "area"),
    [
        ("flux-kontext-pro", (Pixels(640, 480),), "input ratio", MEGAPIXEL),
        ("flux-kontext-pro", (), "1024x1024", MEGAPIXEL),
        ("flux-pro-1.1", (), "1024x768", 1024 * 768),
        ("flux-pro-1.1-ultra", (), "2784x1504", 2784 * 1504),
        ("flux-2-pro", (), "1024x1024", MEGAPIXEL),
        ("flux-2-pro", (Pixels(640, 480),), "input size", 640 * 480),
        ("flux-2-pro", (Pixels(6000, 4000),), "input size", 4 * MEGAPIXEL),
        ("flux-2-pro", (None,), "input size", 4 * MEGAPIXEL),
        ("flux-3-image", (), "auto", MEGAPIXEL),
        ("flux-3-image", (Pixels(640, 480),), "input ratio", MEGAPIXEL),
        ("flux-pro-1.0-fill", (Pixels(640, 480),), "input size", 640 * 480),
    ],
)
def test_no_size_asked(model: str, inputs: tuple[Pixels | None, ...], told: str, area: int) -> None:
    """Nothing is sent, and what that means is known."""
    assert of(model, None, *inputs) == Shape({}, told, area)


def test_fill_makes_what_it_gets() -> None:
    """Its results are as large as the picture, whatever is asked."""
    assert of("flux-pro-1.0-fill", Pixels(64, 9000), Pixels(640, 480)) == Shape({}, "input size", 640 * 480)


@given(SIZES | RATIOS, INPUTS)
def test_flux_2_keeps_to_its_grid(wanted: Pixels | Ratio, inputs: tuple[Pixels | None, ...]) -> None:
    """Multiples of 16, 64 pixels a side, 4 megapixels: or a refusal, for ratios that no such size has."""
    _on_grid("flux-2-pro", wanted, inputs, step=16, lowest=64, highest=65_536, most=4 * MEGAPIXEL)


@given(SIZES | RATIOS)
def test_flux_1_keeps_to_its_grid(wanted: Pixels | Ratio) -> None:
    """Multiples of 32, 256 to 1440."""
    _on_grid("flux-pro-1.1", wanted, (), step=32, lowest=256, highest=1440, most=1440 * 1440)


def _on_grid(
    model: str,
    wanted: Pixels | Ratio,
    inputs: tuple[Pixels | None, ...],
    *,
    step: int,
    lowest: int,
    highest: int,
    most: int,
) -> None:
    shorter, longer = sorted((wanted.width, wanted.height))
    # The longest that can be beside the shortest.
    utmost = min(highest, most // lowest) / lowest
    try:
        found = of(model, wanted, *inputs)
    except InvalidField:
        assert longer / shorter > utmost * 0.99
        return
    width, height = int(found.fields["width"]), int(found.fields["height"])
    assert longer / shorter < utmost * 1.01
    assert width % step == height % step == 0
    assert lowest <= min(width, height) and max(width, height) <= highest
    assert width * height == found.area <= most
    # The ratio is kept to within the rounding of both sides, and one step taken off to stay within the area.
    off = abs(log(width / height) - log(wanted.width / wanted.height))
    assert off <= 1.5 * step / width + 1.5 * step / height + 0.01


@given(SIDES, SIDES)
def test_what_is_on_the_grid_is_kept(width: int, height: int) -> None:
    """A size that FLUX.2 makes is sent as it was asked for."""
    wanted = Pixels(64 + width % 120 * 16, 64 + height % 120 * 16)
    assert of("flux-2-max", wanted).fields == {"width": wanted.width, "height": wanted.height}


@given(SIZES | RATIOS, INPUTS, st.sampled_from(["flux-kontext-pro", "flux-pro-1.1-ultra", "flux-3-image"]))
def test_ratios_stay_within_bounds(wanted: Pixels | Ratio, inputs: tuple[Pixels | None, ...], model: str) -> None:
    """Refused outside of 3:7 to 7:3; inside, as it is or the nearest of FLUX 3's."""
    ratio = wanted.ratio if isinstance(wanted, Pixels) else wanted
    inside = ratio.within(Ratio(*NARROWEST), Ratio(*WIDEST))
    try:
        fields = of(model, wanted, *inputs).fields
    except InvalidField:
        assert not inside
        return
    assert inside
    if model != "flux-3-image":
        assert fields == {"aspect_ratio": str(ratio)}
        return
    assert fields["aspect_ratio"] in PRESETS
    assert fields.get("resolution", "1k") in AREAS
    width, height = map(int, str(fields["aspect_ratio"]).split(":"))
    # 5:4 and 1:1 are furthest from each other.
    assert abs(log(width / height) - log(ratio.width / ratio.height)) <= log(5 / 4) / 2 + 1e-9


@pytest.mark.parametrize(
    ("edit", "by_ratio", "expected"),
    [
        (Edit("x", (SEEN,), size=Pixels(800, 601)), False, Pixels(800, 601)),
        (Edit("x", (SEEN,), size=Ratio(16, 9)), False, None),
        (Edit("x", (SEEN,)), False, Pixels(123, 45)),
        (Edit("x", (SEEN,)), True, None),
        (Edit("x", (LINK, SEEN)), False, None),
        (Edit("x", (MemoryBlob(pixels=Pixels(9000, 9000)),)), False, None),
        (Edit("x", ()), False, None),
        (Edit("x", (), size=Pixels(70, 70)), False, Pixels(70, 70)),
    ],
)
def test_the_exact_size(edit: Edit, by_ratio: bool, expected: Pixels | None) -> None:
    """What was asked for in pixels, else the first picture's, unless a ratio was asked for."""
    assert exact(edit, by_ratio=by_ratio) == expected


def test_an_exact_size_that_nobody_could_hold() -> None:
    """Refused before it is paid."""
    with pytest.raises(InvalidField) as refused:
        exact(Edit("x", (), size=Pixels(99_999, 99_999)), by_ratio=False)
    assert refused.value.param == "size"


def test_an_exact_size_is_in_the_plan() -> None:
    """And told, beside what the model is asked for; by leave of the route only."""
    account = Bfl("bfl", BflSettings.model_validate({"kind": "bfl", "api_key": "k"}))
    edit = Edit("x", (SEEN,), size=Pixels(800, 600), asked=(("size", "800x600"),))
    terms = Terms(size_policy=SizePolicy.EXACT)
    for chosen, size, told in (
        (Terms(), None, "size=converted(4:3)"),
        (terms, Pixels(800, 600), "size=converted(4:3; answered as 800x600)"),
    ):
        plan = account.plan(edit, JobTarget("bfl", "flux-kontext-pro", chosen))
        assert (plan.size, header(plan.notes)) == (size, told)
    plan = account.plan(Edit("x", (SEEN,)), JobTarget("bfl", "flux-kontext-pro", terms))
    assert (plan.size, header(plan.notes)) == (Pixels(123, 45), "size=converted(answered as 123x45)")
    ratio = Edit("x", (SEEN,), extra=(("aspect_ratio", "16:9"),))
    assert account.plan(ratio, JobTarget("bfl", "flux-kontext-pro", terms)).size is None
