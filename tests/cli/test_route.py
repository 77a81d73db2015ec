"""`gateway route`: told by the code that chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.route import route
from gateway.config.environment import ENVIRONMENT

FILE = """\
route_prefix: /ai
auth:
  keys:
    - {id: alice, hash: "sha256:ALICE", models: [flux-kontext-pro], paths: [/v1/images/*]}
    - {id: carol, hash: "sha256:CAROL", models: [flux-kontext-pro, gpt-5]}
platforms:
  bfl: {kind: bfl, api_key: a-key-of-bfl, models: [flux-kontext-pro, flux-kontext-max]}
  openai: {kind: openai, api_keys: [a-key-of-openai]}
routes:
  edits: [bfl]
  rules:
    - name: many
      match: {images: ">1"}
      to: [bfl/flux-kontext-max]
    - name: mixed
      match: {header: {X-Team: art}, pixels: "<=24MP", mask: false}
      to:
        - {platform: bfl, weight: 9, pins: {n: "1"}, defaults: {seed: "7"}}
        - {platform: openai, model: gpt-image-2, weight: 1}
""".replace("ALICE", "0" * 64).replace("CAROL", "1" * 64)

Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    for variable in (*(each.name for each in ENVIRONMENT), "GATEWAY_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    file = tmp_path / "gateway.yaml"
    file.write_text(FILE)
    return lambda *arguments: CliRunner().invoke(route, ["--config", str(file), *arguments])


def test_the_first_rule_wins(ask: Ask) -> None:
    """One target, no reason needed before it."""
    assert ask("--images", "2").output.splitlines() == [
        "yes  many",
        "  1. bfl/flux-kontext-max; mask refuse; oversize refuse; convert refuse; size_policy model",
        "body is read: rule many asks for images",
    ]


def test_why_earlier_rules_do_not(ask: Ask) -> None:
    """Every condition that does not hold; then the targets in order with their terms, and how they are drawn."""
    told = ask("--header", "X-Team: art", "--pixels", "6000x4000", "--model", "gpt-image-2")
    assert told.output.splitlines() == [
        "no   many: images is 1, not >1",
        "yes  mixed",
        "  1. bfl/flux-kontext-pro; defaults seed=7; pins n=1; mask refuse; oversize refuse; convert refuse; "
        "size_policy model",
        "  2. openai with model gpt-image-2",
        "     the first is drawn: bfl/flux-kontext-pro 90%, openai with model gpt-image-2 10%",
        "body is read: rule many asks for images",
    ]
    drawn = ask("--header", "X-Team:art", "--chance", "0.95").output.splitlines()
    assert drawn[2] == "  1. openai with model gpt-image-2"


def test_nothing_matches(ask: Ask) -> None:
    """All of what is missing is told, and what the list comes to."""
    told = ask("--path", "/ai/v1/images/edits", "--pixels", "24.1MP", "--mask", "--model", "flux-9")
    assert (told.exit_code, told.output.splitlines()) == (
        1,
        [
            "no   many: images is 1, not >1",
            "no   mixed: header X-Team is absent, not art; pixels is 24100000, not <=24MP; a mask came",
            "yes  the list of this path: no rule matches",
            "     without bfl: has no such model",
            "     404 model_not_found: The model 'flux-9' does not exist here. Known for this path: flux-kontext-max, "
            "flux-kontext-pro, flux1_kontext.",
            "body is read: rule many asks for images",
        ],
    )


def test_a_caller(ask: Ask) -> None:
    """With what the configuration allows the key."""
    assert "403 model_not_allowed" in ask("--caller", "alice", "--images", "2").output
    told = ask("--caller", "alice", "--path", "/v1/files")
    assert (told.exit_code, told.output) == (1, "     403 path_not_allowed: the key is not for /v1/files\n")
    unknown = ask("--caller", "bob")
    assert (unknown.exit_code, "no key is called 'bob'; there are: alice, carol." in unknown.output) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--path", "/v1/files", "--method", "GET"], "403 path_not_allowed"),
        (["--path", "/v1/chat/completions", "--method", "GET"], "403 path_not_allowed"),
        (["--path", "/v1/chat/completions"], "403 model_not_allowed"),
        (["--path", "/v1/chat/completions", "--model", "o9"], "403 model_not_allowed"),
        (["--path", "/v1/chat/completions", "--model", "gpt-5"], "body is read: the key allows certain models"),
    ],
)
def test_a_caller_with_models(ask: Ask, arguments: list[str], told: str) -> None:
    """As the gateway would answer: what tells its model is open, and nothing else."""
    result = ask("--caller", "carol", *arguments)
    assert (result.exit_code, told in result.output) == (int("403" in told), True), result.output


@pytest.mark.parametrize("path", ["/ai/v1/v1/images/edits", "/v1/images/edit", "/images/edits"])
def test_a_misspelled_path(ask: Ask, path: str) -> None:
    """What is served nowhere is told the path that was meant."""
    told = ask("--path", path)
    assert told.exit_code == 1
    assert "404 not_found" in told.output and "Did you mean /ai/v1/images/edits?" in told.output


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--path", "/v1/chat/completions"], "body is streamed without being held"),
        (["--path", "/openai/deployments/gpt-image-2/images/generations"], "body is streamed without being held"),
        (["--path", "/v1/models", "--method", "GET"], "/v1/models is answered by the gateway itself"),
    ],
)
def test_other_paths(ask: Ask, arguments: list[str], line: str) -> None:
    """What is relayed, and what is not."""
    told = ask(*arguments)
    assert (told.exit_code, told.output.splitlines()[-1]) == (0, line)


def test_what_nobody_serves(ask: Ask, tmp_path: Path) -> None:
    """Exit code 1, as for every request that would be refused."""
    told = ask("--path", "/metrics")
    assert (told.exit_code, told.output.splitlines()[-1]) == (1, "nothing lives at /metrics")
    (tmp_path / "gateway.yaml").write_text("route_prefix: /ai\n")
    for path in ("/ai/v1/images/edits", "/ai/v1/chat/completions"):
        told = ask("--path", path)
        assert told.exit_code == 1 and "no platform serves this path" in told.output


@pytest.mark.parametrize(
    "arguments",
    [["--header", "X-Team"], ["--header", ":art"], ["--pixels", "large"], ["--n", "0"], ["--method", "GET"]],
)
def test_what_is_no_request(ask: Ask, arguments: list[str]) -> None:
    """Usage, not a guess."""
    assert ask(*arguments).exit_code == 2
