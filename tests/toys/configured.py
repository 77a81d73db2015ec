"""A configuration with an account at each of the two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

PROGRAM = (sys.executable, "-m", "tests.toys")


def document(url: str) -> dict[str, Any]:
    account = {"base_url": url, "api_key": "${TOY_KEY}"}
    return {
        "listen": {"port": 0},
        "admin": {"port": 0},
        "platforms": {"tortoise": {"kind": "turtle", **account}, "bunny": {"kind": "hare", **account}},
        "routes": {"edits": ["bunny", "tortoise"], "generations": ["tortoise"]},
    }


def written(home: Path, document: Any) -> str:
    file = home / "toys.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)
