"""What is said of clients' keys: what each opens, which ones end, and which everybody knows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.chain.samples import SAMPLES
from gateway.chain.settings import AuthSettings
from gateway.cli.checks.finding import Finding, Mark, worst
from gateway.cli.checks.keys import keys

NOW = 1_767_225_600.0  # 1 January 2026
DEPLOY = Path(__file__).parents[3] / "config/deploy"


def found(*entries: dict[str, Any], relays: bool = False) -> list[Finding]:
    written = [{"hash": f"sha256:{place:064x}", **entry} for place, entry in enumerate(entries)]
    return list(keys(AuthSettings.model_validate({"keys": written}), NOW, relays=relays))


def test_none() -> None:
    """Which has a meaning of its own."""
    (only,) = found()
    assert only.mark is Mark.FINE and "none, so only this machine" in only.text


def test_what_they_open() -> None:
    """One line for those that open the same, however many; a whole account is called one."""
    guests = [{"id": f"guest-{number}", "models": ["flux-2-*"]} for number in range(7)]
    files: dict[str, Any] = {"id": "files", "paths": ["/v1/files*"]}
    told = [each.text for each in found({"id": "all"}, *guests, files, relays=True)]
    assert told == [
        "all opens pictures with every model; of what is relayed everything: files, batches, stored responses, vector "
        "stores, fine-tuning",
        "guest-0, guest-1, guest-2, guest-3, guest-4 and 2 more open pictures, chat, responses and embeddings with "
        "flux-2-*, the list of these models and its own jobs; nothing else",
        "files opens /v1/files* with every model",
    ]
    assert [each.text for each in found({"id": "all"}, relays=False)] == ["all opens pictures with every model"]


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (["2026-01-16"], None),
        (["2025-12-31", "2026-01-15"], "expired: k0 (2025-12-31); end within 14 days: k1 (2026-01-15)"),
        (["2026-01-01"], "expired: k0 (2026-01-01)"),
        (["2026-01-01T00:00:01Z"], "end within 14 days: k0 (2026-01-01)"),
    ],
)
def test_their_ends(ends: list[str], words: str | None) -> None:
    """Named two weeks before, with the day."""
    told = found(*({"id": f"k{place}", "expires": day} for place, day in enumerate(ends)))
    warnings = [each.text for each in told if each.mark is Mark.WARNING]
    assert warnings == ([words] if words else [])


def test_the_samples_key_opens_nothing_in_earnest() -> None:
    """The one of env.example is in the public source; whoever copied it is told."""
    (sample,) = [
        line.partition("=")[2]
        for line in (DEPLOY / "env.example").read_text().splitlines()
        if line.startswith("FORWARD_KEY=")
    ]
    assert sample in SAMPLES
    told = found({"id": "mine"}, {"id": "copied", "hash": f"sha256:{hashlib.sha256(sample.encode()).hexdigest()}"})
    assert worst(told) is Mark.PROBLEM
    assert [each.text for each in told if each.mark is Mark.PROBLEM] == [
        "copied is the sample's, which everybody knows"
    ]
