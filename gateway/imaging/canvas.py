"""
The pixel work itself. Only a worker process imports this: the gateway's own has no Pillow.

https://pillow.readthedocs.io/en/stable/reference/Image.html
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from importlib import import_module

# All that Pillow would otherwise import at the first picture of a kind. MPO is what it calls a JPEG with more pictures
# behind the first, as telephones make them.
from PIL import Image, ImageChops, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from gateway.imaging.channels import RGB, Samples, rgb, rgba
from gateway.imaging.exif import UPRIGHT
from gateway.imaging.formats import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP
from gateway.imaging.frames import Fault, Order
from gateway.imaging.png_chunks import Chunks, read_chunks
from gateway.imaging.probe import Probe
from gateway.imaging.profiles import space

PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
FORMATS = {
    PNG: "PNG",
    JPEG: "JPEG",
    WEBP: "WEBP",
    HEIC: "HEIF",
    AVIF: "AVIF",
    TIFF: "TIFF",
    BMP: "BMP",
    GIF: "GIF",
}
# These decoders turn the picture themselves.
_UPRIGHT = (HEIC, TIFF)
# What can be made RGB without a guess: not the floating point and the 32 bits of a TIFF.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L")

_COLOURED = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr")

# Vendors take 20 MB or 20 MiB (https://docs.bfl.ai/kontext/kontext_image_editing): what comes near goes as a JPEG, or
# as a WebP with its transparency.
MOST_PNG_BYTES = 18 * 1024 * 1024
JPEG_QUALITY = 92
# Lossy, for what is transparent; the least effort at which large pictures of fine detail can be written at all.
WEBP_QUALITY, WEBP_EFFORT, WEBP_SIDE = 90, 2, 16_383
# A fraction of the default level's time for a few more bytes; the picture lives for seconds.
PNG_LEVEL = 1

# What is nowhere clearer than this leaves nothing to be edited, whether by intent or by a slip of some brush or codec;
# the edit would be paid all the same.
OPAQUE, LEAST_ALPHA = 255, 128

# https://www.w3.org/TR/png-3/#11IHDR: the bit depth stands behind width and height, the colour type behind it.
_DEPTH_AT, _GREY = 24, (0, 4)
# https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf page 37
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
# What undoes an EXIF orientation. https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf 4.6.4
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = tuple(turn for number, turn in _TURNS.items() if number > 4)

# How a vendor's result is written again: as it was asked for.
_KEPT: dict[str, dict[str, object]] = {"PNG": {"compress_level": 6}, "WEBP": {"quality": 95}}


class Unusable(Exception):
    """The picture is at fault; `text` is a clause fit to be shown to the client."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault, self.text = fault, text


def rework(file: io.BytesIO, found: Probe, order: Order, max_pixels: int) -> memoryview:
    """
    The finished picture's bytes. `found` is what the file's header was read to say.

    Raises: Unusable, MemoryError; and whatever Pillow raises on a picture that it cannot decode.
    """
    for width, height in ((found.width, found.height), order.pixels or (1, 1)):
        if width * height > max_pixels:
            raise Unusable(Fault.PIXELS, f"has {width} × {height} pixels; {max_pixels} are allowed")
    Image.MAX_IMAGE_PIXELS = None  # the operator's limit holds, which has just been applied
    _prepare(found.media_type)
    chunks = read_chunks(file.getbuffer()) if found.media_type == PNG else None
    source = file if chunks is None else io.BytesIO(chunks.bare)
    with Image.open(source, formats=(FORMATS[found.media_type],)) as image:
        upright = found.media_type in _UPRIGHT
        # Two readers of one file who disagree about its size: somebody wants the first to be believed.
        if image.size != ((found.pixels.width, found.pixels.height) if upright else (found.width, found.height)):
            raise Unusable(Fault.IMAGE, "its header contradicts itself")
        if image.mode not in _MODES:
            raise Unusable(Fault.IMAGE, f"its kind of pixels ({image.mode}) is not supported")
        stored = Samples(8, grey=image.mode in ("1", "L", "LA", "I;16", "I;16B", "I;16L"))
        if chunks is not None:
            stored = Samples(chunks.bare[_DEPTH_AT], grey=chunks.bare[_DEPTH_AT + 1] in _GREY)
            image.info["icc_profile"] = chunks.profile
        elif isinstance(image, TiffImagePlugin.TiffImageFile):
            stored = replace(stored, inverted=image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)
        if upright and order.orientation and found.orientation != UPRIGHT:
            raise Unusable(Fault.MASK, "its size is not that of the image")
        # Not as Pillow reads it, which takes XMP where there is no EXIF, and no viewer does.
        own = UPRIGHT if upright else found.orientation
        place = _Place(order.pixels, _TURNS.get(order.orientation or own), order.crop)
        if order.mask:
            return _saved(_mask(image, stored, place), "PNG", compress_level=PNG_LEVEL)
        return _picture(image, chunks, found, stored, order, place)


def _prepare(media_type: str) -> None:
    """Load the decoders that are seldom needed; each is to be content with one thread, whose memory counts here."""
    if media_type == HEIC:
        pillow_heif = import_module("pillow_heif")
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    elif media_type == AVIF:
        vars(import_module("PIL.AvifImagePlugin"))["DEFAULT_MAX_THREADS"] = 1


@dataclass(frozen=True, slots=True)
class _Place:
    """How the stored pixels come to lie: scaled to a size as it is seen, or None; and turned."""

    pixels: tuple[int, int] | None
    turn: Image.Transpose | None
    crop: bool = False

    @property
    def stored(self) -> tuple[int, int] | None:
        """The size before the turn."""
        return self.pixels[::-1] if self.pixels and self.turn in _SIDEWAYS else self.pixels

    def put(self, image: Image.Image, how: Image.Resampling) -> Image.Image:
        if self.stored is not None:
            image = image.resize(self.stored, how, box=_middle(image.size, self.stored) if self.crop else None)
        return image if self.turn is None else image.transpose(self.turn)


def _middle(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest part of the ratio that is wanted."""
    scale = min(size[0] / wanted[0], size[1] / wanted[1])
    left, top = ((have - want * scale) / 2 for have, want in zip(size, wanted, strict=True))
    return left, top, left + wanted[0] * scale, top + wanted[1] * scale


def _mask(image: Image.Image, stored: Samples, place: _Place) -> Image.Image:
    """Grey: white where the picture is transparent, black where it is opaque."""
    if not image.has_transparency_data:
        raise Unusable(Fault.MASK, "it has no alpha channel")
    alpha = rgba(image, stored).getchannel("A")
    least = next(value for value, count in enumerate(alpha.histogram()) if count)
    if least >= LEAST_ALPHA:
        where = "it is opaque everywhere" if least == OPAQUE else "it is nowhere more than half transparent"
        raise Unusable(Fault.MASK, where)
    # Bilinear: a sharper filter rings beside an edge, which would be a seam in the edited picture.
    return place.put(ImageChops.invert(alpha), Image.Resampling.BILINEAR)


def _picture(
    image: Image.Image, chunks: Chunks | None, found: Probe, stored: Samples, order: Order, place: _Place
) -> memoryview:
    if place.stored and not order.crop:
        # A JPEG is decoded at the half, quarter or eighth that still suffices, which saves most of time and memory.
        image.draft(None, place.stored)
    profile, colours = image.info.get("icc_profile"), None
    if chunks is not None and (not profile or space(profile) == b"RGB "):
        colours = chunks.info(profiled=bool(profile))
    if image.mode not in _COLOURED or space(profile) != b"RGB ":
        profile = None  # there is none, or it describes other channels than the result has
    plain = rgba(image, stored) if image.has_transparency_data and not order.flatten else rgb(image, stored)
    made = place.put(plain, Image.Resampling.LANCZOS)
    if made is not image:  # what follows takes memory too
        image.close()
    del plain
    if order.crop and found.media_type != JPEG:
        form = FORMATS[found.media_type]
        return _saved(made, form, **_KEPT[form], icc_profile=profile, **({"pnginfo": colours} if colours else {}))
    is_jpeg = found.media_type == JPEG and order.pixels is not None
    if order.form == "jpeg":
        is_jpeg = made.mode == "RGB"  # a JPEG cannot be transparent
    if not is_jpeg:
        png = _saved(made, "PNG", compress_level=PNG_LEVEL, icc_profile=profile, pnginfo=colours)
        if len(png) <= MOST_PNG_BYTES:
            return png
        del png
        if (webp := _small_with_alpha(made, profile)) is not None:
            return webp
    return _saved(rgb(made, RGB), "JPEG", quality=JPEG_QUALITY, icc_profile=profile)


def _small_with_alpha(image: Image.Image, profile: bytes | None) -> memoryview | None:
    """A WebP of what has transparency; None where it has none, or cannot be one."""
    if image.mode != "RGBA" or image.getchannel("A").getextrema() == (OPAQUE, OPAQUE) or max(image.size) > WEBP_SIDE:
        return None
    try:
        webp = _saved(image, "WEBP", quality=WEBP_QUALITY, method=WEBP_EFFORT, icc_profile=profile)
    except ValueError:  # https://github.com/webmproject/libwebp/blob/main/src/webp/encode.h: a partition overflows
        return None
    return webp if len(webp) <= MOST_PNG_BYTES else None


def _saved(image: Image.Image, form: str, **options: object) -> memoryview:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getbuffer()
