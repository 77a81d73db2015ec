"""From a configuration to what requests are served by; a reload makes another one and leaves the first as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.config.offers import offers
from gateway.config.schema import Config
from gateway.handlers.keys import Snapshot
from gateway.platforms import registry
from gateway.platforms.contract import Platform
from gateway.platforms.openai import OpenAi
from gateway.routing.rules import Rules

# What is opened or laid out once, at the start.
FIXED: Final = ("listen", "admin", "route_prefix", "state_dir", "ledger", "memory", "results", "imaging")
FIXED_JOBS: Final = ("job_max_age", "unanswered_within", "queue_limit", "drain")


def snapshot(config: Config) -> Snapshot:
    """Every platform anew: what a request was planned with stays what it was."""
    platforms: dict[str, Platform] = {}
    relays: dict[str, OpenAi] = {}
    for name, settings in config.platforms.items():
        built = registry.build(name, settings)
        if isinstance(built, OpenAi):
            relays[name] = built
        else:
            platforms[name] = built
    every = {name: platforms.get(name) or relays[name] for name in config.platforms}
    return Snapshot(
        rules=Rules.of(config.routes, offers(every)),
        platforms=platforms,
        relays=relays,
        uploads=config.uploads,
        answer_within_s=config.jobs.answer_within,
        collect_within_s=config.jobs.collect_within,
        patience_s=config.jobs.patience,
        moderation_code=config.errors.moderation_code,
        public_url=config.public_base_url and config.public_base_url.rstrip("/").removesuffix(config.route_prefix),
    )


def fixed(old: Config, new: Config) -> tuple[str, ...]:
    """The keys that differ and will not count before the next start."""
    sections = [name for name in FIXED if getattr(old, name) != getattr(new, name)]
    jobs = [f"jobs.{name}" for name in FIXED_JOBS if getattr(old.jobs, name) != getattr(new.jobs, name)]
    return (*sections, *jobs)


def ceilings(platforms: Iterable[Platform]) -> tuple[dict[str, int], dict[str, int]]:
    """Active tasks allowed, by account, and the lower ones of single models, by `account/model`."""
    found = list(platforms)
    nested = {
        f"{platform.account}/{model.name}": model.ceiling
        for platform in found
        for model in platform.models.values()
        if model.ceiling is not None
    }
    return {platform.account: platform.max_active_tasks for platform in found}, nested
