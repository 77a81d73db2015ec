"""
From an edit to BFL's words. Every field is sent, converted, ignored on purpose or refused.

https://docs.bfl.ai/kontext/kontext_image_editing and https://api.bfl.ai/openapi.json (FluxKontextProInputs).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.blob import Blob, Link
from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField, UnknownField, UnsupportedField
from gateway.domain.notes import Fate, Note
from gateway.domain.size import Pixels, Ratio, read_size
from gateway.domain.words import read_truth, read_whole
from gateway.platforms.bfl.models import NARROWEST, TOLERANCE_HIGHEST, WIDEST
from gateway.platforms.contract import Model
from gateway.wire.body import Base64, JsonValue

# OpenAI's fields that Kontext has nothing to match: accepted, without effect, reported.
IGNORED = ("quality", "input_fidelity", "output_compression", "background", "complexity", "style", "partial_images")

Fields = dict[str, JsonValue]


class Translation:
    """One edit on its way into BFL's words: fields, notes, and which client field each vendor field came from."""

    def __init__(self, edit: Edit, model: Model, defaults: Mapping[str, str], *, forward_user: bool, lenient: bool):
        self.edit, self.model, self.forward_user, self.lenient = edit, model, forward_user, lenient
        # What the client says in OpenAI's words outranks the operator's default for the same thing.
        outranked = {"aspect_ratio": edit.has("size"), "safety_tolerance": edit.moderation == "low"}
        self.extra = {name: value for name, value in defaults.items() if not outranked.get(name)} | dict(edit.extra)
        self.fields: Fields = {}
        self.notes: list[Note] = []
        self.names: dict[str, str] = {}

    def run(self) -> None:
        """Fill everything. Raises: InvalidField and its kinds."""
        self._refuse()
        self._model()
        self._send("prompt", self.edit.prompt)
        self._images()
        self._ratio()
        self._options()
        self._end_user()
        self._ignore()
        self._unknown()

    def _send(self, name: str, value: JsonValue, *, client: str | None = None, note: Note | None = None) -> None:
        self.fields[name] = value
        self.names[name] = client or name
        self.notes.append(note or Note(client or name, Fate.SENT))

    def _refuse(self) -> None:
        edit = self.edit
        if edit.mask is not None:
            raise UnsupportedField(
                f"{self.model.name} takes no mask. Describe in the prompt what is to change and what is to stay.",
                param="mask",
            )
        if edit.markup is not None:
            raise UnsupportedField(
                f"{self.model.name} takes no markup. Describe the change in the prompt.", param="markup"
            )
        if ("background", "transparent") in edit.asked:
            raise UnsupportedField(
                f"{self.model.name} makes opaque pictures only. Leave background out, or send opaque or auto.",
                param="background",
            )
        if len(edit.images) > self.model.max_images:
            raise InvalidField(
                f"{self.model.name} takes at most {self.model.max_images} pictures; this request has "
                f"{len(edit.images)}.",
                param=f"image[{self.model.max_images}]",
            )

    def _model(self) -> None:
        if self.edit.model is not None and self.edit.model != self.model.name:
            self.notes.append(Note("model", Fate.CONVERTED, self.model.name))

    def _images(self) -> None:
        single = len(self.edit.images) == 1
        for position, image in enumerate(self.edit.images):
            name = "input_image" if position == 0 else f"input_image_{position + 1}"
            self.fields[name] = _picture(image)
            self.names[name] = "image" if single else f"image[{position}]"
        self.notes.append(Note("image", Fate.SENT))

    def _ratio(self) -> None:
        size, asked = self.edit.size, self.extra.pop("aspect_ratio", None)
        ratio = _checked_ratio(size.ratio if isinstance(size, Pixels) else size, "size")
        other = _checked_ratio(_read_ratio(asked), "aspect_ratio") if asked is not None else None
        if ratio is not None and other is not None and not _same(ratio, other):
            raise InvalidField(
                f"size asks for {ratio} and aspect_ratio for {other}. Send one of the two.", param="aspect_ratio"
            )
        # Left out, the input's own ratio is kept: shown by the before-and-after pairs on the page above.
        told = "input ratio"
        if chosen := other or ratio:
            told = self.fields["aspect_ratio"] = str(chosen)
            self.names["aspect_ratio"] = "aspect_ratio" if other else "size"
        if self.edit.has("size"):
            self.notes.append(Note("size", Fate.CONVERTED, told))
        if asked is not None:
            self.notes.append(Note("aspect_ratio", Fate.SENT) if other else Note("aspect_ratio", Fate.CONVERTED, told))

    def _options(self) -> None:
        if self.edit.n > 1:
            self.notes.append(Note("n", Fate.EMULATED, f"{self.edit.n} submissions"))
        self._send("output_format", self.edit.output_format.value)
        if (seed := self.extra.pop("seed", None)) is not None:
            self._send("seed", read_whole(seed, "seed", 0, 2**63 - 1 - self.edit.n))
        if (told := self.extra.pop("prompt_upsampling", None)) is not None:
            self._send("prompt_upsampling", read_truth(told, "prompt_upsampling"))
        tolerance = self.extra.pop("safety_tolerance", None)
        if tolerance is not None:
            self._send("safety_tolerance", read_whole(tolerance, "safety_tolerance", 0, TOLERANCE_HIGHEST))
        if self.edit.moderation == "low" and tolerance is None:
            note = Note("moderation", Fate.CONVERTED, f"safety_tolerance {TOLERANCE_HIGHEST}")
            self._send("safety_tolerance", TOLERANCE_HIGHEST, client="moderation", note=note)
        elif self.edit.moderation is not None:
            exact = any(name == "safety_tolerance" for name, _ in self.edit.extra)
            self.notes.append(
                Note("moderation", Fate.IGNORED) if exact else Note("moderation", Fate.CONVERTED, "default")
            )

    def _end_user(self) -> None:
        sent = [name for name in ("user", "safety_identifier") if self.edit.has(name)]
        if self.forward_user and sent:
            name, told = sent.pop(), self.edit.end_user or ""
            if not 1 <= len(told) <= 256:
                raise InvalidField("An end user's id has 1 to 256 characters.", param=name)
            self._send("user", told, client=name)
        self.notes += (Note(name, Fate.IGNORED) for name in sent)

    def _ignore(self) -> None:
        self.notes += (Note(name, Fate.IGNORED) for name in IGNORED if self.edit.has(name))

    def _unknown(self) -> None:
        if not self.extra:
            return
        if not self.lenient:
            name = next(iter(self.extra))
            raise UnknownField(
                f"Unknown parameter: '{name[:64]}'. {self.model.name} has no such field.", param=name[:64]
            )
        self.notes.append(Note("unknown", Fate.IGNORED, str(len(self.extra))))


def _picture(image: Blob | Link) -> JsonValue:
    return image.url if isinstance(image, Link) else Base64(image)


def _read_ratio(text: str) -> Ratio | None:
    try:
        read = read_size(text)
    except ValueError:
        read = Pixels(1, 1)
    if isinstance(read, Pixels):
        raise InvalidField("aspect_ratio is written W:H, such as 16:9.", param="aspect_ratio")
    return read


def _checked_ratio(ratio: Ratio | None, param: str) -> Ratio | None:
    if ratio is not None and not ratio.within(Ratio(*NARROWEST), Ratio(*WIDEST)):
        raise InvalidField(
            f"{param} asks for {ratio}; allowed are ratios from {NARROWEST[0]}:{NARROWEST[1]} (portrait) "
            f"to {WIDEST[0]}:{WIDEST[1]} (landscape), or auto.",
            param=param,
        )
    return ratio


def _same(a: Ratio, b: Ratio) -> bool:
    return a.width * b.height == b.width * a.height
