"""Models with an end are told before it comes."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from gateway.cli.checks import account
from gateway.cli.checks.finding import Mark
from gateway.cli.checks.models import asked_of, endings
from gateway.config.schema import Config
from gateway.platforms.openai.settings import OpenAiSettings
from tests.fakes.openai_server import answer, bodyless, fake_openai

TODAY = date(2026, 11, 28)


def listing(**ends: str | None) -> bytes:
    data = [{"id": id.replace("_", "-"), "object": "model", "shutdown_date": end} for id, end in ends.items()]
    return json.dumps({"object": "list", "data": data}).encode()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (None, None),
        ("2026-12-01", "is shut down on 2026-12-01, in 3 days"),
        ("2026-11-28", "was shut down on 2026-11-28"),
        ("2026-10-23", "was shut down on 2026-10-23"),
        ("2027-12-01T00:00:00Z", "is shut down on 2027-12-01, in 368 days"),
        ("soon", None),
    ],
)
def test_an_end(end: str | None, words: str | None) -> None:
    """With the days that are left; an unknown spelling is no end."""
    told = list(endings("openai", ["one"], listing(one=end, other="2026-12-01"), TODAY))
    assert [each.text for each in told] == ([f"one {words}"] if words else [])
    assert all(each.mark is Mark.WARNING and each.advice and each.platform == "openai" for each in told)


def test_a_model_that_is_not_there() -> None:
    """What is over may be gone from the list as well."""
    (told,) = endings("openai", ["gone"], listing(one=None), TODAY)
    assert "gone is not in its list" in told.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": 1}', b'{"data": [1]}', b'{"data": [{}]}', b"<html>"])
def test_no_list(body: bytes) -> None:
    """Said once, whatever came."""
    (told,) = endings("openai", ["one", "two"], body, TODAY)
    assert "is not one" in told.text


def test_what_is_asked_for() -> None:
    """Everywhere that a model may stand, by the name that is sent."""
    relay: dict[str, Any] = {"kind": "openai", "api_keys": ["a-key-of-openai"], "base_url": "https://api.openai.com/v1"}
    document = {
        "platforms": {
            "main": relay | {"image_model_fallback": "b", "models": ["c", "b"], "aliases": {"old": "d"}},
            "small": relay | {"image_model": "a"},
            "bfl": {"kind": "bfl", "api_key": "a-key-of-bfl-0000"},
        },
        "routes": {
            "rules": [
                {"name": "one", "match": {"kind": "edit"}, "to": ["main/e", "bfl/flux-kontext-pro"]},
                {"name": "two", "to": [{"platform": "main", "model": "old"}]},
            ],
            "edits": ["main/f", "bfl"],
            "generations": ["main"],
        },
    }
    config = Config.model_validate(document)
    assert {name: asked_of(name, config) for name in ("main", "small", "bfl")} == {
        "main": ("b", "c", "d", "e", "f"),
        "small": ("a",),
        "bfl": (),
    }


async def test_doctor_asks_for_it() -> None:
    """One list for a pool of keys; a bad key's refusal is no list."""
    body = json.loads(listing(gpt_image_1="2026-10-23", gpt_image_2=None))
    async with fake_openai(bodyless(401), answer({}, 401), answer(body), answer(body)) as service:
        document = {
            "kind": "openai",
            "api_keys": ["sk-1-secret", "sk-2-secret", "sk-3-secret"],
            "base_url": service.url,
        }
        settings = OpenAiSettings.model_validate(document)
        found = await account.examine("main", settings, lambda: 1_796_000_000.0, ("gpt-image-1", "gpt-image-2"))
    assert [each.text for each in found if each.check == "models"] == ["gpt-image-1 was shut down on 2026-10-23"]
