"""Who may submit: the vendor's ladder of refusals for a key, in its order."""

from __future__ import annotations

from aiohttp import web

from gateway.emulator import answers
from gateway.emulator.world import World


def refusal(world: World, key: str, model: str | None = None) -> web.Response | None:
    """
    The answer to a request whose key is not good enough, or None when it is.

    Missing 403, wrong format 422 (with a string detail), unknown 403, no access to the model 403,
    as recorded; https://api.bfl.ai/openapi.json tells only that `x-key` is needed.
    """
    settings = world.settings
    if not key:
        return answers.detail(403, "Not authenticated")
    if not world.well_formed(key):
        return answers.detail(422, "Invalid API key format")
    if key in world.revoked or (settings.keys is not None and key not in settings.keys):
        return answers.detail(403, "Not authenticated - Invalid Authentication")
    if model in settings.gated:
        return answers.detail(403, "Not authenticated")
    return None
