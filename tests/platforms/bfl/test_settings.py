"""What an operator may say about an account, and what is refused at load rather than in every request."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.models import MODELS
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
    assert found.aliases == found.served_aliases == {"flux1_kontext": "flux-kontext-pro"}
    assert found.default_generation == "flux-pro-1.1"
    assert list(found.offered) == list(MODELS)
    assert found.unknown_fields == "refuse" and not found.forward_user


@pytest.mark.parametrize(
    ("options", "edits", "generates"),
    [
        ({"models": ["flux-kontext-pro"]}, "flux-kontext-pro", "flux-kontext-pro"),
        ({"models": ["flux-dev", "flux-kontext-pro"]}, "flux-kontext-pro", "flux-kontext-pro"),
        ({"models": ["flux-dev"], "default_model": "flux-dev"}, "flux-dev", "flux-dev"),
        ({"models": ["flux-2-max", "flux-pro-1.1"], "default_model": "flux-2-max"}, "flux-2-max", "flux-pro-1.1"),
        ({"models": ["flux-pro-1.0-fill"], "default_model": "flux-pro-1.0-fill"}, "flux-pro-1.0-fill", None),
        ({"default_model": "flux-3-image", "default_generation_model": "flux-dev"}, "flux-3-image", "flux-dev"),
    ],
)
def test_fewer_models(options: dict[str, Any], edits: str, generates: str | None) -> None:
    """A usual default that is not offered gives way, and an alias that nobody wrote goes with its model."""
    found = settings(**options)
    assert (found.default_model, found.default_generation) == (edits, generates)
    assert set(found.offered) == set(options.get("models", MODELS))
    assert found.served_aliases == (
        {"flux1_kontext": "flux-kontext-pro"} if "flux-kontext-pro" in found.offered else {}
    )
    account = Bfl("bfl", found)
    assert account.models == found.offered
    assert (account.default_model, account.default_generation) == (edits, generates)
    assert account.aliases == found.served_aliases


@pytest.mark.parametrize(
    "defaults",
    [
        {},
        {"safety_tolerance": "1"},
        {"aspect_ratio": "16:9", "seed": "7", "prompt_upsampling": "true"},
        # Fields of some of the models.
        {"guidance": "3.5", "resolution": "2k", "raw": "true"},
        {"size": "1024x1024", "quality": "high"},
    ],
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
        ({"defaults": {"response_format": "png"}}, "b64_json or url"),
        ({"defaults": {"webhook_url": "https://x"}}, "webhook_url"),
        ({"defaults": {"output_format": "jpeg"}}, "output_format"),
        ({"default_model": "flux-9"}, "flux-kontext-pro"),
        ({"aliases": {"mine": "flux-9"}}, "flux-9"),
        ({"base_url": "ftp://api.bfl.ai"}, "base_url"),
        ({"base_url": "https://user@api.bfl.ai"}, "base_url"),
        ({"base_url": "https://api.bfl.ai?x=1"}, "base_url"),
        ({"models": []}, "models"),
        ({"models": ["flux-9"]}, "flux-9"),
        ({"models": ["flux-dev"]}, "flux-kontext-pro"),
        ({"models": ["flux-kontext-pro"], "aliases": {"best": "flux-kontext-max"}}, "flux-kontext-max"),
        ({"models": ["flux-kontext-pro"], "default_generation_model": "flux-dev"}, "flux-dev"),
        ({"models": ["flux-3-image"], "default_model": "flux-3-image", "defaults": {"seed": "1"}}, "seed"),
        ({"default_model": "flux-dev"}, "edits nothing"),
        ({"default_generation_model": "flux-pro-1.0-fill"}, "text alone"),
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
