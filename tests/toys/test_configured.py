"""What an operator sees of platforms that a folder added: complaints, the schema, the routes."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.config.schema import Config
from tests.fakes.program import run
from tests.toys.configured import PROGRAM, document, written
from tests.toys.vendors import KEY


def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path: Path) -> None:
    """Of a kind that a folder brings as of every other."""
    wrong = document("https://toys.example")
    wrong["platforms"]["tortoise"] |= {"max_active_tasks": 0, "speed": "high"}
    told = run(tmp_path, "config", "check", "--config", written(tmp_path, wrong), program=PROGRAM, TOY_KEY=KEY)
    assert told.returncode != 0
    assert "platforms.tortoise.max_active_tasks" in told.stdout + told.stderr
    assert "unknown key" in told.stdout + told.stderr
    wrong["platforms"]["bunny"]["kind"] = "hedgehog"
    told = run(tmp_path, "config", "check", "--config", written(tmp_path, wrong), program=PROGRAM, TOY_KEY=KEY)
    assert "should be one of: bfl, hare, openai, turtle" in told.stdout + told.stderr


def test_the_schema_for_editors_has_them(tmp_path: Path) -> None:
    """As `gateway config schema` writes it; without the folders it has not."""
    told = json.loads(run(tmp_path, "config", "schema", program=PROGRAM).stdout)
    assert {"TurtleSettings", "HareSettings"} <= set(told["$defs"])
    assert "TurtleSettings" not in Config.model_json_schema()["$defs"]


def test_routes_are_explained(tmp_path: Path) -> None:
    """Where a request would go, and why."""
    file = written(tmp_path, document("https://toys.example"))
    options = ("route", "--config", file, "--path", "/v1/images/edits", "--model", "turtle-1")
    told = run(tmp_path, *options, program=PROGRAM, TOY_KEY=KEY)
    assert told.returncode == 0, told.stderr
    assert "tortoise/turtle-1" in told.stdout
