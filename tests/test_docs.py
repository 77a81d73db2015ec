"""What README says is what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli import COMMANDS
from gateway.config.environment import ENVIRONMENT
from gateway.config.load import load
from gateway.config.schema import Config
from gateway.config.show import schema
from gateway.domain.errors import CATALOGUE, GatewayError
from gateway.telemetry.catalogue import Catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def table(heading: str, *, column: int = 0) -> list[list[str]]:
    """Rows of the first table below the heading, cells without backticks."""
    text = README.split(f"\n{heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert rows is not None
    cells = [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows[0].splitlines()]
    return cells[2:]


def test_the_commands_are_those_of_the_program() -> None:
    """README's table of commands is complete."""
    assert [row[0] for row in table("## Commands")] == [f"gateway {name}" for name in COMMANDS]


def test_the_variables_are_those_of_the_program() -> None:
    """README's table of variables is complete; GATEWAY_CONFIG is the command line's."""
    assert {row[0] for row in table("## Configuration")} == {v.name for v in ENVIRONMENT} | {"GATEWAY_CONFIG"}


def test_the_errors_are_those_of_the_program() -> None:
    """Every code and its status stand in README, and no others."""
    known = {code: str(kind.status) for code, kind in CATALOGUE.items()} | {GatewayError.code: "500"}
    assert {row[0]: row[1] for row in table("## Errors")} == known


def test_the_metrics_are_those_of_the_program() -> None:
    """Every metric with its labels stands in README, and no others."""
    known = {}
    for metric, names in Catalogue().registry._collector_to_names.items():
        if not names:
            continue  # process_*: prometheus_client's, which declares none
        name = metric._name + ("_total" if metric._type == "counter" else "")  # type: ignore[attr-defined]
        known[name] = ", ".join(metric._labelnames)  # type: ignore[attr-defined]
    assert {row[0]: row[1] for row in table("## Metrics")} == known


def test_the_make_targets_of_readme_exist() -> None:
    """Every `make` command that README names is a target."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test"} <= set(re.findall(r"make ([a-z]+)", README)) & targets
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets


def test_the_schema_is_current() -> None:
    """config/gateway.schema.json is what `gateway config schema` prints."""
    assert json.loads((ROOT / "config/gateway.schema.json").read_text()) == schema(Config)


def test_the_sample_is_valid_and_complete() -> None:
    """config/gateway.yaml loads, and documents every key there is."""
    path = ROOT / "config/gateway.yaml"
    load(Config, path, {"BFL_API_KEY": "a-key-of-bfl", "OPENAI_API_KEY": "a-key-of-openai"})
    written = set(keys(yaml.safe_load(path.read_text())))
    assert set(schema_keys(schema(Config))) - written == set()


def test_the_local_configuration_is_valid() -> None:
    """config/local.yaml needs nothing but a key for BFL."""
    config = load(Config, ROOT / "config/local.yaml", {"BFL_API_KEY": "a-key-of-bfl"})
    assert config.routes.edits == ("bfl",)


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE"])
def test_the_papers_are_there(name: str) -> None:
    """What a stranger looks for first is not empty."""
    assert (ROOT / name).stat().st_size > 500


def keys(value: Any, prefix: str = "") -> list[str]:
    """Dotted paths of a document; platform ids are left out of them, list items too."""
    if isinstance(value, list):
        return [path for item in value for path in keys(item, prefix)]
    if not isinstance(value, dict):
        return []
    found = []
    for key, inner in value.items():
        place = "platforms.*" if prefix == "platforms" else f"{prefix}.{key}".lstrip(".")
        found += [place, *keys(inner, place)]
    return found


def schema_keys(document: dict[str, Any]) -> list[str]:
    """Dotted paths of every key that the schema allows."""

    def walk(node: dict[str, Any], prefix: str) -> list[str]:
        if "$ref" in node:
            node = document["$defs"][node["$ref"].rsplit("/", 1)[1]]
        found = []
        for key, inner in node.get("properties", {}).items():
            place = f"{prefix}.{key}".lstrip(".")
            found += [place, *walk(inner, place)]
        for inner in (*node.get("anyOf", ()), *node.get("oneOf", ()), *([node["items"]] if "items" in node else ())):
            found += walk(inner, prefix)
        extra = node.get("additionalProperties") or next(iter(node.get("patternProperties", {}).values()), None)
        if isinstance(extra, dict) and prefix == "platforms":
            found += walk(extra, "platforms.*")
        return found

    return walk(document, "")
