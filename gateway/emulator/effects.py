"""The edits: words of the prompt that visibly change a picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Effect = Callable[[Image.Image], Image.Image]

_QUOTED = re.compile(r'["“]([^"”]{1,80})["”]|(?<!\w)[\'‘]([^\'’]{1,80})[\'’](?!\w)')


def _tint(dark: str, light: str) -> Effect:
    def effect(picture: Image.Image) -> Image.Image:
        coloured = ImageOps.colorize(ImageOps.grayscale(picture), black=dark, white=light)
        return Image.blend(picture, coloured, 0.7)

    return effect


def _sketch(picture: Image.Image) -> Image.Image:
    edges = ImageOps.grayscale(picture).filter(ImageFilter.FIND_EDGES)
    return ImageOps.invert(ImageOps.autocontrast(edges, cutoff=(0, 1))).convert("RGB")


def _gray(picture: Image.Image) -> Image.Image:
    return ImageOps.grayscale(picture).convert("RGB")


EFFECTS: tuple[tuple[re.Pattern[str], Effect], ...] = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), effect)
    for words, effect in (
        ("gr[ae]y|gr[ae]yscale|monochrome|black and white", _gray),
        ("sepia|vintage|old photo", _tint("#2b1a08", "#fff0d0")),
        ("red", _tint("#200000", "#ff4030")),
        ("green", _tint("#002000", "#40ff40")),
        ("blue", _tint("#000020", "#4060ff")),
        ("yellow|golden", _tint("#201800", "#ffe040")),
        ("orange", _tint("#201000", "#ffa030")),
        ("purple|violet", _tint("#180020", "#c050ff")),
        ("pink", _tint("#200010", "#ff90c0")),
        ("cyan|teal", _tint("#002020", "#40ffff")),
        ("invert|inverted|negative", ImageOps.invert),
        ("blur|blurry|blurred", lambda picture: picture.filter(ImageFilter.GaussianBlur(12))),
        ("sharpen|sharp|sharper", lambda picture: picture.filter(ImageFilter.UnsharpMask(4, 250, 2))),
        ("sketch|edges|drawing|outline", _sketch),
        ("bright|brighter", lambda picture: ImageEnhance.Brightness(picture).enhance(1.5)),
        ("dark|darker|night", lambda picture: ImageEnhance.Brightness(picture).enhance(0.45)),
        ("flip|upside down", ImageOps.flip),
        ("mirror|mirrored", ImageOps.mirror),
        ("rotate|rotated", lambda picture: picture.rotate(180)),
    )
)


def apply(picture: Image.Image, prompt: str, seed: int) -> Image.Image:
    """
    An RGB picture of the same size, changed by every effect the prompt names and by quoted text.

    A prompt that names none still leaves a mark: a slight tint, chosen by prompt and seed, and a label.
    """
    quoted = [double or single for double, single in _QUOTED.findall(prompt)]
    words = _QUOTED.sub(" ", prompt)
    chosen = [effect for pattern, effect in EFFECTS if pattern.search(words)]
    for effect in chosen:
        picture = effect(picture)
    if quoted:
        picture = _write(picture, " ".join(quoted), picture.height // 10, 0.5)
    if not chosen and not quoted:
        veil = Image.new("RGB", picture.size, _colour(f"{prompt} {seed}"))
        picture = ImageChops.blend(picture, veil, 0.12)
        picture = _write(picture, f"emulated edit, seed {seed}", picture.height // 40, 0.97)
    return picture


def paint(size: tuple[int, int], prompt: str, seed: int) -> Image.Image:
    """A picture made from nothing: a gradient between two colours of prompt and seed."""
    ramp = Image.linear_gradient("L").resize(size)
    return ImageOps.colorize(ramp, black=_colour(f"{seed} {prompt}"), white=_colour(f"{prompt}{seed}"))


def _colour(text: str) -> tuple[int, int, int]:
    red, green, blue = hashlib.sha256(text.encode("utf-8", "replace")).digest()[:3]
    return red, green, blue


def _write(picture: Image.Image, text: str, height: int, at: float) -> Image.Image:
    written = picture.copy()
    draw = ImageDraw.Draw(written)
    draw.text(
        (picture.width / 2, picture.height * at),
        text,
        font=ImageFont.load_default(max(10, height)),
        fill="white",
        stroke_width=max(1, height // 12),
        stroke_fill="black",
        anchor="mm",
    )
    return written
