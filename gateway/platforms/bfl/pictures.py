"""The pictures of an edit on their way into a body: named, measured, and reworked where the model asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isqrt

from gateway.domain.blob import Blob, Link
from gateway.domain.edit import Edit, OutputFormat
from gateway.domain.errors import ImageTooLarge, InvalidField, InvalidMask, UnsupportedField, UnsupportedImage
from gateway.domain.notes import Fate, Note
from gateway.domain.rework import Rework
from gateway.domain.size import Pixels
from gateway.domain.target import ConvertPolicy, OversizePolicy, Terms
from gateway.platforms.bfl.kinds import Flux, Naming
from gateway.wire.body import Base64, JsonValue

# A reworked picture may come back as PNG: four bytes for each pixel at worst, when nothing can be compressed.
WORST_BYTES = 4
# What goes as it came: https://docs.bfl.ai/flux_tools/flux_1_fill
TAKEN = ("image/png", "image/jpeg", "image/webp")
UPRIGHT = 1


@dataclass(frozen=True, slots=True)
class Pictures:
    """What pictures come to: `names` and `notes` as in a translation, `sizes` after rework, None behind a link."""

    fields: dict[str, JsonValue] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    needs: list[Rework] = field(default_factory=list)
    sizes: list[Pixels | None] = field(default_factory=list)


def prepare(edit: Edit, model: Flux, terms: Terms) -> Pictures:
    """Raises: InvalidField and its kinds."""
    found = Pictures()
    if edit.from_text:
        return found
    if len(edit.images) > model.max_images:
        raise UnsupportedField(
            f"{model.name} takes at most {model.max_images} {'pictures' if model.max_images > 1 else 'picture'}; "
            f"this request has {len(edit.images)}.",
            param=f"image[{model.max_images}]",
        )
    if model.masks:
        _refuse_links(edit, model)
    bodies: list[JsonValue] = []
    scaled: list[Pixels] = []
    for position, image in enumerate(edit.images):
        param = "image" if len(edit.images) == 1 else f"image[{position}]"
        if not isinstance(image, Link):
            _check_format(image, terms.convert, param)
        size = None if isinstance(image, Link) else _size(image, model, terms.oversize, param)
        found.sizes.append(size or (None if isinstance(image, Link) else image.pixels))
        work = _work(edit, image, size, terms.convert)
        if work:
            found.needs.append(work)
        if size:
            scaled.append(size)
        bodies.append(image.url if isinstance(image, Link) else Base64(work or image))
        found.names[_name(model, position)] = param
    if model.naming is Naming.ARRAY:
        found.fields[_name(model, 0)] = bodies
        found.names[_name(model, 0)] = "image"
    else:
        found.fields.update((_name(model, position), body) for position, body in enumerate(bodies))
    told = sorted({_change(work) for work in found.needs if work.form})
    told += [f"downscaled to {' and '.join(map(str, scaled))}"] if scaled else []
    if any(work.source.orientation != UPRIGHT for work in found.needs):
        told.append("turned upright")
    if edit.mask is not None:
        told.append("without alpha")
        if not isinstance(edit.mask, Link):
            _check_format(edit.mask, terms.convert, "mask")
        _mask(edit, found, scaled[0] if scaled else None)
    found.notes.append(Note("image", Fate.CONVERTED, "; ".join(told)) if told else Note("image", Fate.SENT))
    return found


def largest(size: Pixels, most: int) -> Pixels:
    """The largest size of the same ratio with no more than `most` pixels."""
    if size.count <= most:
        return size
    # In whole numbers: what a float makes of an exact root may be a pixel too small.
    return Pixels(max(1, isqrt(most * size.width // size.height)), max(1, isqrt(most * size.height // size.width)))


def _name(model: Flux, position: int) -> str:
    if model.naming is not Naming.NUMBERED:
        return model.naming.value
    return "input_image" if position == 0 else f"input_image_{position + 1}"


def _work(edit: Edit, image: Blob | Link, size: Pixels | None, convert: ConvertPolicy) -> Rework | None:
    # A picture's own alpha would be taken for a second mask: https://docs.bfl.ai/flux_tools/flux_1_fill
    flatten = edit.mask is not None
    if isinstance(image, Link):
        return None
    form = None if image.media_type in TAKEN else OutputFormat(convert)
    return Rework(image, flatten=flatten, pixels=size, form=form) if flatten or size or form else None


def _check_format(image: Blob, convert: ConvertPolicy, param: str) -> None:
    if image.media_type not in TAKEN and convert is ConvertPolicy.REFUSE:
        raise UnsupportedImage(
            f"{param} is not usable: the file is {_format(image)}. Supported formats are png, jpeg and webp.",
            param=param,
        )


def _format(image: Blob) -> str:
    return image.media_type.removeprefix("image/").upper()


def _change(work: Rework) -> str:
    return f"{_format(work.source)} to {work.form}"


def _size(image: Blob, model: Flux, oversize: OversizePolicy, param: str) -> Pixels | None:
    """The size that the picture has to be scaled to, None when it fits as it is."""
    pixels = image.pixels
    if min(pixels.width, pixels.height) < model.min_side:
        raise InvalidField(
            f"{param} has {pixels} pixels; {model.name} takes pictures of {model.min_side} pixels a side and more.",
            param=param,
        )
    # One that is converted comes out as large as its pixels make it.
    heavy = image.length > model.max_image_bytes and image.media_type in TAKEN
    if not heavy and pixels.count <= model.max_image_pixels:
        return None
    if oversize is OversizePolicy.REFUSE:
        raise ImageTooLarge(
            f"{param} has {pixels} pixels and {image.length} bytes; {model.name} takes up to {model.max_image_pixels} "
            f"pixels and {model.max_image_bytes} bytes. Make it smaller.",
            param=param,
        )
    most = min(model.max_image_pixels, model.max_image_bytes // WORST_BYTES) if heavy else model.max_image_pixels
    return largest(pixels, most)


def _refuse_links(edit: Edit, model: Flux) -> None:
    for param, picture in (("image", edit.images[0]), ("mask", edit.mask)):
        if isinstance(picture, Link):
            raise UnsupportedField(
                f"{model.name} takes no addresses of pictures. Send {param} as a file or as a data URL.", param=param
            )


def _mask(edit: Edit, found: Pictures, size: Pixels | None) -> None:
    """
    OpenAI's mask is transparent where the picture is to change, BFL's white.

    https://developers.openai.com/api/reference/resources/images/methods/edit and
    https://docs.bfl.ai/flux_tools/flux_1_fill
    """
    image, mask = edit.images[0], edit.mask
    assert not isinstance(image, Link)
    assert mask is not None
    assert not isinstance(mask, Link)
    work, told = Rework(mask, mask=True, pixels=size), "white on black"
    if mask.pixels != image.pixels:
        # Painted over the picture as it is stored, by a program that knows nothing of orientation.
        if mask.pixels.turned(mask.orientation) != image.pixels.turned(image.orientation):
            raise InvalidMask("Invalid mask image format - mask size does not match image size", param="mask")
        work, told = replace(work, orientation=image.orientation), f"{told}; turned as the image is"
    found.needs.append(work)
    found.fields["mask"], found.names["mask"] = Base64(work), "mask"
    found.notes.append(Note("mask", Fate.CONVERTED, told))
