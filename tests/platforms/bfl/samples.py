"""Answers as BFL gives them: `tests/samples/bfl/<call>.<case>.<status>.json` with headers and body."""

from __future__ import annotations

import json
from pathlib import Path

from multidict import CIMultiDict

from gateway.wire.call import Answer

FOLDER = Path(__file__).parents[2] / "samples" / "bfl"
NAMES = sorted(path.name.removesuffix(".json") for path in FOLDER.glob("*.json"))


def sample(name: str) -> Answer:
    """The answer of that name; a body that is text there was not JSON."""
    told = json.loads((FOLDER / f"{name}.json").read_text())
    body = told["body"] if isinstance(told["body"], str) else json.dumps(told["body"])
    return Answer(int(name.rsplit(".", 1)[1]), CIMultiDict(told["headers"]), body.encode())
