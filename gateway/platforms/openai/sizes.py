"""
Sizes that OpenAI's image models accept, and the nearest one to any other.

https://developers.openai.com/api/docs/guides/image-generation
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from math import log, sqrt

from gateway.domain.size import Pixels, Ratio

# Models with a list of their own; the newest snapshot of a name has the sizes of the name.
# https://developers.openai.com/api/reference/resources/images/methods/edit
LISTED = (
    (("gpt-image-1", "gpt-image-1-*", "gpt-image-1.5*"), ((1024, 1024), (1536, 1024), (1024, 1536))),
    (("dall-e-2*",), ((1024, 1024), (512, 512), (256, 256))),
    (("dall-e-3*",), ((1024, 1024), (1792, 1024), (1024, 1792))),
)

# What OpenAI's later ones take: multiples of 16, between 1:3 and 3:1, within these bounds.
FREE = ("gpt-image-*", "chatgpt-image-*")
STEP, LONGEST = 16, 3840
FEWEST, MOST = 655_360, 8_294_400
NARROWEST, WIDEST = Ratio(1, 3), Ratio(3, 1)
# The sizes that the guide names stand for their ratios; any other ratio gets about as many pixels as a square.
PRESETS = ((1024, 1024), (1536, 1024), (1024, 1536), (1536, 864), (864, 1536))
USUAL = 1024 * 1024


def accepted(size: Pixels | Ratio | None, model: str | None) -> str | None:
    """
    The size to send. What the model takes already stays as it is, `auto` (None) included; so do pixels for a model
    that is not OpenAI's, of which nothing is known here.

    Returns: None when no accepted size has nearly this shape: beyond 1:3 or 3:1 where sizes are free.
    """
    if size is None:
        return "auto"
    for names, listed in LISTED:
        if _is(model, names):
            return str(_nearest(size, [Pixels(*each) for each in listed]))
    if isinstance(size, Pixels):
        if not _is(model, FREE):
            return str(size)
        found = size if _fits(size) else _rounded(size)
        return str(found or _shaped(size.ratio) or "") or None
    return str(_shaped(size) or "") or None


def _is(model: str | None, names: tuple[str, ...]) -> bool:
    return model is not None and any(fnmatchcase(model, name) for name in names)


def _nearest(size: Pixels | Ratio, listed: list[Pixels]) -> Pixels:
    """By shape first, by area then; a ratio says nothing of area and gets the first of its shape."""
    if isinstance(size, Ratio):
        return min(listed, key=lambda each: _apart(each, size))
    return min(listed, key=lambda each: (_apart(each, size), abs(log(each.count / size.count))))


def _apart(a: Pixels, b: Pixels | Ratio) -> float:
    """How different two shapes are, the same for wide and tall."""
    return round(abs(log(a.width * b.height) - log(a.height * b.width)), 9)


def _fits(size: Pixels) -> bool:
    return (
        size.width % STEP == size.height % STEP == 0
        and max(size.width, size.height) <= LONGEST
        and FEWEST <= size.count <= MOST
        and size.ratio.within(NARROWEST, WIDEST)
    )


def _rounded(size: Pixels) -> Pixels | None:
    """The nearest accepted size of about the same area, made smaller when it has to be; None when it is too small."""
    if size.count < FEWEST:
        return None
    scale = min(1.0, LONGEST / max(size.width, size.height), sqrt(MOST / size.count))
    around = [Pixels(w, h) for w in _steps(size.width * scale) for h in _steps(size.height * scale)]
    return min(filter(_fits, around), key=lambda each: (_apart(each, size), abs(each.count - size.count)), default=None)


def _steps(length: float) -> tuple[int, int]:
    """The multiples of 16 below and above."""
    below = max(int(length) // STEP, 1) * STEP
    return below, below + STEP


def _shaped(ratio: Ratio) -> Pixels | None:
    """The accepted size that stands for a ratio."""
    if not ratio.within(NARROWEST, WIDEST):
        return None
    for width, height in PRESETS:
        if width * ratio.height == height * ratio.width:
            return Pixels(width, height)
    found = (Pixels(round(h * ratio.width / ratio.height / STEP) * STEP, h) for h in range(STEP, LONGEST + 1, STEP))
    candidates = (each for each in found if each.width and _fits(each) and each.count <= 1.5 * USUAL)
    return min(candidates, key=lambda each: (_apart(each, ratio), abs(each.count - USUAL)), default=None)
