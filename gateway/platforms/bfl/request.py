"""
From an edit to BFL's words.

https://docs.bfl.ai/kontext/kontext_image_editing, https://docs.bfl.ai/flux_2/flux2_image_editing,
https://docs.bfl.ai/flux_tools/flux_1_fill and https://api.bfl.ai/openapi.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField, UnsupportedField
from gateway.domain.notes import Fate, Note
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.domain.target import NO_TERMS, MaskPolicy, SizePolicy, Terms
from gateway.platforms.bfl.fields import Fields
from gateway.platforms.bfl.kinds import MEGAPIXEL, Flux, Grid
from gateway.platforms.bfl.models import FILL
from gateway.platforms.bfl.pictures import prepare
from gateway.platforms.bfl.sizes import AREAS, Inputs, exact
from gateway.platforms.bfl.spellings import respell
from gateway.platforms.bfl.terms import settle
from gateway.wire.body import JsonValue


@dataclass(frozen=True, slots=True)
class Translation:
    """
    One edit in BFL's words, with `names`, `needs`, `credits`, `megapixels` and `size` as in a plan.

    `body` is that of the first call; further ones differ in their seed.
    """

    model: Flux
    body: Mapping[str, JsonValue] = field(repr=False)
    notes: tuple[Note, ...]
    names: Mapping[str, str]
    needs: tuple[Rework, ...]
    credits: float | None
    megapixels: float
    size: Pixels | None = None

    def bodies(self, n: int) -> tuple[Mapping[str, JsonValue], ...]:
        """One a picture: seed, seed + 1, …; without a seed they are alike, and the vendor rolls its own dice."""
        seed = self.body.get("seed")
        return tuple(
            {**self.body, "seed": seed + index} if isinstance(seed, int) and index else self.body for index in range(n)
        )


def choose(edit: Edit, model: Flux, terms: Terms, offered: Mapping[str, Flux]) -> Flux:
    """The model that serves: the one asked for, or the one for masks. Raises: UnsupportedField."""
    if not (model.generates if edit.from_text else model.edits):
        others = [other.name for other in offered.values() if (other.generates if edit.from_text else other.edits)]
        does = "edits pictures and makes none from text alone" if edit.from_text else "makes pictures from text alone"
        instead = f"Use {others[0]}." if others else "No model here does."
        raise UnsupportedField(f"{model.name} {does}. {instead}", param="model")
    if edit.mask is None or model.masks:
        return model
    if terms.mask is not MaskPolicy.FILL or FILL.name not in offered:
        instead = f"Use {FILL.name}, or describe" if FILL.name in offered else "Describe"
        raise UnsupportedField(
            f"{model.name} takes no mask. {instead} in the prompt what is to change and what is to stay.", param="mask"
        )
    if len(edit.images) > 1:
        raise UnsupportedField(
            f"A mask belongs to one picture; this request has {len(edit.images)}. Send one, or no mask.", param="mask"
        )
    return FILL


def translate(
    edit: Edit,
    asked: Flux,
    terms: Terms = NO_TERMS,
    *,
    offered: Mapping[str, Flux] | None = None,
    forward_user: bool = False,
    lenient: bool = False,
) -> Translation:
    """
    Args:
        asked: the target's model; a mask may lead to another one among those `offered`.
        lenient: drop unknown fields, and count them.
    Raises: InvalidField and its kinds.
    """
    spelled = respell(edit)
    try:
        made = _translate(spelled.edit, asked, terms, offered or {}, forward_user=forward_user, lenient=lenient)
    except InvalidField as error:
        error.param = spelled.param(error.param)
        raise
    names = {vendor: spelled.param(name) or name for vendor, name in made.names.items()}
    return replace(made, notes=spelled.notes(made.notes), names=names)


def _translate(
    edit: Edit, asked: Flux, terms: Terms, offered: Mapping[str, Flux], *, forward_user: bool, lenient: bool
) -> Translation:
    model = choose(edit, asked, terms, offered)
    settled = settle(edit, terms, model)
    _refuse(settled.edit, model)
    fields = Fields(settled, model, frozenset(name for name, _ in (*edit.asked, *edit.extra)))
    if model is not asked or (edit.model is not None and edit.model != model.name):
        fields.notes.append(Note("model", Fate.CONVERTED, model.name))
    fields.send("prompt", edit.prompt)
    pictures = prepare(edit, model, terms)
    fields.body |= pictures.fields
    fields.names |= pictures.names
    fields.notes += pictures.notes
    size = None
    if terms.size_policy is SizePolicy.EXACT:
        size = exact(settled.edit, by_ratio="aspect_ratio" in fields.extra)
    made = fields.size(tuple(pictures.sizes))
    if edit.n > 1:
        fields.notes.append(Note("n", Fate.EMULATED, f"{edit.n} submissions"))
    fields.format()
    fields.rewriting()
    fields.options()
    fields.safety()
    fields.end_user(forward=forward_user)
    fields.rest(lenient=lenient)
    if isinstance(resolution := fields.body.get("resolution"), str):
        made = AREAS[resolution]
    read = _read(model, tuple(pictures.sizes))
    replaced = {note.param for note in settled.notes}
    notes = [*(note for note in fields.notes if note.param not in replaced), *settled.notes]
    if size is not None:
        notes = _with_size(notes, size)
    return Translation(
        model,
        fields.body,
        tuple(notes),
        fields.names,
        tuple(pictures.needs),
        model.price.of(read, made) if model.price else None,
        (read + made) / MEGAPIXEL,
        size,
    )


def _with_size(notes: list[Note], size: Pixels) -> list[Note]:
    """Both what the model was asked for, and what becomes of its answer."""
    told = [note.to for note in notes if note.param == "size" and note.to]
    rest = [note for note in notes if note.param != "size"]
    return [*rest, Note("size", Fate.CONVERTED, "; ".join((*told, f"answered as {size}")))]


def _refuse(edit: Edit, model: Flux) -> None:
    if edit.markup is not None:
        raise UnsupportedField(f"{model.name} takes no markup. Describe the change in the prompt.", param="markup")
    if ("background", "transparent") in edit.asked:
        raise UnsupportedField(
            f"{model.name} makes opaque pictures only. Leave background out, or send opaque or auto.",
            param="background",
        )


def _read(model: Flux, inputs: Inputs) -> int:
    # A picture behind a link is unseen: taken for as large as the largest that the model works on.
    unseen = model.sizing.most if isinstance(model.sizing, Grid) else MEGAPIXEL
    return sum(size.count if size else unseen for size in inputs)
