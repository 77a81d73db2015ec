"""What a check has found, in plain words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Mark(IntEnum):
    """Ordered: the worst of several is the largest."""

    FINE = 0
    WARNING = 1
    PROBLEM = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """
    `text` says what is, `advice` what to do about it; what is fine needs none. `platform` is the operator's id of the
    platform that was looked at.
    """

    check: str
    mark: Mark
    text: str
    advice: str = ""
    platform: str | None = None


def fine(check: str, text: str, platform: str | None = None) -> Finding:
    return Finding(check, Mark.FINE, text, platform=platform)


def warning(check: str, text: str, advice: str, platform: str | None = None) -> Finding:
    return Finding(check, Mark.WARNING, text, advice, platform)


def problem(check: str, text: str, advice: str, platform: str | None = None) -> Finding:
    return Finding(check, Mark.PROBLEM, text, advice, platform)


def worst(findings: Iterable[Finding]) -> Mark:
    return max((finding.mark for finding in findings), default=Mark.FINE)
