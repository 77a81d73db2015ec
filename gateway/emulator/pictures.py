"""From inputs and a prompt to the encoded result; plain functions, run in a thread, off the loop."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageOps, PngImagePlugin

from gateway.emulator import effects
from gateway.emulator.inputs import CORRUPTED, BadInput, Source

SOFTWARE = "FLUX emulator"


@dataclass(frozen=True, slots=True)
class Order:
    """
    One picture to make.

    Args:
        size: result in pixels.  sources: inputs in order.  mask: white is edited, fill only.
        corner: where the input's top left corner goes, expand only.
    """

    prompt: str
    seed: int
    size: tuple[int, int]
    output_format: str
    sources: tuple[Source, ...] = ()
    mask: Source | None = None
    corner: tuple[int, int] | None = None


def render(order: Order) -> bytes:
    """
    The encoded result, the same bytes for the same order.

    Raises:
        BadInput: an input cannot be decoded, or the mask has another size than the image.
    """
    if not order.sources:
        return encode(
            effects.apply(effects.paint(order.size, order.prompt, order.seed), order.prompt, order.seed),
            order.output_format,
        )
    pictures = [_decode(source) for source in order.sources]
    base = pictures[0]
    if order.corner is not None:
        canvas = effects.paint(order.size, order.prompt, order.seed)
        canvas.paste(base.convert("RGB"), order.corner)
        return encode(canvas, order.output_format)
    place = ImageOps.fit if len(pictures) == 1 else ImageOps.pad  # several: nothing is cut off
    before = place(_side_by_side([picture.convert("RGB") for picture in pictures]), order.size)
    after = effects.apply(before, order.prompt, order.seed)
    where = _painted_where(order, base)
    return encode(Image.composite(after, before, where) if where else after, order.output_format)


def encode(picture: Image.Image, output_format: str) -> bytes:
    """A PNG, JPEG or WebP file with one fixed note inside and no time stamps."""
    out = io.BytesIO()
    if output_format == "png":
        note = PngImagePlugin.PngInfo()
        note.add_text("Software", SOFTWARE)
        picture.save(out, "PNG", pnginfo=note, compress_level=3)
    elif output_format == "jpeg":
        picture.save(out, "JPEG", quality=90, comment=SOFTWARE)
    else:
        picture.save(out, "WEBP", quality=90, method=2)
    return out.getvalue()


def _decode(source: Source) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(source.data), formats=("PNG", "JPEG", "WEBP"))
        picture.load()
    except (OSError, ValueError, SyntaxError) as why:
        raise BadInput(CORRUPTED) from why
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _side_by_side(pictures: list[Image.Image]) -> Image.Image:
    if len(pictures) == 1:
        return pictures[0]
    height = min(1024, *(picture.height for picture in pictures))
    scaled = [picture.resize((max(1, round(picture.width * height / picture.height)), height)) for picture in pictures]
    sheet = Image.new("RGB", (sum(picture.width for picture in scaled), height))
    left = 0
    for picture in scaled:
        sheet.paste(picture, (left, 0))
        left += picture.width
    return sheet


def _painted_where(order: Order, base: Image.Image) -> Image.Image | None:
    """White where fill paints: the mask, or the transparent part of the image; None means everywhere."""
    if order.mask is not None:
        if order.mask.size != base.size:
            raise BadInput("Mask and image must have the same size")
        return _decode(order.mask).convert("L").resize(order.size)
    if base.mode == "RGBA" and order.sources[0].field == "image":
        return ImageOps.invert(base.getchannel("A")).resize(order.size)
    return None
