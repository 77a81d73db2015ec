"""What README says is what the program does."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.chain.cors import EXPOSED
from gateway.cli import COMMANDS
from gateway.config.environment import ENVIRONMENT
from gateway.config.load import load
from gateway.config.schema import Config
from gateway.config.show import schema
from gateway.dialects.openai import ratelimit
from gateway.domain.errors import CATALOGUE, GatewayError
from gateway.telemetry.catalogue import Catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
# Where answers are made. Towards platforms and in the emulator there are other headers.
ANSWERING = ("chain", "handlers", "dialects", "upstream/hop.py")
# What HTTP and browsers define: nobody has to read about it here.
EVERYBODYS = re.compile(
    r"access-control-.*|(accept|content)-.*|cache-control|www-authenticate|x-content-type-options|x-accel-buffering"
)


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


def test_the_headers_are_those_of_the_program() -> None:
    """Every response header that the code sets stands in README, and no others; browsers may read them all."""
    ours = {name for name in set_headers() if not EVERYBODYS.fullmatch(name)}
    assert {"x-request-id", "retry-after", "x-gateway-attempts"} <= ours
    known = ours | {name.lower() for name in ratelimit.NAMES}
    told = set()
    for row in table("### Answers"):
        for name in row[0].lower().split(", "):
            told |= {each for each in known if fits(name, each)} or {name}
    assert told == known
    assert set(EXPOSED.lower().split(", ")) == known


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


def fits(written: str, name: str) -> bool:
    """`x-ratelimit-limit-*` stands for several."""
    return name.startswith(written[:-1]) if written.endswith("-*") else name == written


def set_headers() -> set[str]:
    """Names, in lower case, that are given a value in the headers of an answer anywhere in the code."""
    files = [path for place in ANSWERING for path in ([ROOT / "gateway" / place] if "." in place else sources(place))]
    names = (name for path in files for node in ast.walk(ast.parse(path.read_text())) for name in given(node))
    # One without a dash, such as Allow, is HTTP's own.
    return {name.lower() for name in names if "-" in name}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / "gateway" / package).rglob("*.py"))


def given(node: ast.AST) -> Iterator[str]:
    """The names in `headers["Name"] = …`, `headers.setdefault("Name", …)`, `{"Name": …}` and their like."""
    match node:
        case ast.Subscript(
            value=ast.Name(id="headers" | "found"), slice=ast.Constant(value=str(name)), ctx=ast.Store()
        ):
            yield name
        case ast.Subscript(value=ast.Attribute(attr="headers"), slice=ast.Constant(value=str(name)), ctx=ast.Store()):
            yield name
        case ast.Call(func=ast.Attribute(attr="setdefault" | "add"), args=[ast.Constant(value=str(name)), _]):
            yield name
        case ast.Dict(keys=keys):
            yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


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
