"""
The environment and the command line, as one table each: which variable means which key.

Precedence, strongest first: an option on the command line; `GATEWAY_HOST`, `GATEWAY_PORT` and their admin twins
(what a container runtime decides); the file; every other variable, which fills only keys the file leaves out. A file
that lists `platforms` gets neither a platform nor a key from the environment: a key found there could travel to a host
it was not meant for. Such a file names its variables itself, as `${BFL_API_KEY}`; what it names counts as used.

A variable that is set but blank counts as not set; white space around a value is dropped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.config.document import Document
from gateway.config.problem import KeyPath, Place, problem

EDITS: Final[Mapping[str, str]] = {
    "flux1_kontext": "bfl/flux-kontext-pro",
    # It makes pictures from text only; edits are left to the platform's default.
    "flux1_1": "bfl",
    "openai": "openai",
    "dalle3": "openai",
}
"""What IMAGE_EDIT_PLATFORM may name → an entry of `routes.edits`; a platform's id is also its kind."""

GENERATIONS: Final[Mapping[str, str]] = {**EDITS, "flux1_1": "bfl/flux-pro-1.1"}
"""The same for IMAGE_GEN_PLATFORM and `routes.generations`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """
    One variable or option.

    Args:
        path: the key it sets.
        parse: text to value; raises ValueError with a text that may quote names, never secrets.
        beside: the platforms the value brings into being.
        wins: it replaces what the file says.
    """

    name: str
    path: KeyPath
    parse: Callable[[str], object] = str
    beside: Callable[[object], Mapping[KeyPath, object]] = lambda value: {}
    wins: bool = False


def apply(document: Document, values: Mapping[str, str], table: Iterable[Variable], source: str) -> None:
    """Put what `values` sets of `table` into the document; what cannot be is among its `problems` and `ignored`."""
    file_lists_platforms = "platforms" in document.data
    named = {name for entry in document.entries.values() for name in entry.variables}
    for variable in table:
        text = values.get(variable.name, "").strip()
        if not text:
            continue
        place = Place(source, name=variable.name)
        try:
            value = variable.parse(text)
        except ValueError as error:
            document.problems.append(problem(place, variable.path, str(error)))
            document.broken.add(variable.path)
            continue
        beside = variable.beside(value)
        if reason := _held_back(document, variable, file_lists_platforms, alone=not beside):
            if variable.name not in named:
                document.ignored[variable.name] = reason
            continue
        for path, item in beside.items():
            if path not in document.entries and not file_lists_platforms:
                document.put(path, item, place)
        document.put(variable.path, value, place)


def _held_back(document: Document, variable: Variable, file_lists_platforms: bool, alone: bool) -> str:
    """Why the variable does not count; empty when it does."""
    path = variable.path
    if path[0] == "platforms" and file_lists_platforms:
        return "the file lists its own platforms"
    if path in document.entries and not variable.wins:
        return f"already set by {document.entries[path].place}"
    if path[0] == "platforms" and alone and path[:2] not in document.entries:
        return f"platform {path[1]!r} is not in use"
    return ""


def _port(text: str) -> str:
    if text.startswith("tcp://"):
        # https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
        raise ValueError(
            "holds an address, not a port: Kubernetes sets this variable for a Service of that name;"
            " set enableServiceLinks: false, or name the Service differently"
        )
    return text


def _entries(names: Mapping[str, str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        words = [word for word in re.split(r"[,\s]+", text.lower()) if word]
        unknown = ", ".join(ascii(word) for word in words if word not in names)
        if unknown or not words:
            raise ValueError(f"unknown platform {unknown or ascii(text)}; valid names: {', '.join(names)}")
        return list(dict.fromkeys(names[word] for word in words))

    return parse


def _platform_kinds(entries: object) -> Mapping[KeyPath, object]:
    assert isinstance(entries, list)
    return {("platforms", id_, "kind"): id_ for id_ in (entry.partition("/")[0] for entry in entries)}


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _hashed_keys(text: str) -> list[dict[str, str]]:
    """Only hashes enter the configuration: a dump of it opens nothing."""
    keys = dict.fromkeys(text.split())
    digests = (hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest() for key in keys)
    return [{"id": f"forward-{n}", "hash": f"sha256:{digest}"} for n, digest in enumerate(digests, start=1)]


ENVIRONMENT: Final = (
    Variable("GATEWAY_HOST", ("listen", "host"), wins=True),
    Variable("GATEWAY_PORT", ("listen", "port"), _port, wins=True),
    Variable("GATEWAY_ADMIN_HOST", ("admin", "host"), wins=True),
    Variable("GATEWAY_ADMIN_PORT", ("admin", "port"), _port, wins=True),
    Variable("PUBLIC_BASE_URL", ("public_base_url",)),
    Variable("ROUTE_PREFIX", ("route_prefix",)),
    Variable("FORWARD_KEY", ("auth", "keys"), _hashed_keys),
    Variable("IP_WHITELIST", ("clients", "allow"), _words),
    Variable("IP_BLACKLIST", ("clients", "deny"), _words),
    Variable("UA_WHITELIST", ("clients", "agents_allow"), _words),
    Variable("UA_BLACKLIST", ("clients", "agents_deny"), _words),
    # As it is: a secret may hold any separator.
    Variable("APP_SECRET", ("signature", "secrets"), lambda text: [text]),
    # A key or a route brings a platform into being; what only tunes one comes after them.
    Variable("BFL_API_KEY", ("platforms", "bfl", "api_key"), beside=lambda _: _platform_kinds(["bfl"])),
    Variable(
        "OPENAI_API_KEY",
        ("platforms", "openai", "api_keys"),
        str.split,
        beside=lambda _: _platform_kinds(["openai"]),
    ),
    Variable("IMAGE_EDIT_PLATFORM", ("routes", "edits"), _entries(EDITS), _platform_kinds),
    Variable("IMAGE_GEN_PLATFORM", ("routes", "generations"), _entries(GENERATIONS), _platform_kinds),
    Variable("BFL_BASE_URL", ("platforms", "bfl", "base_url")),
    Variable("BFL_MAX_ACTIVE_TASKS", ("platforms", "bfl", "max_active_tasks")),
    Variable("OPENAI_BASE_URL", ("platforms", "openai", "base_url")),
    Variable("OPENAI_IMAGE_MODEL", ("platforms", "openai", "image_model")),
    Variable("OPENAI_IMAGE_MODEL_FALLBACK", ("platforms", "openai", "image_model_fallback")),
    Variable("GATEWAY_MEMORY_BUDGET", ("memory", "budget")),
    Variable("GATEWAY_STATE_DIR", ("state_dir",)),
)
"""Without a file these are the whole configuration. `GATEWAY_CONFIG` names the file and is the command line's."""

OPTIONS: Final = (
    Variable("--host", ("listen", "host"), wins=True),
    Variable("--port", ("listen", "port"), wins=True),
)
