"""What a route says about fields, laid over what the client sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField, UnknownField
from gateway.domain.notes import Fate, Note
from gateway.domain.size import Pixels, Ratio, read_size
from gateway.domain.target import Terms
from gateway.domain.words import read_truth
from gateway.platforms.bfl.kinds import Flux
from gateway.platforms.bfl.options import Whole, Word
from gateway.platforms.bfl.sizes import read_ratio, shape

# OpenAI's fields that BFL has nothing to match: accepted, without effect, reported.
IGNORED = ("quality", "input_fidelity", "output_compression", "background", "complexity", "style", "partial_images")

# Other words for the same thing, each with those whose default it outranks and that an override of it replaces.
TWINS: Mapping[str, tuple[str, ...]] = {
    "size": ("aspect_ratio", "resolution"),
    "aspect_ratio": ("size",),
    "moderation": ("safety_tolerance",),
    "prompt_upsampling": ("disable_pup",),
    "disable_pup": ("prompt_upsampling",),
}
# Of OpenAI's fields, what a route may say; the others are the client's own, and answered by them.
OPENAI = frozenset({"size", "moderation", *IGNORED})
MODERATION = Word(("auto", "low"))


@dataclass(frozen=True, slots=True)
class Settled:
    """
    The edit as the route wants it, and BFL's own fields in it.

    `notes` are about the fields that the route has replaced, and stand for all that is said of them.
    """

    edit: Edit
    extra: dict[str, str]
    notes: tuple[Note, ...]


def settle(edit: Edit, terms: Terms, model: Flux) -> Settled:
    """Raises: InvalidField for a value that is pinned to another one."""
    sent = dict(edit.asked) | dict(edit.extra)
    _check_pins(sent, terms.pins)
    overrides = _served(terms.overrides, model)
    defaults = {name: value for name, value in terms.defaults.items() if name not in sent and not _said(name, sent)}
    given = _served(defaults, model) | _served(terms.pins, model) | overrides
    replaced = {twin for name in overrides for twin in TWINS.get(name, ())} - overrides.keys()
    own = {name: value for name, value in edit.extra if name not in replaced}
    own |= {name: value for name, value in given.items() if model.takes(name)}
    asked = tuple((name, overrides.get(name, value)) for name, value in edit.asked)
    size = read_size(given["size"]) if "size" in given else None if "size" in replaced else edit.size
    if "resolution" in overrides and isinstance(size, Pixels):
        size = size.ratio
    notes = [Note(name, Fate.CONVERTED, value) for name, value in overrides.items() if name not in IGNORED]
    notes += (Note(name, Fate.IGNORED) for name, _ in edit.extra if name in replaced)
    moderation = given.get("moderation", edit.moderation)
    return Settled(replace(edit, asked=asked, size=size, moderation=moderation), own, tuple(notes))


def check(name: str, text: str, models: Iterable[Flux]) -> None:
    """
    What a route may say about a field, at load, where its author reads the complaint.

    Raises: InvalidField for a value that a model which takes the field would refuse, UnknownField when none takes it.
    """
    takers = [model for model in models if model.takes(name)]
    if name in OPENAI:
        _check_openai(name, text, models)
    elif not takers:
        raise UnknownField(f"{name} cannot be said for a client: no model here takes it.", param=name)
    for model in takers:
        read_own(model, name, text)


def read_own(model: Flux, name: str, text: str) -> object:
    """One of a model's own fields by itself. Raises: InvalidField."""
    if name == "aspect_ratio":
        return shape(model, read_ratio(text), (), name)
    if name == "safety_tolerance":
        return Whole(0, model.tolerance).read(text, name)
    if name not in model.options:
        return read_truth(text, name)
    return model.options[name].read(text, name)


def _check_openai(name: str, text: str, models: Iterable[Flux]) -> None:
    if name == "moderation":
        MODERATION.read(text, name)
    if name == "size":
        try:
            size: Pixels | Ratio | None = read_size(text)
        except ValueError:
            raise InvalidField("size is written WIDTHxHEIGHT, W:H or auto.", param="size") from None
        for model in models:
            shape(model, size, ())


def _served(said: Mapping[str, str], model: Flux) -> dict[str, str]:
    """Without the fields that this model has nothing for: a route may lead to several models."""
    return {name: value for name, value in said.items() if model.takes(name) or name in OPENAI}


def _said(name: str, sent: Mapping[str, str]) -> bool:
    """True when the client said in other words what a default stands in for."""
    if name == "safety_tolerance":
        return sent.get("moderation") == "low"
    if name == "moderation":
        return "safety_tolerance" in sent
    return any(name in twins and word in sent for word, twins in TWINS.items())


def _check_pins(sent: Mapping[str, str], pins: Mapping[str, str]) -> None:
    for name, value in pins.items():
        if sent.get(name, value) != value:
            raise InvalidField(f"{name} can only be {value} here. Send that, or leave it out.", param=name)
        if name == "moderation" and "safety_tolerance" in sent:
            raise InvalidField(
                f"moderation can only be {value} here, which leaves no choice of safety_tolerance.",
                param="safety_tolerance",
            )
