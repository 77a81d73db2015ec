"""Which requests are the same: caller, route, every field, every byte of every picture. Boundaries do not count."""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

from gateway.domain.blob import Blob, Link
from gateway.domain.edit import Edit


def fingerprint(caller: str, route: str, edit: Edit) -> str:
    """Hexadecimal BLAKE3 of the canonical request. Fields are sorted by name; pictures keep their order."""
    state = blake3()
    for text in _words(caller, route, edit):
        data = text.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def _words(caller: str, route: str, edit: Edit) -> Iterable[str]:
    yield from (caller, route)
    for name, value in sorted(edit.asked):
        yield from ("field", name, value)
    for name, pictures in (("image", edit.images), ("mask", (edit.mask,)), ("markup", (edit.markup,))):
        for picture in pictures:
            if picture is not None:
                yield from (name, _identity(picture))


def _identity(picture: Blob | Link) -> str:
    return f"link {picture.url}" if isinstance(picture, Link) else f"blob {picture.digest}"
