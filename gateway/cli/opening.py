"""What a client's key opens, in words."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.chain.settings import KeySettings
from gateway.config.schema import Config

EVERYTHING = "every model"
ACCOUNT = "; of what is relayed everything: files, batches, stored responses, vector stores, fine-tuning"


def opening(key: KeySettings, *, relays: bool) -> str:
    """In one line. `relays`: some platform gets what nobody else serves, so that an account of its own lies open."""
    models, paths = ", ".join(key.models or ()) or EVERYTHING, ", ".join(key.paths or ())
    if paths:
        return f"{paths}; where a request names a model: {models}" if key.models else f"{paths} with {models}"
    if key.models:
        relayed = ", chat, responses and embeddings" if relays else ""
        return f"pictures{relayed} with {models}, the list of these models and its own jobs; nothing else"
    return f"pictures with {models}{ACCOUNT}" if relays else f"pictures with {models}"


def relays(config: Config) -> bool:
    """Whether some platform gets what nobody else serves."""
    return any(settings.kind == "openai" for settings in config.platforms.values())


def openings(keys: Iterable[KeySettings], *, relays: bool) -> dict[str, list[str]]:
    """The ids of those that open the same, by what they open."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(opening(key, relays=relays), []).append(key.id)
    return found
