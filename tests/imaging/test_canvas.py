"""Pixel work by the pixel: masks, colours, sizes, and the odd kinds of picture that clients send."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageStat, PngImagePlugin

from gateway.imaging import canvas
from gateway.imaging.canvas import Unusable, rework
from gateway.imaging.frames import Fault, Order
from gateway.imaging.probe import Prober
from tests.fakes import icc
from tests.fakes.png_file import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, SAMPLES, chunk, png_file, scanlines

MOST = 1_000_000
# What Pillow warns of is meant here; a worker is told not to warn.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
MASK, FLATTEN = Order(True, False, None), Order(False, True, None)
BLACK, WHITE = 0, 255


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def made(data: bytes, order: Order, most: int = MOST) -> Image.Image:
    prober = Prober()
    prober.feed(data)
    image = Image.open(io.BytesIO(rework(io.BytesIO(data), prober.finish(), order, most)))
    image.load()
    return image


def scale(width: int, height: int, **flags: bool) -> Order:
    return Order(flags.get("mask", False), flags.get("flatten", False), (width, height))


def values(image: Image.Image) -> list[Any]:
    return list(image.get_flattened_data())


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_a_mask_is_its_alpha_turned_over_pixel_by_pixel(width: int, height: int, data: st.DataObject) -> None:
    """Transparent becomes white, opaque black, what is between 255 less its alpha; the size stays."""
    alpha = data.draw(st.binary(min_size=width * height, max_size=width * height).filter(lambda a: min(a) < 128))
    image = Image.new("RGB", (width, height), (9, 200, 77))
    image.putalpha(Image.frombytes("L", (width, height), alpha))
    mask = made(encoded(image), MASK)
    assert (mask.format, mask.mode, mask.size) == ("PNG", "L", (width, height))
    assert values(mask) == [255 - value for value in alpha]


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_flattening_keeps_every_colour_also_under_transparent_pixels(
    width: int, height: int, data: st.DataObject
) -> None:
    """RGB without alpha; nothing is blended."""
    pixels = data.draw(st.binary(min_size=4 * width * height, max_size=4 * width * height))
    image = Image.frombytes("RGBA", (width, height), pixels)
    flat = made(encoded(image), FLATTEN)
    assert (flat.format, flat.mode, flat.size) == ("PNG", "RGB", (width, height))
    assert not flat.has_transparency_data
    assert values(flat) == [pixel[:3] for pixel in values(image)]


def palette() -> bytes:
    colours = chunk(b"PLTE", b"abcdefghi") + chunk(b"tRNS", b"\0\x80")
    return png_file((3, 1), 8, PALETTE, b"\0\0\1\2", colours)


def grey_key(depth: int, pixels: bytes, key: int) -> bytes:
    return png_file((2, 1), depth, GREY, b"\0" + pixels, chunk(b"tRNS", struct.pack(">H", key)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(palette(), [255, 127, 0], id="palette with tRNS"),
        pytest.param(grey_key(1, b"\x80", 1), [255, 0], id="1 bit with tRNS"),
        pytest.param(grey_key(2, b"\x90", 2), [255, 0], id="2 bit with tRNS"),
        pytest.param(grey_key(4, b"\x8f", 8), [255, 0], id="4 bit with tRNS"),
        pytest.param(grey_key(8, b"\x08\x09", 8), [255, 0], id="8 bit with tRNS"),
        pytest.param(grey_key(16, b"\x80\x01\x80\x02", 0x8001), [255, 0], id="16 bit with tRNS"),
        pytest.param(
            png_file(
                (2, 1), 16, RGB, b"\0" + bytes((1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9)), chunk(b"tRNS", bytes(range(1, 7)))
            ),
            [255, 0],
            id="16 bit RGB with tRNS",
        ),
        pytest.param(
            png_file((2, 1), 16, GREY_ALPHA, b"\0" + struct.pack(">4H", 1, 0x1234, 2, 0xFFFF)), [237, 0], id="16 bit"
        ),
    ],
)
def test_transparency_of_every_kind_makes_a_mask(data: bytes, expected: list[int]) -> None:
    """An alpha channel, a palette's, and one colour that counts as transparent, in its own bit depth."""
    assert values(made(data, MASK)) == expected


def test_an_interlaced_mask_is_read() -> None:
    """Adam7: of a picture of two pixels, the first and the sixth pass have one each."""
    data = png_file((2, 1), 8, GREY_ALPHA, b"\0\x07\0" + b"\0\x07\xff", interlaced=True)
    assert values(made(data, MASK)) == [255, 0]


KINDS = [
    *((GREY, depth) for depth in (1, 2, 4, 8, 16)),
    *((PALETTE, depth) for depth in (1, 2, 4, 8)),
    *((kind, depth) for kind in (RGB, GREY_ALPHA, RGBA) for depth in (8, 16)),
]


@pytest.mark.parametrize(("colour", "depth"), KINDS)
@pytest.mark.parametrize("size", [(13, 11), (1, 1), (3, 5)])
@pytest.mark.parametrize("order", [FLATTEN, scale(7, 5), MASK, scale(7, 5, mask=True)])
def test_interlacing_changes_nothing(colour: int, depth: int, size: tuple[int, int], order: Order) -> None:
    """Adam7 is another order of the same pixels, in every mode and depth."""
    dice, bits = random.Random(depth), depth * SAMPLES[colour]
    pixels = [dice.getrandbits(bits) for _ in range(size[0] * size[1])]
    extra = [chunk(b"PLTE", dice.randbytes(3 << depth))] if colour == PALETTE else []
    if colour in (GREY_ALPHA, RGBA):
        pixels[0] &= -1 << depth  # transparent, so that it can be a mask
    if order.mask and colour not in (GREY_ALPHA, RGBA):
        extra.append(chunk(b"tRNS", bytes(1 << depth) if colour == PALETTE else key(pixels[0], colour, depth)))
    plain, woven = (
        png_file(size, depth, colour, scanlines(size, bits, pixels, interlaced=woven), *extra, interlaced=woven)
        for woven in (False, True)
    )
    assert values(made(woven, order)) == values(made(plain, order))


def key(pixel: int, colour: int, depth: int) -> bytes:
    """A pixel of grey or RGB as tRNS has it."""
    parts = [pixel >> depth * place & (1 << depth) - 1 for place in reversed(range(SAMPLES[colour]))]
    return struct.pack(f">{len(parts)}H", *parts)


def test_a_webp_can_be_a_mask() -> None:
    """Lossless, with an alpha channel."""
    image = Image.new("RGBA", (2, 1), (1, 2, 3, 255))
    image.putpixel((1, 0), (1, 2, 3, 0))
    assert values(made(encoded(image, "WEBP", lossless=True, exact=True), MASK)) == [0, 255]


NOWHERE = "it is nowhere more than half transparent"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(Image.new("RGB", (2, 2))), "it has no alpha channel"),
        (encoded(Image.new("L", (2, 2))), "it has no alpha channel"),
        (encoded(Image.new("I;16", (2, 2))), "it has no alpha channel"),
        (encoded(Image.new("RGB", (2, 2)), "JPEG"), "it has no alpha channel"),
        (encoded(Image.new("RGBA", (2, 2), (1, 2, 3, 255))), "it is opaque everywhere"),
        *((encoded(Image.new("LA", (2, 2), (1, alpha))), NOWHERE) for alpha in (254, 200, 128)),
        (encoded(Image.new("RGBA", (9, 9), (1, 2, 3, 254)), "WEBP", lossless=True), NOWHERE),
        (grey_key(8, b"\x08\x09", 7), "it is opaque everywhere"),
        (grey_key(16, b"\x80\x01\x80\x02", 0x8101), "it is opaque everywhere"),
    ],
)
def test_a_mask_that_says_nothing_is_refused(data: bytes, words: str) -> None:
    """Without transparency there is no place to edit."""
    with pytest.raises(Unusable) as refused:
        made(data, MASK)
    assert (refused.value.fault, refused.value.text) == (Fault.MASK, words)


@pytest.mark.parametrize(
    ("data", "colours"),
    [
        (palette(), [b"abc", b"def", b"ghi"]),
        (grey_key(8, b"\x08\x09", 8), [b"\x08\x08\x08", b"\x09\x09\x09"]),
        (png_file((2, 1), 16, GREY, b"\0" + struct.pack(">2H", 0x8000, 0xFF10)), [b"\x80\x80\x80", b"\xff\xff\xff"]),
        (png_file((2, 1), 16, RGB, b"\0" + struct.pack(">6H", 0x8000, 256, 1, 0, 0, 0)), [b"\x80\x01\0", b"\0\0\0"]),
    ],
)
def test_odd_pictures_flatten_to_their_colours(data: bytes, colours: list[bytes]) -> None:
    """Palettes, transparent colours and 16 bits become RGB of 8, and carry no transparency along."""
    flat = made(data, FLATTEN)
    assert flat.mode == "RGB"
    assert flat.info.get("transparency") is None
    assert [bytes(pixel) for pixel in values(flat)] == colours


def test_a_cmyk_photograph_becomes_rgb() -> None:
    """As printers' JPEGs are; a profile that cannot be read is left behind."""
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    data = encoded(image, "JPEG", icc_profile=bytes(16) + b"CMYK" + bytes(200))
    for order in (FLATTEN, scale(8, 8)):
        result = made(data, order)
        assert (result.mode, "icc_profile" in result.info) == ("RGB", False)
        red, green, blue = result.getpixel((4, 4))  # type: ignore[misc]  # RGB has three
        assert red > 240
        assert max(green, blue) < 15


@pytest.mark.parametrize("order", [FLATTEN, scale(8, 8)])
@pytest.mark.parametrize(
    ("ink", "seen"), [((255, 0, 0, 0), 118), ((0, 255, 0, 0), 255), ((0, 0, 0, 255), 0), ((0, 0, 0, 0), 255)]
)
def test_a_profile_of_inks_is_applied(order: Order, ink: tuple[int, int, int, int], seen: int) -> None:
    """Cyan of this profile is a grey of L* 50, which is 118 or 119 in sRGB, and its magenta cannot be seen."""
    profile = icc.cmyk({(1, 0, 0, 0): 50, (0, 0, 0, 1): 0})
    result = made(encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95, icc_profile=profile), order)
    assert (result.mode, "icc_profile" in result.info) == ("RGB", False)
    assert all(abs(value - seen) <= 3 for value in result.getpixel((4, 4)))  # type: ignore[union-attr]  # a tuple


@pytest.mark.parametrize("order", [FLATTEN, scale(16, 16)])
@pytest.mark.parametrize(
    ("colour", "depth", "pixel", "seen"),
    [
        (GREY, 1, 1, 255),
        (GREY, 2, 2, 213),
        (GREY, 4, 8, 193),
        (GREY, 8, 128, 188),
        (GREY, 16, 0x8000, 188),
        (GREY_ALPHA, 8, 0x80FF, 188),
        (GREY_ALPHA, 16, 0x8000FFFF, 188),
    ],
)
def test_a_profile_of_greys_is_applied(order: Order, colour: int, depth: int, pixel: int, seen: int) -> None:
    """Half the light is 188 in sRGB. With one colour that counts as transparent as well."""
    name = chunk(b"iCCP", b"x\0\0" + zlib.compress(icc.grey(1.0)))
    lines = scanlines((16, 16), depth * SAMPLES[colour], [pixel] * 256)
    extras = [[], [chunk(b"tRNS", b"\0\0")]] if colour == GREY else [[]]
    for extra in extras:
        result = made(png_file((16, 16), depth, colour, lines, name, *extra), order)
        assert "icc_profile" not in result.info
        near = result.getpixel((4, 4))
        assert isinstance(near, tuple)
        assert all(abs(value - seen) <= 1 for value in near[:3])
        assert near[3:] in ((), (255,))


@pytest.mark.parametrize("space", [b"RGB ", b"CMYK", b"GRAY", b"Lab ", b"2CLR"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_profile_of_other_channels_is_left_behind(mode: str, space: bytes) -> None:
    """And a broken one: whatever it says, the picture is as it is without."""
    image, broken = Image.effect_noise((8, 8), 90).convert(mode), bytes(16) + space + bytes(200)
    result = made(encoded(image, icc_profile=broken), FLATTEN)
    assert values(result) == values(made(encoded(image), FLATTEN))
    assert ("icc_profile" in result.info) == (space == b"RGB " and mode in ("RGB", "RGBA", "P"))


def test_a_pngs_own_words_for_its_colours_are_kept() -> None:
    """What viewers go by where there is no profile; not where one was applied instead."""
    told = chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"cHRM", struct.pack(">8I", *range(8)))
    told += chunk(b"cICP", b"\x0c\x0d\0\1")
    for colour in (RGB, GREY, RGBA, GREY_ALPHA):
        pixels = scanlines((2, 1), 8 * SAMPLES[colour], [0x7F] * 2)
        for order in (FLATTEN, scale(4, 4)):
            prober = Prober()
            prober.feed(data := png_file((2, 1), 8, colour, pixels, told))
            assert told in bytes(rework(io.BytesIO(data), prober.finish(), order, MOST))
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(icc.grey(1.0)))
    result = made(png_file((2, 1), 8, GREY, scanlines((2, 1), 8, [1, 2]), profile, told), FLATTEN)
    assert "gamma" not in result.info


def test_a_profile_is_kept_and_other_metadata_dropped() -> None:
    """Colours stay what they are; places and cameras are nobody's business."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "secret")
    image = Image.new("RGBA", (16, 16), (1, 2, 3, 4))
    results = [
        made(encoded(image, icc_profile=profile, exif=exif, pnginfo=text), FLATTEN),
        made(encoded(image, icc_profile=profile, exif=exif, pnginfo=text), scale(8, 8)),
        made(encoded(image.convert("RGB"), "JPEG", icc_profile=profile, exif=exif), scale(8, 8)),
    ]
    for result in results:
        assert result.info["icc_profile"] == profile
        assert not dict(result.getexif())
        assert "Comment" not in result.info


@pytest.mark.parametrize(
    ("form", "mode", "becomes"),
    [("PNG", "RGBA", "PNG"), ("PNG", "RGB", "PNG"), ("WEBP", "RGB", "PNG"), ("JPEG", "RGB", "JPEG")],
)
def test_a_picture_is_scaled_to_exactly_what_was_asked(form: str, mode: str, becomes: str) -> None:
    """Whatever the ratio; a JPEG stays a JPEG, alpha stays alpha."""
    data = encoded(Image.new(mode, (400, 300), (200, 100, 50, 128)[: len(mode)]), form)
    result = made(data, scale(123, 45))
    assert (result.format, result.mode, result.size) == (becomes, mode, (123, 45))
    near = result.getpixel((60, 20))
    assert isinstance(near, tuple)
    assert all(abs(have - want) <= 3 for have, want in zip(near, (200, 100, 50, 128), strict=False))


def test_a_mask_is_scaled_as_its_picture_is() -> None:
    """Half and half stays half and half."""
    image = Image.new("RGBA", (400, 300), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 200, 300))
    mask = made(encoded(image), scale(40, 30, mask=True))
    assert (mask.mode, mask.size) == ("L", (40, 30))
    assert values(mask.crop((0, 0, 19, 30))) == [WHITE] * 19 * 30
    assert values(mask.crop((21, 0, 40, 30))) == [BLACK] * 19 * 30


def test_colours_that_were_multiplied_with_their_alpha() -> None:
    """As some programs write TIFF: they are brought back, for nobody blends them where alpha is dropped."""
    data = encoded(Image.new("RGBA", (8, 8), (100, 50, 25, 128)), "TIFF")
    # ExtraSamples: 2 is alpha beside the colours, 1 is alpha in them. TIFF 6.0 section 18
    data = data.replace(struct.pack("<HHIH", 338, 3, 1, 2), struct.pack("<HHIH", 338, 3, 1, 1))
    prober = Prober(convertible=True)
    prober.feed(data)
    flat = Image.open(io.BytesIO(rework(io.BytesIO(data), prober.finish(), FLATTEN, MOST)))
    pixel = flat.getpixel((3, 3))
    assert isinstance(pixel, tuple)
    assert all(abs(have - want) <= 2 for have, want in zip(pixel, (200, 100, 50), strict=True))


def test_a_flattened_picture_may_be_scaled_too() -> None:
    """Then nothing transparent is blended with what is beside it."""
    image = Image.new("RGBA", (40, 30), (200, 100, 50, 0))
    result = made(encoded(image), scale(20, 10, flatten=True))
    assert (result.mode, result.size, result.getpixel((3, 3))) == ("RGB", (20, 10), (200, 100, 50))


CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


# Pillow's numbers of the turns that lead from what is seen to what is stored.
BACK = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}


def turned(orientation: int) -> Image.Image:
    """As a camera stores what stands upright as red, green above blue, white: with a tag that says how to turn it."""
    upright = Image.new("RGB", (64, 32))
    for index, colour in enumerate(CORNERS.values()):
        left, top = 32 * (index % 2), 16 * (index // 2)
        upright.paste(colour, (left, top, left + 32, top + 16))
    return laid(upright, orientation)


def laid(upright: Image.Image, orientation: int) -> Image.Image:
    """As it is stored under this orientation."""
    return upright.transpose(Image.Transpose(BACK[orientation])) if orientation in BACK else upright


ORDERS = [FLATTEN, scale(32, 16), scale(32, 16, flatten=True)]


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def stands_upright(image: Image.Image) -> bool:
    far = image.width // 4, image.height // 4
    places = [(x, y) for y in (far[1], 3 * far[1]) for x in (far[0], 3 * far[0])]
    found = [image.convert("RGB").getpixel(place) for place in places]
    return image.width == 2 * image.height and all(
        abs(have - want) < 40
        for pixel, colour in zip(found, CORNERS.values(), strict=True)
        for have, want in zip(pixel, colour, strict=True)  # type: ignore[arg-type]  # RGB has three
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_reworked_picture_stands_upright(orientation: int, form: str, order: Order) -> None:
    """Whatever is done with it; its size counts as it is seen, and nobody turns it once more."""
    result = made(encoded(turned(orientation), form, exif=exif(orientation)), order)
    assert result.size == (order.pixels or (64, 32))
    assert 0x0112 not in result.getexif()
    assert stands_upright(result)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (32, 16)])
def test_a_mask_lies_as_it_is_seen(orientation: int, size: tuple[int, int] | None) -> None:
    """By its own EXIF, or by its picture's, over whose stored pixels it was painted."""
    upright = Image.new("RGBA", (64, 32), (0, 0, 0, 255))
    upright.paste((0, 0, 0, 0), (0, 0, 32, 16))
    want = made(encoded(upright), Order(True, False, size))
    stored = laid(upright, orientation)
    assert values(made(encoded(stored, exif=exif(orientation)), Order(True, False, size))) == values(want)
    assert values(made(encoded(stored, exif=exif(3)), Order(True, False, size, orientation))) == values(want)


@pytest.mark.parametrize("orientation", [1, 6])
def test_only_exif_turns(orientation: int) -> None:
    """XMP may still say how an upright picture once lay: `sharp` keeps it, and no viewer looks there."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for form in ("JPEG", "WEBP"):
        options: dict[str, Any] = {"exif": exif(6)} if orientation == 6 else {}
        data = encoded(turned(orientation), form, xmp=xmp, **options)
        assert all(stands_upright(made(data, order)) for order in ORDERS)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    assert all(stands_upright(made(encoded(turned(1), pnginfo=text), order)) for order in ORDERS)


def test_broken_exif_spoils_nothing() -> None:
    """It is only asked for the orientation."""
    data = encoded(Image.new("RGB", (40, 30), (9, 9, 9)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert made(data, scale(20, 15)).size == (20, 15)


def test_a_png_that_no_vendor_takes_goes_as_a_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flattened or scaled; a mask compresses well and has to be exact."""
    monkeypatch.setattr(canvas, "MOST_PNG_BYTES", 100)
    image = Image.effect_noise((64, 64), 99).convert("RGBA")
    image.putalpha(Image.effect_noise((64, 64), 99))
    data = encoded(image)
    assert [made(data, order).format for order in (FLATTEN, scale(32, 32), MASK)] == ["JPEG", "JPEG", "PNG"]


@pytest.mark.parametrize("profile", [None, icc.rotated(1.8)])
def test_a_png_too_large_keeps_its_transparency(monkeypatch: pytest.MonkeyPatch, profile: bytes | None) -> None:
    """What is cut out of a photograph stays so; what is opaque everywhere is a JPEG, whatever its channels."""
    image = Image.merge("RGB", [Image.effect_noise((160, 96), 60) for _ in range(3)]).convert("RGBA")
    data = encoded(image, icc_profile=profile)
    image.paste((0, 0, 0, 0), (0, 0, 80, 96))
    cut = encoded(image, icc_profile=profile)
    for orders in (scale(160, 96), scale(150, 90)):
        monkeypatch.setattr(canvas, "MOST_PNG_BYTES", 18 * 1024 * 1024)
        wanted = made(cut, orders)
        monkeypatch.setattr(canvas, "MOST_PNG_BYTES", 16_000)
        result = made(cut, orders)
        assert (wanted.format, result.format, result.mode, result.size) == ("PNG", "WEBP", "RGBA", wanted.size)
        assert result.info.get("icc_profile") == profile
        differ = ImageChops.difference(result.getchannel("A"), wanted.getchannel("A"))
        assert ImageStat.Stat(differ).mean[0] < 1
        opaque = (result.width // 2 + 8, 0, *result.size)
        seen, kept = (shown.crop(opaque).resize((6, 6), Image.Resampling.BOX) for shown in (wanted, result))
        assert max(ImageStat.Stat(ImageChops.difference(seen, kept)).mean) < 6
        assert made(data, orders).format == "JPEG"


@pytest.mark.parametrize("size", [(20_000, 2), (64, 64)])
def test_what_cannot_be_a_webp_goes_as_a_jpeg(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    """Its sides have 14 bits; and the smallest one may still be too large."""
    monkeypatch.setattr(canvas, "MOST_PNG_BYTES", 100)
    image = Image.effect_noise(size, 99).convert("RGBA")
    image.putalpha(Image.effect_noise(size, 99))
    assert made(encoded(image), scale(*size)).format == "JPEG"


def animated(form: str) -> bytes:
    frames = [Image.new("RGBA", (8, 8), colour) for colour in ((255, 0, 0, 0), (0, 255, 0, 255))]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True, exact=True)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_counts(form: str) -> None:
    """APNG and animated WebP."""
    assert set(values(made(animated(form), MASK))) == {WHITE}
    assert made(animated(form), FLATTEN).size == (8, 8)


def test_a_telephones_jpeg_with_a_second_picture_is_a_jpeg() -> None:
    """MPO: https://www.cipa.jp/std/documents/e/DC-X007-KEY_E.pdf"""
    first, second = Image.new("RGB", (64, 32), (9, 9, 9)), Image.new("RGB", (16, 8))
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    result = made(data, scale(32, 16))
    assert (result.format, result.size) == ("JPEG", (32, 16))


@pytest.mark.parametrize("order", [Order(False, True, None), Order(True, False, None)])
def test_too_many_pixels_are_refused_by_the_header(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Pillow has seen the file."""
    opened: Callable[..., Any] = lambda *_a, **_k: pytest.fail("opened")  # noqa: E731 - shorter than a function
    data = encoded(Image.new("RGB", (11, 10)))
    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(Unusable) as refused:
        made(data, order, most=109)
    assert refused.value.fault is Fault.PIXELS
    assert refused.value.text == "has 11 × 10 pixels; 109 are allowed"


def test_a_size_that_two_readers_disagree_about_is_refused() -> None:
    """A second header chunk behind the first: whoever believed the first would be deceived."""
    data = png_file((2, 1), 8, GREY, b"\0\1\2", chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, GREY, 0, 0, 0)))
    with pytest.raises(Unusable) as refused:
        made(data, FLATTEN)
    assert refused.value.fault is Fault.IMAGE


def test_the_result_may_not_be_larger_than_the_limit_either() -> None:
    """A plan that asks for a poster is a mistake."""
    with pytest.raises(Unusable):
        made(encoded(Image.new("RGB", (2, 2))), scale(2000, 2000))
