from __future__ import annotations

import copy
import json
import pickle

import pytest
from pydantic import BaseModel, ValidationError

from gateway.domain.secret import Secret


class Settings(BaseModel):
    key: Secret
    pool: tuple[Secret, ...] = ()


def test_it_never_shows_itself() -> None:
    """Not in any way of turning a value into text."""
    secret = Secret("s3cr3t")
    texts = (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        repr([secret]),
        repr(vars(Settings(key=secret))),
    )
    assert not [text for text in texts if "s3cr3t" in text]
    assert str(secret) == "***"
    assert not hasattr(secret, "__dict__")


def test_only_reveal_gives_it_away() -> None:
    """By name."""
    assert Secret("s3cr3t").reveal() == "s3cr3t"


def test_equality() -> None:
    """By content, with any text; a plain string is never equal."""
    assert Secret("é\udcff") == Secret("é\udcff")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_it_ends_up_in_no_set_and_no_pickle() -> None:
    """Neither hashed nor written; copies are the same object."""
    secret = Secret("s3cr3t")
    with pytest.raises(TypeError):
        hash(secret)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not written anywhere"):
            pickle.dumps(secret, protocol)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret


def test_as_a_field() -> None:
    """Strings and secrets are taken; dumps are masked in JSON and opaque in Python."""
    settings = Settings.model_validate({"key": "s3cr3t", "pool": ["a", Secret("b")]})
    assert [secret.reveal() for secret in (settings.key, *settings.pool)] == ["s3cr3t", "a", "b"]
    assert settings.model_dump_json() == '{"key":"***","pool":["***","***"]}'
    assert settings.model_dump()["key"] is settings.key
    assert "s3cr3t" not in repr(settings) + str(settings.model_dump())
    assert settings.model_copy(deep=True) == settings


@pytest.mark.parametrize("value", ["", " ", "a\n", " a", "a ", "a\tb", "a\x00", "a\r\nX-Evil: 1", "\udcff", "a\u2028b"])
def test_what_no_header_can_carry_is_refused(value: str) -> None:
    """A stray line end is found at the start, not in the first paid call."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"key": value})
    [error] = caught.value.errors()
    assert (error["type"], error["msg"]) == (
        "secret",
        "should be one line of printable text without spaces around it",
    )


@pytest.mark.parametrize("value", [12345, True, None, ["a"], b"a"])
def test_only_text_is_a_secret(value: object) -> None:
    """A key of digits that lost its quotes would arrive changed."""
    with pytest.raises(ValidationError, match="should be text"):
        Settings.model_validate({"key": value})


def test_the_schema_says_write_only() -> None:
    """So that tools mask it too."""
    key = Settings.model_json_schema()["properties"]["key"]
    assert key == {"type": "string", "minLength": 1, "writeOnly": True, "title": "Key"}
