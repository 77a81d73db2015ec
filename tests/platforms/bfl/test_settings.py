"""What an operator may say about an account, and what is refused at load rather than in every request."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.platforms.bfl.settings import BflSettings

KEY = "very-secret-key"


def settings(**options: Any) -> BflSettings:
    return BflSettings.model_validate({"kind": "bfl", "api_key": KEY, **options})


def test_a_key_is_enough() -> None:
    """Everything else has the vendor's published values."""
    found = settings()
    assert (found.base_url, found.max_active_tasks, found.default_model) == (
        "https://api.bfl.ai",
        24,
        "flux-kontext-pro",
    )
    assert found.aliases == {"flux1_kontext": "flux-kontext-pro"}
    assert found.unknown_fields == "refuse" and not found.forward_user


@pytest.mark.parametrize(
    "defaults",
    [{}, {"safety_tolerance": "1"}, {"aspect_ratio": "16:9", "seed": "7", "prompt_upsampling": "true"}],
)
def test_defaults(defaults: dict[str, str]) -> None:
    """BFL's own fields, as a client would write them."""
    assert settings(defaults=defaults).defaults == defaults


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"defaults": {"safety_tolerance": "6"}}, "0 to 2"),
        ({"defaults": {"aspect_ratio": "4:1"}}, "3:7"),
        ({"defaults": {"guidance": "30"}}, "1.5 to"),
        ({"defaults": {"webhook_url": "https://x"}}, "webhook_url"),
        ({"defaults": {"output_format": "jpeg"}}, "output_format"),
        ({"default_model": "flux-9"}, "flux-kontext-pro"),
        ({"aliases": {"mine": "flux-9"}}, "flux-9"),
        ({"base_url": "ftp://api.bfl.ai"}, "base_url"),
        ({"base_url": "https://user@api.bfl.ai"}, "base_url"),
        ({"base_url": "https://api.bfl.ai?x=1"}, "base_url"),
        ({"max_active_tasks": 0}, "max_active_tasks"),
        ({"unknown_fields": "drop"}, "unknown_fields"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_refused_settings(options: dict[str, Any], words: str) -> None:
    """With what is allowed, and never with the key."""
    with pytest.raises(ValidationError) as caught:
        settings(**options)
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    """Neither printed nor dumped."""
    assert KEY not in f"{settings()!r} {settings()} {settings().model_dump()} {settings().model_dump_json()}"


def test_plain_http_has_to_be_meant() -> None:
    """A key goes in the clear only to a host that the operator listed as insecure, or stays on the machine."""
    with pytest.raises(ValidationError, match="plain http"):
        BflSettings.model_validate({"kind": "bfl", "api_key": "k", "base_url": "http://emulator:9090"})
    for address, listed in (("http://emulator:9090", ["emulator:9090"]), ("http://127.0.0.1:9090", [])):
        document = {"kind": "bfl", "api_key": "k", "base_url": address, "insecure_hosts": listed}
        assert BflSettings.model_validate(document).base_url == address
