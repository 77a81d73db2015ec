"""`gateway route`: which rule a request would meet, where it would go, and why. Nothing is sent."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.config import config_option, read_to_look
from gateway.domain.caller import Caller

if TYPE_CHECKING:
    from gateway.chain.settings import AuthSettings

MEGA = 1_000_000
_PIXELS = re.compile(
    r"(?P<width>[0-9]{1,6})x(?P<height>[0-9]{1,6})|(?P<count>[0-9]{1,12}(?:\.[0-9]{1,6})?)(?P<mega>MP)?", re.ASCII
)


def _headers(_context: click.Context, _option: click.Parameter, written: tuple[str, ...]) -> list[tuple[str, str]]:
    parts = [text.partition(":") for text in written]
    if wrong := [text for text, (name, colon, _) in zip(written, parts, strict=True) if not (name.strip() and colon)]:
        raise click.BadParameter(f"{wrong[0]!r} is no header; write NAME:VALUE.")
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _pixels(_context: click.Context, _option: click.Parameter, written: str) -> int:
    """`24MP`, `6000x4000` or a number."""
    found = _PIXELS.fullmatch(written)
    if found is None:
        raise click.BadParameter("write 24MP, 6000x4000 or a number.")
    if found["width"]:
        return int(found["width"]) * int(found["height"])
    return int(Decimal(found["count"]) * (MEGA if found["mega"] else 1))


@click.command()
@config_option
@click.option("--path", "asked", default="/v1/images/edits", show_default=True, help="Path of the request.")
@click.option("--method", default="POST", show_default=True, help="Its method.")
@click.option("--model", help="The model that the client names.")
@click.option("--caller", help="Id of a key of the configuration, with what it allows; default: anybody.")
@click.option(
    "--header", "headers", multiple=True, callback=_headers, metavar="NAME:VALUE", help="A header; may be repeated."
)
@click.option("--n", default=1, show_default=True, type=click.IntRange(1), help="How many pictures are asked for.")
@click.option("--images", type=click.IntRange(0), help="How many pictures come.  [default: 1 for edits]")
@click.option("--pixels", default="0", callback=_pixels, metavar="SIZE", help="The largest one's: 24MP or 6000x4000.")
@click.option("--mask", is_flag=True, help="A mask comes, too.")
@click.option("--chance", default=0.0, type=click.FloatRange(0, 1, max_open=True), help="Draws among weights, 0 to 1.")
def route(
    path: Path | None,
    asked: str,
    method: str,
    model: str | None,
    caller: str | None,
    headers: list[tuple[str, str]],
    n: int,
    images: int | None,
    pixels: int,
    mask: bool,
    chance: float,
) -> None:
    """
    Say which rule wins for a request, why the earlier ones do not, and where it goes. Nothing is sent.

    Exit code 1 when the request would be refused, 2 when the configuration has problems.
    """
    from gateway.config.routes import compiled
    from gateway.domain.errors import NotFound, PathNotAllowed
    from gateway.routing.explain import explain
    from gateway.routing.facts import Facts, Kind, public_path, route_of
    from gateway.routing.spelling import hint, misspelled

    config = read_to_look(path).config
    public, deployment = public_path(asked.partition("?")[0].removeprefix(config.route_prefix))
    named = route_of(method.upper(), public)
    facts = Facts(
        named,
        deployment or model,
        read=True,
        path=public,
        caller=_caller(config.auth, caller),
        headers=dict(headers),
        n=n,
        mask=mask,
        pixels=pixels,
    )
    if facts.kind is not None and method.upper() != "POST":
        raise click.BadParameter("pictures are asked for by POST only.", param_hint="--method")
    if meant := misspelled(public):
        click.echo(
            f"     {NotFound.status} {NotFound.code}: nothing lives at {public}.{hint(meant, config.route_prefix)}"
        )
        sys.exit(1)
    if named and not facts.caller.may_call(method.upper(), public):
        click.echo(f"     {PathNotAllowed.status} {PathNotAllowed.code}: the key is not for {public}")
        sys.exit(1)
    if images is None:
        images = 1 if facts.kind is Kind.EDIT else 0
    rules = compiled(config.platforms, config.routes)
    if named not in rules.lists:
        click.echo(f"{public} is answered by the gateway itself" if named else f"nothing lives at {public}")
        sys.exit(0 if named else 1)
    explained = explain(rules, replace(facts, images=images), chance)
    for line in explained.lines():
        click.echo(line)
    if explained.decision.fault is not None or not explained.decision.targets:
        sys.exit(1)


def _caller(auth: AuthSettings, wanted: str | None) -> Caller:
    """Without an id, somebody who may use everything and has none that a rule could ask for."""
    if wanted is None:
        return Caller("anybody")
    for key in auth.keys:
        if key.id == wanted:
            return key.caller()
    known = ", ".join(key.id for key in auth.keys) or "none"
    raise click.BadParameter(f"no key is called {wanted!r}; there are: {known}.", param_hint="--caller")
