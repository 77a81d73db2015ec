"""Prometheus' own tools, and what the rule files say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus/rules"
TESTS = Path(__file__).parent / "rules"


def rules(file: str) -> list[dict[str, Any]]:
    """Every rule of a file below config/prometheus/rules, in order."""
    return [rule for group in yaml.safe_load((RULES / file).read_text())["groups"] for rule in group["rules"]]


RECORDING, ALERTS = rules("recording.yml"), rules("alerts.yml")

# Words of PromQL, which are no labels where labels stand.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"(?<![\w:.])(gateway[_:][\w:]+|process_\w+|up|scrape_\w+)(?:\s*\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics that an expression reads, each with the labels it is narrowed by."""
    found = []
    for name, matchers in _NAME.findall(_STRING.sub('""', expression)):
        found.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))))
    return found


def groupings(expression: str) -> set[str]:
    """The labels that an expression groups or joins by."""
    return {label for names in _GROUPING.findall(expression) for label in re.findall(r"\w+", names)}
