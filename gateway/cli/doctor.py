"""`gateway doctor`: everything that has to be right before the first request, in plain words. Nothing is paid for."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click
import uvloop

from gateway.chain.gate import MOST
from gateway.cli.checks import machine
from gateway.cli.checks.account import examine
from gateway.cli.checks.finding import Finding, Mark, fine, problem, warning, worst
from gateway.cli.checks.keys import keys
from gateway.cli.checks.listeners import listener
from gateway.cli.checks.models import asked_of
from gateway.cli.checks.webhook import webhook
from gateway.cli.config import EMULATED, config_option, read_for_itself, written
from gateway.cli.opening import relays
from gateway.config.load import Loaded
from gateway.config.problem import ConfigError
from gateway.config.schema import Config
from gateway.jobs.clock import Clock
from gateway.telemetry.logs import Redactor

SIGNS = {Mark.FINE: "✓", Mark.WARNING: "!", Mark.PROBLEM: "✗"}
PLAIN = {Mark.FINE: "+", Mark.WARNING: "!", Mark.PROBLEM: "x"}
UNUSABLE = 2


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor(path: Path | None, as_json: bool) -> None:
    """Say what keeps the gateway from working, and what to do about it. Exit code 1: problems, 2: no configuration."""
    try:
        loaded, emulated = read_for_itself(path)
    except ConfigError as error:
        advice = "The sample, config/gateway.yaml, documents every key"
        _print([problem("configuration", str(each), advice) for each in error.problems], as_json, unusable=True)
        sys.exit(UNUSABLE)
    found = [*_configuration(loaded), *uvloop.run(diagnose(loaded.config, spared=("bfl",) if emulated else ()))]
    if emulated:
        found.append(fine("account", f"BFL_API_KEY is not set; {EMULATED}", "bfl"))
    _print(found, as_json)
    sys.exit(1 if worst(found) is Mark.PROBLEM else 0)


async def diagnose(
    config: Config,
    clock: Clock = Clock(),  # noqa: B008 - immutable
    spared: Collection[str] = (),
) -> list[Finding]:
    """Every check of a valid configuration; the texts hold no secret. Platforms that are `spared` are not asked."""
    wall, now = clock.wall(), clock.now()
    listening = asyncio.gather(listener("listen", config.listen, config.route_prefix), listener("admin", config.admin))
    platforms = asyncio.gather(
        *(
            examine(name, its, clock.wall, asked_of(name, config))
            for name, its in config.platforms.items()
            if name not in spared
        )
    )
    webhooks = asyncio.gather(*(webhook(name, its, config.route_prefix) for name, its in config.platforms.items()))
    found = [
        machine.runtime(),
        *keys(config.auth, wall, relays=relays(config)),
        machine.folder(config.state_dir),
        machine.disk(config.state_dir, config.memory.disk),
        machine.descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[1], config.clients.connections or MOST),
        *await listening,
        *(finding for each in await platforms for finding in each),
        *await webhooks,
        machine.steadiness(clock.wall() - wall, clock.now() - now),
    ]
    clean = Redactor(config.secrets()).text
    return [
        Finding(each.check, each.mark, clean(each.text), clean(each.advice), each.platform)
        for each in found
        if each is not None
    ]


def _configuration(loaded: Loaded[Config]) -> list[Finding]:
    found = [fine("configuration", f"is valid: {written(loaded) or 'nothing is set'}")]
    found += [
        warning("configuration", f"{name} is set and not used: {reason}", "Unset it, or name it in the file")
        for name, reason in loaded.ignored.items()
    ]
    if not loaded.config.platforms:
        text = "no platform is configured, so nothing can be edited"
        found.append(warning("configuration", text, "Set BFL_API_KEY, or name a --config"))
    return found


def _print(found: Sequence[Finding], as_json: bool, *, unusable: bool = False) -> None:
    if as_json:
        status = "unusable" if unusable else worst(found).name.lower()
        click.echo(json.dumps({"status": status, "checks": [_entry(each) for each in found]}, indent=2))
        return
    signs = SIGNS if _can_print("".join(SIGNS.values())) else PLAIN
    for each in found:
        subject = f"{each.platform}: {each.check}" if each.platform else each.check
        words = f"{each.text}. {each.advice}." if each.advice else each.text
        click.echo(f"{signs[each.mark]} {subject:<18} {words if signs is SIGNS else _ascii(words)}")
    problems, warnings = (sum(each.mark is mark for each in found) for mark in (Mark.PROBLEM, Mark.WARNING))
    click.echo(f"\n{_count(problems, 'problem')}, {_count(warnings, 'warning')}")


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "platform": finding.platform,
        "check": finding.check,
        "mark": finding.mark.name.lower(),
        "text": finding.text,
        "advice": finding.advice,
    }


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
