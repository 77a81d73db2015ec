"""
From a received form to an edit without pictures.

https://developers.openai.com/api/reference/resources/images/methods/generate
"""

from __future__ import annotations

import re

from gateway.dialects.openai.form import Form, read_options
from gateway.domain.edit import Edit
from gateway.domain.errors import UnknownField

_PICTURES = re.compile(r"(?:images?|mask|markup)(?:\[.*)?", re.DOTALL)


def read_generation(form: Form) -> Edit:
    """Raises: InvalidField and its kinds, with the client's field name."""
    for name, _ in (*form.pictures, *form.fields):
        if _PICTURES.fullmatch(name):
            raise UnknownField(
                f"Unknown parameter: '{name[:64]}'. A generation has no pictures; images/edits takes them.",
                param=name[:64],
            )
    if form.pictures:
        name = form.pictures[0][0][:64]
        raise UnknownField(f"Unknown parameter: '{name}'.", param=name)
    return read_options(form)
