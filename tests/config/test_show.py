from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from gateway.config.show import schema, show
from tests.config.toy import Toy, load_text

TEXT = """\
platforms:
  bfl: {kind: bfl, api_key: "${K}", models: {"a: b": "c # d\\ne"}}
  openai: {kind: openai, api_keys: [s3cr3t-2, s3cr3t-3]}
routes: {edits: [bfl]}
memory: {budget: 1024KiB}
"""


def test_everything_in_force_is_shown_but_secrets(tmp_path: Path) -> None:
    """Defaults included, quantities spelled, keys masked; what is shown is YAML."""
    text = show(load_text(tmp_path, TEXT, {"K": "s3cr3t-1"}).config)
    assert "s3cr3t" not in text
    shown = yaml.safe_load(text)
    assert shown["platforms"]["bfl"]["api_key"] == "***"
    assert shown["platforms"]["openai"]["api_keys"] == ["***", "***"]
    assert shown["platforms"]["bfl"]["answer_within"] == "300s"
    assert shown["memory"] == {"budget": "1MiB"}
    assert shown["listen"] == {"host": "127.0.0.1", "port": 8080}
    assert list(shown) == list(Toy.model_fields)


def test_what_is_shown_can_be_loaded_again(tmp_path: Path) -> None:
    """Without secrets it is the same configuration."""
    config = load_text(tmp_path, "memory: {budget: 1000}\nlisten: {host: 'no'}\nstate_dir: é\n").config
    assert load_text(tmp_path, show(config)).config == config


def test_origins_are_told_behind_each_value(tmp_path: Path) -> None:
    """File and place, variable, option, or default; the text stays YAML with the same values."""
    loaded = load_text(tmp_path, TEXT, {"K": "k", "GATEWAY_HOST": "::"}, port="1")
    text = show(loaded.config, loaded.origins)
    lines = [line.strip() for line in text.replace(f"{tmp_path}/", "").splitlines()]
    assert "host: '::'  # environment GATEWAY_HOST" in lines
    assert "port: 1  # command line --port" in lines
    assert "budget: 1MiB  # gateway.yaml:5:18" in lines
    assert "api_key: '***'  # gateway.yaml:2:29" in lines
    assert "- bfl  # gateway.yaml:4:18" in lines
    assert "generations: []  # default" in lines
    assert yaml.safe_load(text) == yaml.safe_load(show(loaded.config))


def test_schema_describes_the_file() -> None:
    """Dialect first, unknown keys refused everywhere, secrets write-only, the same text each time."""
    described = schema(Toy)
    assert next(iter(described)) == "$schema"
    assert described["title"] == "Toy"
    objects = [node for node in (described, *described["$defs"].values()) if "properties" in node]
    assert len(objects) == 8
    assert all(node["additionalProperties"] is False for node in objects)
    assert described["$defs"]["Bfl"]["properties"]["api_key"]["writeOnly"] is True
    assert list(described["properties"]) == list(Toy.model_fields)
    assert json.dumps(described) == json.dumps(schema(Toy))


def test_schema_accepts_a_variable_for_a_number() -> None:
    """`port: ${PORT:-8080}` is right in the editor as well; a wrong word stays wrong."""
    port = schema(Toy)["$defs"]["Listen"]["properties"]["port"]
    number, text = port["anyOf"]
    assert number == {"type": "integer", "minimum": 0, "maximum": 65535}
    assert (port["default"], port["description"]) == (8080, "TCP port")
    assert re.search(text["pattern"], "${PORT:-8080}")
    assert not re.search(text["pattern"], "eighty")


def test_schema_takes_words_for_names_and_names_for_names() -> None:
    """A key called like one of the schema's own words is only a key."""

    class Odd(BaseModel):
        type: str = "integer"
        properties: int = 1
        items: list[int] = []

    described: dict[str, Any] = schema(Odd)
    assert list(described["properties"]) == ["type", "properties", "items"]
    assert described["properties"]["type"] == {"default": "integer", "title": "Type", "type": "string"}
    assert described["properties"]["items"]["items"]["anyOf"][0] == {"type": "integer"}
    assert "anyOf" not in described
