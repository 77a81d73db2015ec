"""Pictures on their way into a body: masks, and what is too large, too small, too many or behind a link."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.blob import Blob, Link
from gateway.domain.edit import Edit, OutputFormat
from gateway.domain.errors import (
    GatewayError,
    ImageTooLarge,
    InvalidField,
    InvalidMask,
    UnsupportedField,
    UnsupportedImage,
)
from gateway.domain.notes import header
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.domain.target import ConvertPolicy, JobTarget, MaskPolicy, OversizePolicy, Terms
from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.models import MODELS
from gateway.platforms.bfl.pictures import largest, prepare
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.contract import Plan
from gateway.wire.body import Base64, JsonBody
from tests.fakes.blob import MemoryBlob

FILL = "flux-pro-1.0-fill"
LINK = Link("https://h.example/a.png")
LEAVE = Terms(mask=MaskPolicy.FILL, oversize=OversizePolicy.DOWNSCALE)


class Heavy(MemoryBlob):
    """A picture that only says how many bytes it has."""

    def __init__(self, length: int, pixels: Pixels) -> None:
        super().__init__(b"heavy", pixels=pixels)
        self._length = length

    @property
    def length(self) -> int:
        return self._length


def picture(width: int = 640, height: int = 480, data: bytes = b"a") -> MemoryBlob:
    return MemoryBlob(data, pixels=Pixels(width, height))


A, MASK = picture(), picture(data=b"mask")


def account(**options: object) -> Bfl:
    return Bfl("bfl", BflSettings.model_validate({"kind": "bfl", "api_key": "k", **options}))


def plan(
    *images: Blob | Link, mask: Blob | Link | None = None, model: str = FILL, terms: Terms = LEAVE, asked: str = ""
) -> Plan:
    return account().plan(Edit("a fox", images, mask=mask, model=asked or None), JobTarget("bfl", model, terms))


def refusal(
    *images: Blob | Link, mask: Blob | Link | None = None, model: str = FILL, terms: Terms = LEAVE
) -> GatewayError:
    with pytest.raises(InvalidField) as caught:
        plan(*images, mask=mask, model=model, terms=terms)
    return caught.value


def body(made: Plan) -> object:
    (call,) = made.calls
    return call.body


def test_a_mask() -> None:
    """Both are reworked first: the mask to white on black, the picture to one without an alpha of its own."""
    image, mask = Rework(A, flatten=True), Rework(MASK, mask=True)
    made = plan(A, mask=MASK, terms=Terms())
    assert body(made) == JsonBody(
        {"prompt": "a fox", "image": Base64(image), "mask": Base64(mask), "output_format": "png"}
    )
    assert made.needs == (image, mask)
    assert made.names["image"] == "image" and made.names["mask"] == "mask"
    assert body(made.fulfilled({image: A, mask: MASK})) == JsonBody(
        {"prompt": "a fox", "image": Base64(A), "mask": Base64(MASK), "output_format": "png"}
    )


def test_without_a_mask_the_pictures_own_alpha_is_it() -> None:
    """Sent as it is: https://docs.bfl.ai/flux_tools/flux_1_fill"""
    made = plan(A, terms=Terms())
    assert body(made) == JsonBody({"prompt": "a fox", "image": Base64(A), "output_format": "png"})
    assert made.needs == () and header(made.notes) == ""


@pytest.mark.parametrize("model", [name for name, m in MODELS.items() if m.edits and not m.masks])
def test_a_mask_for_a_model_without_one(model: str) -> None:
    """The route decides: refused, or painted by the model that can, which is said."""
    refused = refusal(picture(), mask=MASK, model=model, terms=Terms())
    assert (type(refused), refused.param) == (UnsupportedField, "mask")
    assert model in refused.text and "prompt" in refused.text
    made = plan(A, mask=MASK, model=model, asked="gpt-image-1")
    assert made.target == JobTarget("bfl", FILL, LEAVE)
    assert made.calls[0].url == f"https://api.bfl.ai/v1/{FILL}"
    assert header(made.notes).startswith(f"model=converted({FILL}), mask=converted(white on black)")
    assert made.credits == 5


def test_fill_has_to_be_offered() -> None:
    """An account that leaves it out does not switch to it."""
    with pytest.raises(UnsupportedField):
        account(models=["flux-kontext-pro"]).plan(
            Edit("a fox", (A,), mask=MASK), JobTarget("bfl", "flux-kontext-pro", LEAVE)
        )


def test_a_mask_belongs_to_one_picture() -> None:
    """Said as the mask's fault where the route has brought it to fill, as the pictures' where the client has."""
    assert (refused := refusal(A, A, mask=MASK, model="flux-2-pro")).param == "mask"
    assert isinstance(refused, UnsupportedField)
    assert refusal(A, A, mask=MASK).param == "image[1]"


@pytest.mark.parametrize("size", [(480, 640), (639, 480), (640, 481), (320, 240)])
def test_a_mask_of_another_size(size: tuple[int, int]) -> None:
    """OpenAI's own words and code."""
    refused = refusal(A, mask=picture(*size))
    assert (type(refused), refused.param, refused.code) == (InvalidMask, "mask", "invalid_mask_image_format")
    assert refused.text == "Invalid mask image format - mask size does not match image size"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_has_the_size_that_is_seen(orientation: int) -> None:
    """Of a telephone's picture, as every editor shows it; one of the stored size is turned along where that differs."""
    image = MemoryBlob(b"a", pixels=Pixels(480, 640), orientation=orientation)
    seen, stored = picture(480, 640, b"mask"), picture(640, 480, b"mask")
    upright = "" if orientation == 1 else "turned upright; "
    made = plan(image, mask=seen)
    assert made.needs == (Rework(image, flatten=True), Rework(seen, mask=True))
    assert header(made.notes) == f"mask=converted(white on black), image=converted({upright}without alpha)"
    if orientation < 5:
        assert refusal(image, mask=stored).param == "mask"
        return
    made = plan(image, mask=stored)
    assert made.needs == (Rework(image, flatten=True), Rework(stored, mask=True, orientation=orientation))
    assert "mask=converted(white on black; turned as the image is)" in header(made.notes)


def test_a_mask_with_an_orientation_of_its_own() -> None:
    """It is seen by that; where only what is stored fits, by the picture's."""
    alike = MemoryBlob(b"mask", pixels=Pixels(640, 480), orientation=6)
    assert plan(A, mask=alike).needs[1] == Rework(alike, mask=True)
    lying = MemoryBlob(b"mask", pixels=Pixels(480, 640), orientation=6)
    assert plan(A, mask=lying).needs[1] == Rework(lying, mask=True, orientation=1)
    other = MemoryBlob(b"mask", pixels=Pixels(480, 640), orientation=3)
    assert refusal(A, mask=other).param == "mask"


@pytest.mark.parametrize(
    ("image", "mask", "param"), [(LINK, MASK, "image"), (A, LINK, "mask"), (LINK, LINK, "image"), (LINK, None, "image")]
)
def test_fill_takes_no_links(image: Blob | Link, mask: Blob | Link | None, param: str) -> None:
    """What is behind an address can neither be measured nor converted."""
    refused = refusal(image, mask=mask)
    assert (type(refused), refused.param) == (UnsupportedField, param)
    assert "data URL" in refused.text


@pytest.mark.parametrize("model", ["flux-kontext-pro", "flux-2-max", "flux-2-klein-4b", "flux-3-image"])
def test_links_are_sent_on(model: str) -> None:
    """BFL fetches them; they are in the order of the client's pictures, and count as something."""
    made = plan(LINK, A, model=model)
    fields = made.calls[0].body.fields if made.calls[0].body else {}
    naming = ("images",) if model == "flux-3-image" else ("input_image", "input_image_2")
    found = [fields[name] for name in naming]
    assert (found[0] if model == "flux-3-image" else found) == [LINK.url, Base64(A)]
    assert made.megapixels > 1.0


@pytest.mark.parametrize("model", [name for name, m in MODELS.items() if m.edits])
def test_as_many_as_it_takes(model: str) -> None:
    """The first that is too many is named by its place."""
    most = MODELS[model].max_images
    assert len(plan(*[A] * most, model=model).calls) == 1
    refused = refusal(*[A] * (most + 1), model=model)
    assert refused.param == f"image[{most}]"
    assert f"at most {most} picture" in refused.text


@pytest.mark.parametrize(("model", "side"), [("flux-2-pro", 64), ("flux-3-image", 256)])
def test_too_small(model: str, side: int) -> None:
    """Refused here, as the vendor takes the money before it looks."""
    assert len(plan(picture(side, side), model=model).calls) == 1
    for width, height in ((side - 1, side), (side, side - 1)):
        refused = refusal(picture(width, height), model=model)
        assert refused.param == "image" and f"{side} pixels" in refused.text


@pytest.mark.parametrize("model", [name for name, m in MODELS.items() if m.edits])
@pytest.mark.parametrize("position", [0, 1])
def test_too_large_is_refused(model: str, position: int) -> None:
    """More pixels or more bytes than the model takes, named by its place; at the limit it passes."""
    kind = MODELS[model]
    if position >= kind.max_images:
        return
    at_limit = Heavy(kind.max_image_bytes, Pixels(kind.max_image_pixels // 4000, 4000))
    images = list[Blob]([A, A][: kind.max_images])
    images[position] = at_limit
    assert plan(*images, model=model, terms=Terms()).needs == ()
    for large in (
        Heavy(kind.max_image_bytes + 1, Pixels(1000, 1000)),
        Heavy(1, Pixels(kind.max_image_pixels // 4000 + 1, 4000)),
    ):
        images[position] = large
        refused = refusal(*images, model=model, terms=Terms())
        assert type(refused) is ImageTooLarge
        assert refused.param == ("image" if kind.max_images == 1 else f"image[{position}]")
        assert str(kind.max_image_pixels) in refused.text


def test_too_large_is_made_smaller() -> None:
    """By leave of the route: the largest of its ratio that fits, and what that becomes is priced."""
    large = picture(8000, 6000)
    small = Pixels(5163, 3872)
    made = plan(large, A, model="flux-2-pro")
    work = Rework(large, pixels=small)
    assert made.needs == (work,)
    assert body(made) == JsonBody(
        {"prompt": "a fox", "input_image": Base64(work), "input_image_2": Base64(A), "output_format": "png"}
    )
    assert header(made.notes) == "image=converted(downscaled to 5163x3872)"
    assert small.count <= 20_000_000
    assert made.megapixels == pytest.approx((small.count + 640 * 480) / 2**20 + 4)


def test_several_too_large() -> None:
    """Each is said."""
    made = plan(picture(8000, 6000), picture(6000, 8000), model="flux-kontext-pro")
    assert [work.pixels for work in made.needs] == [Pixels(5163, 3872), Pixels(3872, 5163)]
    assert header(made.notes) == "image=converted(downscaled to 5163x3872 and 3872x5163)"


def test_too_many_bytes() -> None:
    """Down to a size whose PNG cannot be too large, or to its own size when it is that small already."""
    for pixels, smaller in ((Pixels(4000, 3000), Pixels(2643, 1982)), (Pixels(1000, 1000), Pixels(1000, 1000))):
        (work,) = plan(Heavy(20 * 1024 * 1024 + 1, pixels), model="flux-kontext-max").needs
        assert work.pixels == smaller
        assert smaller.count * 4 <= 20 * 1024 * 1024


def test_mask_and_picture_become_small_together() -> None:
    """Both have the same size afterwards, which the vendor checks."""
    large, mask = picture(8000, 6000), picture(8000, 6000, b"mask")
    size = Pixels(5163, 3872)
    made = plan(large, mask=mask, model="flux-2-pro")
    assert made.needs == (Rework(large, flatten=True, pixels=size), Rework(mask, mask=True, pixels=size))
    assert "image=converted(downscaled to 5163x3872; without alpha)" in header(made.notes)
    assert made.megapixels == pytest.approx(2 * size.count / 2**20)


@given(st.integers(1, 65_535), st.integers(1, 65_535), st.integers(10_000, 20_000_000))
@example(8953, 8953, 10_000)
def test_the_largest_size_within_a_limit(width: int, height: int, most: int) -> None:
    """Never above it unless one pixel high, never larger than it was, and nothing larger of its ratio fits."""
    found = largest(Pixels(width, height), most)
    assert 1 <= found.width <= width and 1 <= found.height <= height
    assert found.count <= max(most, found.width, found.height)
    if width * height <= most:
        assert found == Pixels(width, height)
    else:
        assert (found.width + 1) * (found.height + 1) > most


@pytest.mark.parametrize("media_type", ["heic", "avif", "tiff", "bmp", "gif"])
@pytest.mark.parametrize("form", [OutputFormat.PNG, OutputFormat.JPEG])
def test_another_format_is_converted(media_type: str, form: OutputFormat) -> None:
    """By leave of the route, and said; refused by name without, wherever it stands."""
    other = MemoryBlob(b"other", media_type=f"image/{media_type}", pixels=Pixels(640, 480))
    made = plan(A, other, model="flux-2-pro", terms=Terms(convert=ConvertPolicy(form)))
    assert made.needs == (Rework(other, form=form),)
    assert header(made.notes) == f"image=converted({media_type.upper()} to {form})"
    refused = refusal(A, other, model="flux-2-pro", terms=Terms())
    assert (type(refused), refused.param, refused.code) == (UnsupportedImage, "image[1]", "unsupported_file_mimetype")
    assert f"the file is {media_type.upper()}. Supported formats are png, jpeg and webp." in refused.text
    assert refusal(A, mask=other, terms=Terms()).param == "mask"


def test_a_conversion_goes_with_all_else() -> None:
    """In one step: smaller, without alpha, upright; its own bytes do not count, for they are not sent."""
    terms = Terms(oversize=OversizePolicy.DOWNSCALE, convert=ConvertPolicy.PNG)
    large = MemoryBlob(b"large", media_type="image/heic", pixels=Pixels(6000, 8000), orientation=6)
    mask = MemoryBlob(b"mask", media_type="image/tiff", pixels=Pixels(6000, 8000))
    size = Pixels(3872, 5163)
    made = plan(large, mask=mask, terms=terms)
    assert made.needs == (
        Rework(large, flatten=True, pixels=size, form=OutputFormat.PNG),
        Rework(mask, mask=True, pixels=size),
    )
    told = "image=converted(HEIC to png; downscaled to 3872x5163; turned upright; without alpha)"
    assert told in header(made.notes)
    heavy = Heavy(40_000_000, Pixels(1000, 1000))
    heavy.media_type = "image/tiff"
    assert plan(heavy, model="flux-2-pro", terms=Terms(convert=ConvertPolicy.PNG)).needs[0].pixels is None


def test_nothing_to_prepare() -> None:
    """A generation has no pictures to speak of."""
    found = prepare(Edit("a fox", ()), MODELS["flux-2-pro"], Terms())
    assert not (found.fields or found.names or found.notes or found.needs or found.sizes)
