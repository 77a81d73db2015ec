"""Models that the configuration asks a relay for, and what the relay's own list says of their end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import orjson

from gateway.cli.checks.finding import Finding, warning
from gateway.config.schema import Config
from gateway.platforms.openai.settings import OpenAiSettings
from gateway.routing.settings import split_entry

ANOTHER = "Name another model for it; `aliases` keep the old name for clients"


def asked_of(name: str, config: Config) -> tuple[str, ...]:
    """Every model that the configuration names for this platform, each once; none for one that is no relay."""
    settings, routes = config.platforms[name], config.routes
    if not isinstance(settings, OpenAiSettings):
        return ()
    entries = [split_entry(entry) for entry in (*routes.edits, *routes.generations)]
    targets = [(target.platform, target.model) for rule in routes.rules for target in rule.to]
    routed = [model for platform, model in (*targets, *entries) if platform == name]
    own = (settings.image_model, settings.image_model_fallback, *settings.models, *settings.aliases.values())
    meant = (settings.aliases.get(model, model) for model in (*own, *routed) if model)
    return tuple(dict.fromkeys(meant))


def endings(name: str, asked: Iterable[str], body: bytes, today: date) -> Iterator[Finding]:
    """
    A warning for each model that is no longer listed, or has a `shutdown_date`.

    `body` is the answer to `GET /v1/models`: https://developers.openai.com/api/reference/resources/models
    """
    try:
        found = {entry["id"]: entry for entry in orjson.loads(body)["data"]}
    except (ValueError, LookupError, TypeError):
        yield warning("models", "its list of models is not one", "Check the path of base_url", name)
        return
    for model in asked:
        if model not in found:
            text = f"{model} is not in its list: it was shut down, is misspelled, or not for this key"
            yield warning("models", text, ANOTHER, name)
        elif (end := _day(found[model].get("shutdown_date"))) is not None:
            days = (end - today).days
            when = f"is shut down on {end}, in {days} days" if days > 0 else f"was shut down on {end}"
            yield warning("models", f"{model} {when}", ANOTHER, name)


def _day(value: Any) -> date | None:
    """Of `2026-12-01`, also with a time behind it; None for anything else."""
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        return None
