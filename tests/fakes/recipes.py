"""The configurations of README's cookbook, with the variables that they ask for."""

from __future__ import annotations

import hashlib
import re

from tests.test_docs import ROOT

RECIPES = {path.stem: path for path in sorted((ROOT / "config/recipes").glob("*.yaml"))}
VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


def client_key(name: str) -> str:
    """The key of a client whose hash a recipe takes from `NAME_KEY_HASH`; also the value of any other variable."""
    return f"gw-{name.lower()}-0123456789abcdef"


def environment(recipe: str) -> dict[str, str]:
    """What a recipe says that it needs, and nothing else."""
    made = {}
    for name in needed(recipe):
        if name.endswith("_KEY_HASH"):
            key = client_key(name.removesuffix("_KEY_HASH"))
            made[name] = f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
        else:
            made[name] = "127.0.0.1" if name == "LOAD_BALANCER" else client_key(name)
    return made


def opening(recipe: str) -> str:
    """The comment before the first key."""
    lines = RECIPES[recipe].read_text().partition("\n\n")[0].splitlines()
    assert lines[0] == "# yaml-language-server: $schema=../gateway.schema.json"
    assert all(line.startswith("#") for line in lines)
    return " ".join(line.removeprefix("#").strip() for line in lines[1:])


def needed(recipe: str) -> list[str]:
    """The variables behind `Needs:`."""
    return list(dict.fromkeys(VARIABLE.findall(opening(recipe).partition("Needs:")[2].partition("May have:")[0])))
