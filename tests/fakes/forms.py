"""Edits as a client sends them."""

from __future__ import annotations

import hashlib
from typing import Any

import aiohttp

from tests.fakes.pictures import picture

BOUNDARY = "a-boundary-of-the-tests"


def edit_form(prompt: str = "make it blue", *, image: bytes | None = None, **fields: Any) -> aiohttp.FormData:
    """A form with a small picture in it."""
    form = aiohttp.FormData()
    form.add_field("prompt", prompt)
    for name, value in fields.items():
        form.add_field(name, str(value))
    form.add_field("image", picture() if image is None else image, filename="a.png", content_type="image/png")
    return form


def edit_body(prompt: str = "make it blue", **fields: Any) -> bytes:
    """The same as bytes, parted by BOUNDARY."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in {"prompt": prompt, **fields}.items()
    ]
    parts.append(b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + picture())
    mark = f"--{BOUNDARY}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def key_settings(*keys: str) -> list[dict[str, str]]:
    """`auth.keys` for these keys; the first one's id is `client-0`."""
    return [
        {"id": f"client-{index}", "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"}
        for index, key in enumerate(keys)
    ]
