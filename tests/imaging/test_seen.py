"""
Whatever the file, what the vendor gets shows what a viewer shows.

Every mode, depth, interlacing, orientation, profile and container that Pillow writes, and those of PNG that it does
not; each as it is, with its alpha dropped, scaled, and as a mask.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.imaging.canvas import Unusable, rework
from gateway.imaging.frames import Order
from gateway.imaging.probe import Prober
from tests.fakes import icc
from tests.fakes.png_file import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, SAMPLES, chunk, png_file, scanlines
from tests.fakes.viewer import ACROSS, DOWN, SIDE, Colour, blocks, see, spread

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
SIZE = ACROSS * SIDE, DOWN * SIDE
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'
BLOCKS = ACROSS * DOWN
# What a lossy codec may miss a colour by, once a profile has stretched the dark.
CODEC = 18
# In print, cyan is a dark grey here and black no ink at all.
INKS = icc.cmyk({(1, 0, 0, 0): 30, (0, 1, 0, 0): 60, (1, 1, 0, 0): 10})
PROFILES = {
    "none": None,
    "rotated": icc.rotated(1.8),
    "grey": icc.grey(1.0),
    "inks": INKS,
    "broken": bytes(16) + b"RGB " + bytes(99),
}


@dataclass(frozen=True)
class File:
    """A file, the blocks that are seen in it, and by how much a lossy codec may miss them."""

    data: bytes
    seen: tuple[Colour, ...]
    size: tuple[int, int]
    slack: int


def turned(colours: list[Colour], orientation: int) -> tuple[Colour, ...]:
    """The stored blocks as they are seen. CIPA DC-008: where row 0 and column 0 of what is stored are."""
    rows = [colours[y * ACROSS : (y + 1) * ACROSS] for y in range(DOWN)]
    if orientation in (2, 3, 7, 8):
        rows = [row[::-1] for row in rows]
    if orientation in (3, 4, 6, 7):
        rows = rows[::-1]
    if orientation > 4:
        rows = [list(column) for column in zip(*rows, strict=True)]
    return tuple(colour for row in rows for colour in row)


def exif(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def shown_grey(value: int, depth: int, profile: str) -> int:
    level = value >> 8 if depth == 16 else value * 255 // ((1 << depth) - 1)
    if profile != "grey":
        return level
    light = level / 255
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


@st.composite
def raw_pngs(draw: st.DrawFn) -> File:
    """PNGs of every colour type and depth, written sample by sample; what is seen is worked out from the standard."""
    colour = draw(st.sampled_from((GREY, RGB, PALETTE, GREY_ALPHA, RGBA)))
    depths = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}.get(colour, (8, 16))
    depth, orientation = draw(st.sampled_from(depths)), draw(st.integers(1, 8))
    profile = draw(st.sampled_from(("none", "grey"))) if colour in (GREY, GREY_ALPHA) else "none"
    dice, top = random.Random(draw(st.integers(0, 9999))), (1 << depth) - 1
    palette = [tuple(dice.randrange(256) for _ in range(4)) for _ in range(1 << depth)] if colour == PALETTE else []
    stored = [tuple(dice.randint(0, top) for _ in range(SAMPLES[colour])) for _ in range(BLOCKS)]
    key = stored[0] if colour in (GREY, RGB) and draw(st.booleans()) else None
    if colour == RGB and depth == 16:
        key = None  # Pillow tells such colours apart by their high bytes only
    chunks = [chunk(b"PLTE", bytes(part for entry in palette for part in entry[:3]))] if palette else []
    if profile == "grey":
        chunks.insert(0, chunk(b"iCCP", b"x\0\0" + zlib.compress(icc.grey(1.0))))
    if palette:
        chunks.append(chunk(b"tRNS", bytes(entry[3] for entry in palette)))
    if key:
        chunks.append(chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))

    def seen(samples: tuple[int, ...]) -> Colour:
        if palette:
            return palette[samples[0]]  # type: ignore[return-value]  # four each
        if colour in (GREY, GREY_ALPHA):
            level, alpha = shown_grey(samples[0], depth, profile), 255
            rest = samples[1:]
            parts = (level, level, level)
        else:
            parts = tuple(shown_grey(sample, depth, "none") for sample in samples[:3])  # type: ignore[assignment]
            alpha, rest = 255, samples[3:]
        if rest:
            alpha = rest[0] >> (depth - 8)
        return (*parts, 0 if samples == key else alpha)

    pixels = [sum(sample << depth * at for at, sample in enumerate(reversed(block))) for block in stored]
    woven = draw(st.booleans())
    lines = scanlines(SIZE, depth * SAMPLES[colour], spread(pixels), interlaced=woven)
    behind = draw(st.booleans())
    turn = [] if orientation == 1 else [chunk(b"eXIf", exif(orientation))]
    data = png_file(SIZE, depth, colour, lines, *chunks, *([] if behind else turn), interlaced=woven)
    if behind:
        data = data[:-12] + b"".join(turn) + data[-12:]
    size = SIZE if orientation < 5 else SIZE[::-1]
    return File(data + trailer(draw), turned([seen(block) for block in stored], orientation), size, 0)


KINDS: dict[str, tuple[tuple[str, ...], tuple[dict[str, Any], ...]]] = {
    "PNG": (("1", "L", "LA", "P", "RGB", "RGBA"), ({}, {"optimize": True})),
    "JPEG": (
        ("L", "RGB", "CMYK"),
        ({"quality": 95}, {"progressive": True, "quality": 95}, {"subsampling": 0, "optimize": True, "quality": 90}),
    ),
    "MPO": (("RGB",), ({"quality": 95},)),
    "WEBP": (("RGB", "RGBA"), ({"lossless": True, "exact": True}, {"quality": 95})),
}


@st.composite
def written_by_pillow(draw: st.DrawFn) -> File:
    """What is seen is what another way through Pillow shows."""
    container = draw(st.sampled_from(tuple(KINDS)))
    modes, styles = KINDS[container]
    mode, style, orientation = draw(st.sampled_from(modes)), draw(st.sampled_from(styles)), draw(st.integers(1, 8))
    image = stored(mode, draw(st.integers(0, 9999)))
    options: dict[str, Any] = dict(style)
    if profile := PROFILES[draw(st.sampled_from(tuple(PROFILES)))]:
        options["icc_profile"] = profile
    if orientation > 1 or draw(st.booleans()):
        options["exif"] = exif(orientation) if container == "PNG" else b"Exif\0\0" + exif(orientation)
    if container != "PNG" and draw(st.booleans()):
        options["xmp"] = XMP % draw(st.integers(1, 8))
    if container == "MPO":
        options |= {"save_all": True, "append_images": [Image.new("RGB", (8, 8))]}
    out = io.BytesIO()
    image.save(out, container, **options)
    data = out.getvalue() + trailer(draw)
    shown = see(data)
    return File(data, tuple(blocks(shown)), shown.size, 0 if container == "PNG" or "lossless" in style else CODEC)


CONVERTED: dict[str, tuple[tuple[str, ...], tuple[dict[str, Any], ...]]] = {
    "TIFF": (
        ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"),
        tuple({"compression": name} for name in (None, "tiff_lzw", "packbits", "tiff_adobe_deflate")),
    ),
    "BMP": (("1", "L", "P", "RGB"), ({},)),
    "GIF": (("L", "P", "RGB"), ({}, {"interlace": False})),
    "AVIF": (("RGB", "RGBA", "L"), ({"quality": 95, "subsampling": "4:4:4"}, {"quality": 95, "speed": 10})),
    "HEIF": (("RGB", "RGBA", "L"), ({"quality": 95, "chroma": 444},)),
}
LOSSY = ("AVIF", "HEIF")


@st.composite
def convertible(draw: st.DrawFn) -> File:
    """The formats that a route may have converted, with their own ways of saying how they lie."""
    container = draw(st.sampled_from(tuple(CONVERTED)))
    modes, styles = CONVERTED[container]
    mode, style, orientation = draw(st.sampled_from(modes)), draw(st.sampled_from(styles)), draw(st.integers(1, 8))
    options, image = dict(style), stored(mode, draw(st.integers(0, 9999)))
    if container not in ("BMP", "GIF") and orientation > 1:
        options["exif"] = made_exif(orientation)
    if container == "GIF" and draw(st.booleans()):
        options["transparency"] = 0
    if container not in ("BMP", "GIF") and (profile := PROFILES[draw(st.sampled_from(tuple(PROFILES)))]):
        options["icc_profile"] = profile
    out = io.BytesIO()
    image.save(out, container, **options)
    shown = see(out.getvalue())
    return File(out.getvalue(), tuple(blocks(shown)), shown.size, CODEC if container in LOSSY else 0)


def tiff_file(depth: int, orientation: int, pixels: bytes, *, order: str, big: bool, inverted: bool) -> bytes:
    """Grey of one strip, its directory behind its pixels. `order` as `struct` has it."""
    start = 16 if big else 8
    tags = {256: SIZE[0], 257: SIZE[1], 258: depth, 259: 1, 262: int(not inverted), 273: start, 274: orientation}
    tags |= {277: 1, 278: SIZE[1], 279: len(pixels)}
    wide = "Q" if big else "I"
    long = 16 if big else 4
    kinds = dict.fromkeys((256, 257, 273, 278, 279), (long, wide))  # the others are SHORT
    entries = [
        struct.pack(order + "HH" + wide, tag, kind, 1) + struct.pack(order + code, value).ljust(8 if big else 4, b"\0")
        for tag, value in tags.items()
        for kind, code in (kinds.get(tag, (3, "H")),)
    ]
    head = struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42)
    head = (b"II" if order == "<" else b"MM") + head + struct.pack(order + wide, start + len(pixels))
    count = struct.pack(order + ("Q" if big else "H"), len(entries))
    return head + pixels + count + b"".join(entries) + bytes(8)


@st.composite
def raw_tiffs(draw: st.DrawFn) -> File:
    """TIFFs of 8 and 16 bits of grey; what is seen is worked out from the standard."""
    depth, orientation, order = draw(st.sampled_from((8, 16))), draw(st.integers(1, 8)), draw(st.sampled_from("<>"))
    inverted, big = draw(st.booleans()), draw(st.booleans())
    if big or (inverted and depth == 16):
        order = "<"  # the other one is unknown to Pillow, and refused
    dice = random.Random(draw(st.integers(0, 9999)))
    levels = [dice.randrange(1 << depth) for _ in range(BLOCKS)]
    pixels = b"".join(struct.pack(order + ("H" if depth == 16 else "B"), level) for level in spread(levels))
    data = tiff_file(depth, orientation, pixels, order=order, big=big, inverted=inverted)
    greys = [level >> depth - 8 for level in levels]
    seen: list[Colour] = [(grey, grey, grey, 255) for grey in ([255 - each for each in greys] if inverted else greys)]
    return File(data, turned(seen, orientation), SIZE if orientation < 5 else SIZE[::-1], 0)


def made_exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def stored(mode: str, seed: int) -> Image.Image:
    """Blocks of chance."""
    dice = random.Random(seed)
    image = Image.new("CMYK" if mode == "CMYK" else "RGBA", SIZE)
    for block in range(BLOCKS):
        x, y = block % ACROSS * SIDE, block // ACROSS * SIDE
        image.paste(tuple(dice.randrange(256) for _ in range(4)), (x, y, x + SIDE, y + SIDE))
    if mode == "YCbCr":
        image = image.convert("RGB")
    return image.convert(mode, dither=Image.Dither.NONE)


def trailer(draw: st.DrawFn) -> bytes:
    return bytes(draw(st.sampled_from((0, 0, 0, 70_000))))


def made(file: File, order: Order) -> Image.Image:
    prober = Prober(convertible=True)
    prober.feed(file.data)
    return see(bytes(rework(io.BytesIO(file.data), prober.finish(), order, 1_000_000)))


def alike(found: Sequence[Colour], wanted: Sequence[Colour], slack: int) -> bool:
    """The colours, whatever their alpha."""
    pairs = zip(found, wanted, strict=True)
    return all(abs(one[channel] - other[channel]) <= slack for one, other in pairs for channel in range(3))


def over_black(colours: Sequence[Colour]) -> list[Colour]:
    """What is seen through cannot be told exactly, nor has it to be."""
    return [(red * alpha // 255, green * alpha // 255, blue * alpha // 255, 255) for red, green, blue, alpha in colours]


@settings(max_examples=200)
@given(st.one_of(raw_pngs(), written_by_pillow()))
def test_what_is_sent_shows_what_is_seen(file: File) -> None:
    """The colours of every block in its place: flattened, and scaled with or without alpha."""
    flat = made(file, Order(False, True, None))
    assert flat.size == file.size
    assert alike(blocks(flat), file.seen, file.slack + 1)
    half = file.size[0] // 2, file.size[1] // 2
    assert alike(blocks(made(file, Order(False, True, half))), file.seen, file.slack + 6)
    small = made(file, Order(False, False, half))
    assert small.size == half
    assert alike(over_black(blocks(small)), over_black(file.seen), file.slack + 6)
    assert alike([(colour[3],) * 4 for colour in blocks(small)], [(colour[3],) * 4 for colour in file.seen], 6)


@settings(max_examples=100)
@given(st.one_of(raw_pngs(), written_by_pillow()))
def test_a_mask_lies_over_what_is_seen(file: File) -> None:
    """White where the viewer sees through; and refused when that is nowhere so."""
    wanted = tuple((255 - colour[3],) * 3 + (255,) for colour in file.seen)
    if min(colour[3] for colour in file.seen) >= 128:
        with pytest.raises(Unusable):
            made(file, Order(True, False, None))
        return
    whole = made(file, Order(True, False, None))
    assert whole.size == file.size
    assert alike(blocks(whole), wanted, file.slack)
    half = file.size[0] // 2, file.size[1] // 2
    assert alike(blocks(made(file, Order(True, False, half))), wanted, file.slack + 2)


@settings(max_examples=200)
@given(st.one_of(convertible(), raw_tiffs()), st.sampled_from(("png", "jpeg")), st.booleans())
def test_what_is_converted_shows_what_is_seen(file: File, form: str, small: bool) -> None:
    """In its place and with its colours and transparency; a JPEG where there is none."""
    size = (file.size[0] // 2, file.size[1] // 2) if small else None
    result = made(file, Order(False, False, size, form=form))
    assert result.size == (size or file.size)
    slack = file.slack + 6 * small + CODEC * (form == "jpeg")
    assert alike(over_black(blocks(result)), over_black(file.seen), slack + 1)
    assert alike([(colour[3],) * 4 for colour in blocks(result)], [(colour[3],) * 4 for colour in file.seen], slack)


@settings(max_examples=50)
@given(convertible())
def test_a_mask_may_be_converted(file: File) -> None:
    """By its transparency, in any format."""
    wanted = tuple((255 - colour[3],) * 3 + (255,) for colour in file.seen)
    try:
        mask = made(file, Order(True, False, None))
    except Unusable:
        assert min(colour[3] for colour in file.seen) >= 128 - file.slack
        return
    assert mask.size == file.size
    assert alike(blocks(mask), wanted, file.slack)
