"""Words of the prompt visibly change the picture; the same order makes the same bytes."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from gateway.emulator import inputs
from gateway.emulator.bench import canned_png
from gateway.emulator.inputs import BadInput
from gateway.emulator.pictures import Order, render

from .conftest import Client, Photo

SIZE = (256, 128)


def made(
    prompt: str,
    *texts: str,
    size: tuple[int, int] = SIZE,
    seed: int = 1,
    field: str = "input_image",
    **rest: Any,
) -> Image.Image:
    """The rendered picture as RGB."""
    sources = tuple(inputs.read(field, text) for text in texts)
    data = render(Order(prompt=prompt, seed=seed, size=size, output_format="png", sources=sources, **rest))
    return open_png(data)


def open_png(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture.convert("RGB")


def mean(picture: Image.Image, box: tuple[int, int, int, int] | None = None) -> list[float]:
    return ImageStat.Stat(picture.crop(box) if box else picture).mean


LEFT, RIGHT = (0, 0, 100, 128), (156, 0, 256, 128)


@pytest.mark.parametrize(("word", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_colours_tint(photo: Photo, word: str, channel: int) -> None:
    """The named channel leads clearly."""
    values = mean(made(f"make it {word}", photo(256, 128, left="gray", right="gray")))
    others = [value for index, value in enumerate(values) if index != channel]
    assert values[channel] > max(others) + 30


def test_mirror_and_rotate_swap_sides(photo: Photo) -> None:
    """White on the left goes to the right."""
    picture = photo(256, 128)
    for prompt in ("mirror it", "rotate the image"):
        changed = made(prompt, picture)
        assert mean(changed, LEFT)[0] < 10
        assert mean(changed, RIGHT)[0] > 245


def test_invert_gray_and_blur(photo: Photo) -> None:
    """Inverted sides, equal channels, a soft edge."""
    inverted = made("invert", photo(256, 128))
    assert mean(inverted, LEFT)[0] < 10
    red, green, blue = mean(made("grayscale please", photo(256, 128, left="orange")))
    assert red == green == blue
    edge = mean(made("blur it", photo(256, 128)), (128, 64, 129, 65))[0]
    assert 60 < edge < 200


def test_quoted_text_is_drawn_and_not_obeyed(photo: Photo) -> None:
    """`"red"` in quotes is written, not a colour to use."""
    plain = photo(256, 128, left="gray", right="gray")
    changed = made('write "red"', plain)
    red, green, blue = mean(changed)
    assert abs(red - green) < 1
    assert abs(red - blue) < 1
    assert ImageChops.difference(changed, Image.new("RGB", SIZE, "gray")).getbbox()


def test_any_prompt_leaves_a_mark_that_depends_on_the_seed(photo: Photo) -> None:
    """No known word: still changed, the same for the same seed, another for another."""
    plain = photo(256, 128)
    one, again, other = made("hm", plain), made("hm", plain), made("hm", plain, seed=2)
    assert one.tobytes() == again.tobytes() != other.tobytes()
    assert ImageChops.difference(one, made("", plain)).getbbox()


def test_several_pictures_stand_side_by_side(photo: Photo) -> None:
    """Two squares fill a wide picture from left to right."""
    changed = made(
        "flip",
        photo(left="red", right="red"),
        photo(left="blue", right="blue"),
    )
    red, _, blue = mean(changed, LEFT)
    assert red > 200 > 50 > blue
    red, _, blue = mean(changed, RIGHT)
    assert blue > 200 > 50 > red


def test_fill_paints_only_where_the_mask_is_white(photo: Photo) -> None:
    """Black keeps."""
    changed = made(
        "invert",
        photo(256, 128, left="gray", right="white"),
        field="image",
        mask=inputs.read("mask", photo(256, 128, left="black", right="white")),
    )
    assert mean(changed, LEFT)[0] == pytest.approx(128, abs=1)
    assert mean(changed, RIGHT)[0] < 5


def test_fill_takes_transparency_for_a_mask(photo: Photo) -> None:
    """Transparent is painted, opaque kept."""
    text = photo(256, 128, left=(255, 255, 255, 255), right=(255, 255, 255, 0), mode="RGBA")
    changed = made("invert", text, field="image")
    assert mean(changed, LEFT)[0] > 250
    assert mean(changed, RIGHT)[0] < 5


def test_a_mask_of_another_size_is_an_error(photo: Photo) -> None:
    """The endpoint checks it."""
    with pytest.raises(BadInput, match="same size"):
        made("a", photo(256, 128), field="image", mask=inputs.read("mask", photo(64, 64)))


def test_expand_keeps_the_input_in_its_place(photo: Photo) -> None:
    """The canvas grows around the picture."""
    changed = made("a", photo(256, 128, left="red", right="red"), size=(356, 228), corner=(50, 60), field="image")
    assert changed.size == (356, 228)
    assert mean(changed, (50, 60, 306, 188)) == [255, 0, 0]


def test_a_cut_picture_is_bad_input() -> None:
    """The header reads well, the pixels do not."""
    half = base64.b64encode(canned_png(20_000)[:10_000]).decode()
    source = inputs.read("input_image", half)
    with pytest.raises(BadInput, match="corrupted"):
        render(Order(prompt="a", seed=1, size=SIZE, output_format="png", sources=(source,)))


def test_a_file_above_twenty_megabytes_is_bad_input() -> None:
    """Bytes count as well as pixels."""
    text = base64.b64encode(canned_png(21_000_000)).decode()
    with pytest.raises(BadInput, match="too large"):
        inputs.read("input_image", text)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
async def test_inputs_of_every_kind_come_back_as_pictures(client: Client, photo: Photo, form: str) -> None:
    """The whole way with each input encoding."""
    picture = await client.picture("blur", input_image=photo(200, 100, form=form))
    assert picture.size == (1456, 720)
    assert picture.format == "PNG"


async def test_text_alone_makes_a_picture(client: Client) -> None:
    """No input: a square."""
    assert (await client.picture("a cat")).size == (1024, 1024)
