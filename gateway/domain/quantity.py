"""Sizes and durations as people write them (`256MiB`, `300s`), read exactly and written back the same way."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_BYTES: Final[dict[str, Fraction]] = {
    unit: Fraction(size)
    for unit, size in {
        "B": 1,
        "kB": 10**3,
        "MB": 10**6,
        "GB": 10**9,
        "TB": 10**12,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
        "TiB": 2**40,
    }.items()
}
_SECONDS: Final[dict[str, Fraction]] = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
}
_NUMBER: Final = r"[0-9]{1,16}(?:\.[0-9]{1,20})?"
_LARGEST: Final = 2**53
"""Past this a float no longer holds every whole number; also far past any honest size or duration."""


def parse_bytes(value: object) -> int:
    """
    Bytes from `256MiB`, `1.5GiB`, `20MB`, `4096` or a whole number; a fraction of a byte is dropped.

    Raises:
        ValueError: anything else, negative or beyond 2^53.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
        return value
    exact = _exact(value, _BYTES) if isinstance(value, str) else None
    if exact is None:
        raise ValueError(f"should be a size such as 256MiB or 20MB (units: {', '.join(_BYTES)}), or whole bytes")
    return int(exact)


def parse_seconds(value: object) -> float:
    """
    Seconds from `300s`, `1.5h`, `500ms`, `15` or a number.

    Raises:
        ValueError: anything else, negative, not finite or beyond 2^53.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
        return float(value)
    exact = _exact(value, _SECONDS) if isinstance(value, str) else None
    if exact is None:
        raise ValueError(f"should be a duration such as 300s or 15m (units: {', '.join(_SECONDS)}), or seconds")
    return float(exact)


def spell_bytes(size: int) -> str:
    """The shortest exact spelling: 268435456 → `256MiB`; what no binary unit divides stays in bytes: `1000B`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def spell_seconds(seconds: float) -> str:
    """Exact: 300.0 → `300s`, 0.25 → `0.25s`. Whole minutes stay seconds: that is what the metrics speak."""
    if math.isfinite(seconds) and seconds == int(seconds):
        return f"{int(seconds)}s"
    return f"{Decimal(repr(seconds)):f}s"


def _exact(text: str, units: dict[str, Fraction]) -> Fraction | None:
    match = re.fullmatch(rf"({_NUMBER}) ?({'|'.join(units)})?", text.strip())
    if match is None:
        return None
    exact = Fraction(match[1]) * (units[match[2]] if match[2] else 1)
    return exact if exact <= _LARGEST else None


def _schema(number: str, units: dict[str, Fraction]) -> WithJsonSchema:
    pattern = rf"^{_NUMBER} ?({'|'.join(units)})?$"
    return WithJsonSchema({"anyOf": [{"type": number, "minimum": 0}, {"type": "string", "pattern": pattern}]})


ByteSize = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(spell_bytes, return_type=str, when_used="json"),
    _schema("integer", _BYTES),
]
"""Bytes. In a file: `256MiB`, `1.5GiB`, `20MB` or a plain number."""

Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    PlainSerializer(spell_seconds, return_type=str, when_used="json"),
    _schema("number", _SECONDS),
]
"""Seconds. In a file: `300s`, `15m`, `500ms` or a plain number."""
