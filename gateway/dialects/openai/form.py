"""
From a received form to an edit: syntax only. What a value means to a model is the platform's business.

https://developers.openai.com/api/reference/resources/images/methods/edit, and `generate` beside it
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from gateway.domain.blob import Blob, Link
from gateway.domain.edit import Edit, OutputFormat, ResponseFormat
from gateway.domain.errors import DuplicateField, InvalidField, MissingField, UnsupportedField
from gateway.domain.size import Pixels, Ratio, read_size
from gateway.domain.words import read_truth, read_whole

PROMPT_LONGEST = 32_000

# `image`, `images`, `image[]`, `image[0]`: one file or a list, in the spellings clients use.
PICTURE = re.compile(r"(image|mask|markup)(?:(?<=image)s)?(?:\[([0-9]{0,4})\])?", re.ASCII)

QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "quality": QUALITIES,
    "background": ("auto", "opaque", "transparent"),
    "moderation": ("auto", "low"),
    "input_fidelity": ("high", "low"),
    "complexity": ("low", "medium", "high"),
    "style": ("vivid", "natural"),
}
WHOLE: Mapping[str, tuple[int, int]] = {"output_compression": (0, 100), "partial_images": (0, 3)}
TAKEN = frozenset(
    {"prompt", "model", "n", "size", "response_format", "output_format", "stream", "user", "safety_identifier"}
)
# OpenAI's own fields for formats that no platform here makes.
ANIMATED = ("frame_count", "frame_duration_ms", "svg")

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Form:
    """A received form: text fields and pictures, each in the order of arrival, names as they came."""

    fields: tuple[tuple[str, str], ...] = field(repr=False)
    pictures: tuple[tuple[str, Blob | Link], ...]


def stray(name: str) -> UnsupportedField:
    """What is said of a file under a name that is no picture's."""
    return UnsupportedField(f"'{name[:64]}' came as a file; files are image, mask and markup.", param=name[:64])


def read_edit(form: Form) -> Edit:
    """Raises: InvalidField and its kinds, with the client's field name."""
    pictures = _pictures(form)
    edit = read_options(form)
    if not pictures["image"]:
        raise MissingField("Missing required parameter: 'image'.", param="image")
    for name in ("mask", "markup"):
        if len(pictures[name]) > 1:
            raise DuplicateField(f"Duplicate parameter: '{name}'.", param=name)
    return replace(
        edit,
        images=tuple(pictures["image"]),
        mask=next(iter(pictures["mask"]), None),
        markup=next(iter(pictures["markup"]), None),
    )


def read_generation(form: Form) -> Edit:
    """Pictures that came make an edit of it. Raises: as `read_edit`."""
    return read_edit(form) if form.pictures else read_options(form)


def read_options(form: Form) -> Edit:
    """The text fields alone. Raises: as `read_edit`."""
    sent = _once(form.fields)
    text = {name: value for name, value in sent.items() if value}
    if not text.get("prompt", "").strip():
        raise MissingField("Missing required parameter: 'prompt'.", param="prompt")
    if len(text["prompt"]) > PROMPT_LONGEST:
        raise InvalidField(
            f"prompt has {len(text['prompt'])} characters; {PROMPT_LONGEST} are allowed.", param="prompt"
        )
    for name in ANIMATED:
        if any(key == name or key.startswith(name + "[") for key in text):
            raise UnsupportedField(f"{name} belongs to gif and svg output, which no platform here makes.", param=name)
    for name, allowed in CHOICES.items():
        if name in text and text[name] not in allowed:
            raise _choice(name, text[name], allowed)
    for name, (lowest, highest) in WHOLE.items():
        if name in text:
            read_whole(text[name], name, lowest, highest)
    known = TAKEN | CHOICES.keys() | WHOLE.keys()
    return Edit(
        prompt=text["prompt"],
        images=(),
        model=text.get("model") or None,
        n=read_whole(text.get("n", "1"), "n", 1, 10),
        size=_size(text.get("size")),
        response_format=_word(text, "response_format", ResponseFormat.B64_JSON) if "response_format" in text else None,
        output_format=_output_format(text),
        moderation=text.get("moderation"),
        stream=read_truth(text.get("stream", "false"), "stream"),
        end_user=text.get("safety_identifier", text.get("user")),
        asked=tuple(text.items()),
        extra=tuple((name, value) for name, value in text.items() if name not in known),
        empty=tuple(name for name in sent if name not in text),
    )


def _once(fields: tuple[tuple[str, str], ...]) -> dict[str, str]:
    text: dict[str, str] = {}
    for name, value in fields:
        if name in text:
            raise DuplicateField(f"Duplicate parameter: '{name[:64]}'.", param=name[:64])
        text[name] = value
    return text


def _pictures(form: Form) -> dict[str, list[Blob | Link]]:
    """By kind. Images that all have a number of their own are in its order, others in that of their arrival."""
    found: dict[str, list[Blob | Link]] = {"image": [], "mask": [], "markup": []}
    numbers: list[str] = []
    for name, picture in form.pictures:
        if not (match := PICTURE.fullmatch(name)):
            raise stray(name)
        found[match[1]].append(picture)
        if match[1] == "image":
            numbers.append(match[2] or "")
    if all(numbers) and len({int(number) for number in numbers}) == len(numbers):
        order = sorted(range(len(numbers)), key=lambda position: int(numbers[position]))
        found["image"] = [found["image"][position] for position in order]
    return found


def _size(text: str | None) -> Pixels | Ratio | None:
    try:
        return read_size("auto" if text is None else text)
    except ValueError:
        raise InvalidField(
            "size is written WIDTHxHEIGHT such as 1024x1024, W:H such as 16:9, or auto.", param="size"
        ) from None


def _output_format(text: Mapping[str, str]) -> OutputFormat:
    if (asked := text.get("output_format")) in ("gif", "svg"):
        raise UnsupportedField(f"No platform here makes {asked}. Use png, jpeg or webp.", param="output_format")
    return _word(text, "output_format", OutputFormat.PNG)


def _word(text: Mapping[str, str], name: str, default: Word) -> Word:
    words = type(default)
    try:
        return words(text[name]) if name in text else default
    except ValueError:
        raise _choice(name, text[name], tuple(words)) from None


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> InvalidField:
    return InvalidField(
        f"Invalid value: '{value[:64]}'. Supported values for {name} are: {', '.join(allowed)}.", param=name
    )
