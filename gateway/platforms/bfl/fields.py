"""A body while it is being filled: every field is sent, converted, ignored on purpose or refused, with a note."""

from __future__ import annotations

from gateway.domain.edit import Edit
from gateway.domain.errors import InvalidField, UnknownField, UnsupportedField
from gateway.domain.notes import UNKNOWN, Fate, Note, ignored
from gateway.domain.size import Pixels
from gateway.domain.words import read_truth
from gateway.platforms.bfl.kinds import Flux, Sizing
from gateway.platforms.bfl.models import MODELS, SEED_HIGHEST
from gateway.platforms.bfl.options import Whole
from gateway.platforms.bfl.sizes import Inputs, read_ratio, shape
from gateway.platforms.bfl.terms import IGNORED, Settled
from gateway.wire.body import JsonValue


class Fields:
    """
    The words of one edit for one model, and which client field each vendor field came from.

    The methods take what they use out of `extra`; what is left at the end is unknown. They raise InvalidField and its
    kinds. `sent` are the names that the client itself has used.
    """

    def __init__(self, settled: Settled, model: Flux, sent: frozenset[str]) -> None:
        self.edit: Edit = settled.edit
        self.model, self.sent, self.extra = model, sent, dict(settled.extra)
        self.body: dict[str, JsonValue] = {}
        self.notes: list[Note] = []
        self.names: dict[str, str] = {}

    def send(self, name: str, value: JsonValue, *, client: str | None = None, note: Note | None = None) -> None:
        self.body[name] = value
        self.names[name] = client or name
        self.notes.append(note or Note(client or name, Fate.SENT))

    def size(self, inputs: Inputs) -> int:
        """Returns: about how many pixels the result has."""
        size, asked = self.edit.size, None
        if self.model.takes("aspect_ratio"):
            asked = self.extra.pop("aspect_ratio", None)
        ratio = read_ratio(asked) if asked is not None else None
        if size and ratio and size.width * ratio.height != size.height * ratio.width:
            raise InvalidField(
                f"size asks for {size.ratio if isinstance(size, Pixels) else size} and aspect_ratio for {ratio}. "
                "Send one of the two.",
                param="aspect_ratio" if "aspect_ratio" in self.sent else "size",
            )
        by_ratio = ratio and (size is None or self.model.sizing is Sizing.RATIO)
        wanted, param = (ratio, "aspect_ratio") if by_ratio else (size, "size")
        found = shape(self.model, wanted, inputs, param)
        self.body |= found.fields
        self.names |= dict.fromkeys(found.fields, param)
        if "size" in self.sent:
            self.notes.append(Note("size", Fate.CONVERTED, found.told))
        if asked is not None:
            kept = self.body.get("aspect_ratio") == asked
            self.notes.append(Note("aspect_ratio", *((Fate.SENT,) if kept else (Fate.CONVERTED, found.told))))
        return found.area

    def format(self) -> None:
        """Always said where it can be: the vendor's own default differs from model to model."""
        if not self.model.strict:
            self.send("output_format", self.edit.output_format.value)
        elif self.edit.output_format is not self.model.format:
            raise UnsupportedField(
                f"{self.model.name} makes {self.model.format} only. Leave output_format out, or send "
                f"{self.model.format}.",
                param="output_format",
            )
        elif "output_format" in self.sent:
            self.notes.append(Note("output_format", Fate.SENT))

    def rewriting(self) -> None:
        """https://docs.bfl.ai/flux_2/flux2_image_editing: `disable_pup` switches prompt upsampling off."""
        if "disable_pup" not in self.model.options or "prompt_upsampling" not in self.extra:
            return
        disable = not read_truth(self.extra.pop("prompt_upsampling"), "prompt_upsampling")
        note = Note("prompt_upsampling", Fate.CONVERTED, f"disable_pup {str(disable).lower()}")
        self.send("disable_pup", disable, client="prompt_upsampling", note=note)

    def options(self) -> None:
        """The model's own fields."""
        for name, option in self.model.options.items():
            if (told := self.extra.pop(name, None)) is None:
                continue
            # The last of n pictures has the highest seed.
            value = (Whole(0, SEED_HIGHEST - self.edit.n) if name == "seed" else option).read(told, name)
            if self.body.get(name, value) != value:
                other = self.names[name]
                raise InvalidField(
                    f"{other} and {name} ask for different things. Send one of the two.",
                    param=name if name in self.sent else other,
                )
            self.send(name, value)

    def safety(self) -> None:
        highest = self.model.tolerance_from_text if self.edit.from_text else self.model.tolerance
        asked, tolerance = self.edit.moderation, self.extra.pop("safety_tolerance", None)
        if tolerance is not None:
            self.send("safety_tolerance", Whole(0, highest).read(tolerance, "safety_tolerance"))
        if asked == "low" and tolerance is None:
            note = Note("moderation", Fate.CONVERTED, f"safety_tolerance {highest}")
            self.send("safety_tolerance", highest, client="moderation", note=note)
        elif "moderation" in self.sent:
            exact = asked == "low" or "safety_tolerance" in self.sent
            self.notes.append(
                Note("moderation", Fate.IGNORED) if exact else Note("moderation", Fate.CONVERTED, "default")
            )

    def end_user(self, *, forward: bool) -> None:
        sent = [name for name in ("user", "safety_identifier") if self.edit.has(name)]
        if forward and sent and not self.model.strict:
            name, told = sent.pop(), self.edit.end_user or ""
            if not 1 <= len(told) <= 256:
                raise InvalidField("An end user's id has 1 to 256 characters.", param=name)
            self.send("user", told, client=name)
        self.notes += (Note(name, Fate.IGNORED) for name in sent)

    def rest(self, *, lenient: bool) -> None:
        """What has no effect, and what nobody knows."""
        self.notes += ignored(self.edit, IGNORED)
        if not self.extra:
            return
        if lenient:
            self.notes.append(Note(UNKNOWN, Fate.IGNORED, str(len(self.extra))))
            return
        name = next(iter(self.extra))
        if takers := [model.name for model in MODELS.values() if model.takes(name)]:
            raise UnsupportedField(f"{self.model.name} has no {name}. Among those that have: {takers[0]}.", param=name)
        raise UnknownField(f"Unknown parameter: '{name[:64]}'. {self.model.name} has no such field.", param=name[:64])
