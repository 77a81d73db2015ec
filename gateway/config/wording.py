"""The words of a complaint: what a value should be, what was found, what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from gateway.config.document import Entry

SECTIONS: Final = ("should be a mapping", "should be a list")
# Pydantic speaks of Python; by the names in https://docs.pydantic.dev/latest/errors/validation_errors/
_PLAIN_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dataclass_type", "dict_type"), SECTIONS[0]),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), SECTIONS[1]),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    "string_type": "should be text",
}
_SUBJECT: Final = re.compile(
    r"^(?:Value error, |Assertion failed, |(?:Input|String|List|Tuple|Dictionary|Set|Value) (?=should ))"
)
# What a list that is too short has instead can be seen in the file.
_AFTER: Final = re.compile(r" after validation, not \d+$")
_USER_INFO: Final = re.compile(r"//[^/\s]*@")


def plain_words(kind: str, message: str) -> str:
    """Pydantic's message without its subject: the key's path stands in front already."""
    return _PLAIN_WORDS.get(kind) or _AFTER.sub("", _SUBJECT.sub("", message))


def found(entry: Entry, kind: str = "", *, hidden: bool = False) -> str:
    """What is there, as it was written, shortened; only its form when it is `hidden` or came from a variable."""
    value = entry.value
    if isinstance(value, dict | list):
        # A rule about a whole section says itself what it misses; only a wrong form needs naming.
        return f" (found a {'list' if isinstance(value, list) else 'mapping'})" if kind.endswith("_type") else ""
    if value is None:
        return " (found nothing)"
    if hidden:
        return " (found a single value)" if kind.endswith("_type") else ""
    if entry.variables:
        return f" (found the value of {variables(entry)})"
    # Anything but text is shown as it was written: `yes`, not True.
    shown = repr(value) if isinstance(value, str) or not entry.written else entry.written
    shown = _USER_INFO.sub("//***@", shown)
    return f" (found {shown if len(shown) <= 60 else shown[:59] + '…'})"


def quote_it(entry: Entry) -> str:
    """The cure where YAML made something else of a text: `no`, `1.0`, `2026-01-31`."""
    misread = entry.written and isinstance(entry.value, bool | int | float | date)
    return f'; quote it: "{entry.written}"' if misread else ""


def variables(entry: Entry) -> str:
    return " ".join(f"${{{name}}}" for name in entry.variables)


def did_you_mean(word: str, allowed: Sequence[str]) -> str:
    close = difflib.get_close_matches(word.lower().replace("-", "_"), allowed, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
