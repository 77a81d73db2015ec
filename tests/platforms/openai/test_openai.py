"""The relayed platform: where requests go, and with which key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.domain.egress import DIRECT, Egress
from gateway.platforms.openai import OpenAi, OpenAiSettings, build


def made(**settings: object) -> OpenAi:
    return build("main", OpenAiSettings.model_validate({"kind": "openai", "api_keys": ["sk-a", "sk-b"], **settings}))


def test_openai_itself_is_the_default() -> None:
    """Without a base URL, requests go to OpenAI."""
    assert made().url("models") == "https://api.openai.com/v1/models"


@pytest.mark.parametrize("rest", ["a?a=%2F&b=+&c", "a%2fb//c", "a?", "", "/a", "é?q=é"])
def test_path_and_query_are_kept_byte_for_byte(rest: str) -> None:
    """Nothing is decoded, quoted or tidied."""
    assert made().url(rest) == "https://api.openai.com/v1/" + rest


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://x.example/v1/", "https://x.example/v1/m"),
        ("https://x.example/openai/v1", "https://x.example/openai/v1/m"),
        ("https://x.example", "https://x.example/v1/m"),
        ("https://x.example/", "https://x.example/v1/m"),
        ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/m"),
    ],
)
def test_base_url_is_taken_as_the_sdks_take_it(base: str, url: str) -> None:
    """A slash at the end changes nothing, and a bare origin means its `/v1`."""
    assert made(base_url=base).url("m") == url


@pytest.mark.parametrize("base", ["x.example/v1", "ftp://x.example", "https://k@x.example", "https://x.example/v1?a=b"])
def test_base_url_that_would_not_do_is_refused(base: str) -> None:
    """Other schemes, credentials and queries are not a base."""
    with pytest.raises(ValidationError):
        made(base_url=base)


def test_keys_take_turns() -> None:
    """Every key of the pool is used as often as the others."""
    openai = made()
    assert [openai.next_key().reveal() for _ in range(4)] == ["sk-a", "sk-b", "sk-a", "sk-b"]


def test_pool_has_at_least_one_key() -> None:
    """An empty pool is a mistake in the configuration."""
    with pytest.raises(ValidationError, match="api_keys"):
        made(api_keys=[])


def test_keys_are_not_shown() -> None:
    """Neither the settings nor a complaint about them quote a key."""
    settings = OpenAiSettings.model_validate({"kind": "openai", "api_keys": ["sk-hidden"]})
    assert "sk-hidden" not in f"{settings!r} {settings.model_dump_json()} {OpenAi('main', settings).next_key()}"
    with pytest.raises(ValidationError) as complaint:
        made(api_keys=["sk-hidden\0"])
    assert "sk-hidden" not in str(complaint.value.errors(include_input=False))


@pytest.mark.parametrize("pool", ["sk-a sk-b", ["sk-a sk-b"], ["sk-a", "sk-b"]])
def test_a_pool_may_be_one_text(pool: object) -> None:
    """Keys separated by spaces are separate keys, in the file as in the environment."""
    openai = made(api_keys=pool)
    assert [openai.next_key().reveal() for _ in range(3)] == ["sk-a", "sk-b", "sk-a"]


def test_unknown_options_are_mistakes() -> None:
    """A misspelt option is not ignored."""
    with pytest.raises(ValidationError):
        made(api_key="sk-a")


def test_the_operators_way() -> None:
    """A proxy and authorities of one's own; plain http is not shown to a proxy."""
    assert made(proxy="http://proxy:1", ca_file="ca.pem").egress == Egress("http://proxy:1", Path("ca.pem"))
    assert made().egress == DIRECT
    with pytest.raises(ValidationError, match="plain http"):
        made(proxy="http://proxy:1", base_url="http://127.0.0.1:9")
