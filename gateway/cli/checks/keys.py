"""Clients' keys: what they open, which ones end, and whether one is known to everybody."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.chain.expiry import SOON_DAYS, ends
from gateway.chain.samples import known_to_everybody
from gateway.chain.settings import AuthSettings
from gateway.cli.checks.finding import Finding, fine, problem, warning
from gateway.cli.opening import openings

MAKE = "Make another one with `gateway keys new`"
_NAMED = 5


def keys(auth: AuthSettings, wall: float, *, relays: bool) -> Iterator[Finding]:
    """
    `wall` is now, in Unix seconds; `relays`: some platform's account is relayed to.

    A gateway that others can reach does not load without a key.
    """
    if not auth.keys:
        yield fine("keys", "none, so only this machine's own programs are served")
        return
    for opened, ids in openings(auth.keys, relays=relays).items():
        others = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        verb = "opens" if len(ids) == 1 else "open"
        yield fine("keys", f"{', '.join(ids[:_NAMED])}{others} {verb} {opened}")
    for id in known_to_everybody(auth.keys):
        yield problem("keys", f"{id} is the sample's, which everybody knows", MAKE)
    if found := ends(auth.keys, wall):
        told = (("expired", found.over), (f"end within {SOON_DAYS} days", found.soon))
        text = "; ".join(f"{words}: {', '.join(ids)}" for words, ids in told if ids)
        yield warning("keys", text, f"{MAKE}, and take the old ones out of the file")
