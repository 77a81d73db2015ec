"""A secret is a value that can be used but not seen: only `reveal()` gives it away, by name, in code."""

from __future__ import annotations

import hmac
from typing import Any, Final, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MASK: Final = "***"


class Secret:
    """
    One line of printable text (an API key, a signing secret) that never shows itself.

    `str`, `repr`, JSON dumps: `***`. Comparison takes constant time. It has no hash and cannot be pickled,
    so it ends up in no cache key and no file by accident.

    As a pydantic field it takes a string or a `Secret`; its complaints (error type `secret`) never quote the value.
    """

    __slots__ = ("__value",)
    __hash__ = None  # type: ignore[assignment]  # how Python says unhashable

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        return self.__value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self.__value, other.__value
        return hmac.compare_digest(mine.encode("utf-8", "surrogatepass"), theirs.encode("utf-8", "surrogatepass"))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not written anywhere")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validated, serialization=core_schema.to_string_ser_schema(when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "minLength": 1, "writeOnly": True}

    @classmethod
    def _validated(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("secret", "should be text; if it is written in the file, quote it")
        # A stray line end (a file read into a variable) would otherwise surface as a refused header, much later.
        if not value or value != value.strip() or not value.isprintable():
            raise PydanticCustomError("secret", "should be one line of printable text without spaces around it")
        return cls(value)
