"""The configurations of README's cookbook: each is valid, says what it needs, and does what it says."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.cli.config import config as config_command
from gateway.cli.route import route
from gateway.config.environment import ENVIRONMENT
from gateway.config.interpolate import interpolate
from gateway.config.schema import Config
from gateway.config.show import schema
from tests.fakes.recipes import RECIPES, VARIABLE, environment, needed, opening
from tests.test_docs import README, keys, schema_keys

NAMES = ("flux-then-openai", "migration", "one-account", "photos-and-masks", "regions")
OPTIONAL = {"EGRESS_PROXY": "http://proxy.example.com:3128"}


def check(monkeypatch: pytest.MonkeyPatch, recipe: str, environ: dict[str, str]) -> Result:
    use(monkeypatch, environ)
    return CliRunner().invoke(config_command, ["check", "--config", str(RECIPES[recipe])])


def use(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Make this the environment, as far as a configuration can see it."""
    every = {variable for name in NAMES for variable in needed(name)} | set(OPTIONAL)
    for variable in every | {each.name for each in ENVIRONMENT} | {"GATEWAY_CONFIG"}:
        monkeypatch.delenv(variable, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


# What is written.


def test_these_are_the_recipes() -> None:
    """Nothing in the folder goes untested."""
    assert tuple(RECIPES) == NAMES


@pytest.mark.parametrize("recipe", NAMES)
def test_it_says_which_variables_it_needs(recipe: str) -> None:
    """Those that it names without a default, and besides only such as fill a key that it leaves out."""
    text = RECIPES[recipe].read_text()
    asked = interpolate(text, {}).names
    wanted = {name for name in asked if f"${{{name}}}" in text}
    assert wanted <= set(needed(recipe)) <= wanted | {"FORWARD_KEY"}
    assert set(asked) - wanted <= set(VARIABLE.findall(opening(recipe))) | {
        name for name in asked if name.endswith("_BASE_URL")
    }


@pytest.mark.parametrize("recipe", NAMES)
def test_it_is_valid(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables it asks for, each of which counts; without any one of them it is not."""
    environ = environment(recipe)
    told = check(monkeypatch, recipe, environ)
    assert (told.exit_code, told.stderr) == (0, "")
    optional = {name: value for name, value in OPTIONAL.items() if name in opening(recipe)}
    assert check(monkeypatch, recipe, environ | optional).exit_code == 0
    for name in environ.keys() - {"FORWARD_KEY"}:
        told = check(monkeypatch, recipe, {key: value for key, value in environ.items() if key != name})
        assert (told.exit_code, f"environment variable {name} is not set" in told.stderr) == (2, True)


def test_together_they_show_every_key_of_routes() -> None:
    """Of a rule, a target, and what a platform may be told about models."""
    written = {key for path in RECIPES.values() for key in keys(yaml.safe_load(path.read_text()))}
    every = {key for key in schema_keys(schema(Config)) if key.startswith("routes.")}
    models = {"models", "default_model", "default_generation_model", "aliases", "defaults", "unknown_fields"}
    every |= {f"platforms.*.{key}" for key in models | {"image_model", "image_model_fallback", "proxy", "ca_file"}}
    every |= {f"auth.keys.{key}" for key in ("id", "hash", "models", "paths", "limits", "weight", "expires")}
    every |= {f"clients.{key}" for key in ("trusted_proxies", "allow", "deny")} | {"jobs.breaker", "signature.mode"}
    assert every - written == set()


def test_readme_shows_each() -> None:
    """By link, and with a piece of it word for word."""
    section = README.split("\n## Routing cookbook\n")[1].split("\n## ")[0]
    parts = section.split("\n### ")[1:]
    assert len(parts) == len(RECIPES)
    for part in parts:
        (name,) = set(re.findall(r"\]\(config/recipes/([a-z-]+)\.yaml\)", part))
        (piece,) = re.findall(r"^```yaml\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
        assert f"\n{piece}" in RECIPES[name].read_text(), name


# Where requests go, told by `gateway route`.

GENERATIONS = "--path /v1/images/generations"
CHAT = "--path /v1/chat/completions"
LIST = "the list of this path: no rule matches"
PRO, MAX, FILL = "bfl/flux-kontext-pro", "bfl/flux-kontext-max", "bfl/flux-pro-1.0-fill"
TEXT, KLEIN4, KLEIN9 = "bfl/flux-pro-1.1", "bfl/flux-2-klein-4b", "bfl/flux-2-klein-9b"
AS_IT_CAME, FALLBACK = "openai with the model as it came", "openai with model gpt-image-2"

# Recipe, what `gateway route` is asked, the rule that wins, and the targets in order, or the refusal.
DECISIONS = [
    ("one-account", "--caller studio", LIST, [PRO]),
    ("one-account", "--caller studio --model gpt-image-2", LIST, [PRO]),
    ("one-account", "--caller studio --model final", LIST, ["bfl/flux-2-pro"]),
    ("one-account", f"--caller studio {GENERATIONS}", LIST, [TEXT]),
    ("one-account", "--caller studio --model flux-2-max", LIST, "404 model_not_found"),
    ("one-account", "--caller website --model dall-e-3", LIST, [PRO]),
    ("one-account", "--caller website --model flux-kontext-max", LIST, "403 model_not_allowed"),
    ("one-account", f"--caller website {GENERATIONS}", None, "403 path_not_allowed"),
    ("one-account", "--caller trial-agency --model flux-kontext-max", "trials", [KLEIN4]),
    ("one-account", f"--caller trial-agency {GENERATIONS}", "trials", [KLEIN4]),
    ("flux-then-openai", "", "pictures", [PRO, FALLBACK]),
    ("flux-then-openai", "--model flux-kontext-max", "pictures", [MAX, FALLBACK]),
    ("flux-then-openai", "--model gpt-image-2.6-flare", "pictures", [PRO, "openai with model gpt-image-2.6-flare"]),
    ("flux-then-openai", "--model gpt-image-2.5-sunburst", "pictures", [PRO, AS_IT_CAME]),
    ("flux-then-openai", GENERATIONS, "pictures", [TEXT, FALLBACK]),
    ("flux-then-openai", f"{GENERATIONS} --header X-ImageModel:openai", "pictures", [FALLBACK, TEXT]),
    ("flux-then-openai", "--mask", "masks", [FILL, FALLBACK]),
    ("flux-then-openai", CHAT, LIST, [AS_IT_CAME]),
    ("flux-then-openai", "--path /v1/images/variations", LIST, [AS_IT_CAME]),
    ("photos-and-masks", "--pixels 12MP", LIST, [PRO]),
    ("photos-and-masks", "--pixels 6000x4000", "large-photos", [MAX]),
    ("photos-and-masks", "--pixels 6000x4000 --mask", "masks", [PRO]),
    ("photos-and-masks", "--images 5 --pixels 6000x4000", "collages", ["bfl/flux-2-pro"]),
    ("photos-and-masks", "--n 5", "drafts", [KLEIN9]),
    ("photos-and-masks", f"--n 5 {GENERATIONS}", "drafts", [KLEIN9]),
    ("photos-and-masks", GENERATIONS, LIST, [TEXT]),
    ("migration", "--caller shop --model gpt-image-2", "share", [FALLBACK, PRO]),
    ("migration", "--caller shop --model gpt-image-2 --chance 0.89", "share", [FALLBACK, PRO]),
    ("migration", "--caller shop --model gpt-image-2 --chance 0.91", "share", [PRO, FALLBACK]),
    ("migration", "--caller shop --model gpt-image-2 --header X-ImageModel:flux", "share", [PRO, FALLBACK]),
    ("migration", "--caller shop", LIST, [AS_IT_CAME, PRO]),
    ("migration", "--caller shop --model house-style", LIST, [FALLBACK]),
    ("migration", "--caller shop --model flux", LIST, [PRO, FALLBACK]),
    ("migration", "--caller shop --model flux --header X-ImageModel:openai", LIST, [FALLBACK, PRO]),
    ("migration", f"--caller shop --model gpt-image-2 {GENERATIONS}", LIST, [FALLBACK]),
    ("migration", f"--caller shop --header X-ImageModel:flux {GENERATIONS}", LIST, [TEXT, AS_IT_CAME]),
    ("migration", "--caller pilot-search --model gpt-image-2", "pilots", [PRO, FALLBACK]),
    ("migration", f"--caller pilot-search --model dall-e-3 {GENERATIONS}", "pilots", [TEXT, FALLBACK]),
    ("migration", "--caller shop --model gpt-image-1", "share", [FALLBACK, PRO]),
    ("flux-then-openai", "--model gpt-image-1", "pictures", [PRO, FALLBACK]),
    ("migration", f"--caller batch {GENERATIONS}", "batch", ["openai-small with model gpt-image-2.6-flare"]),
    ("migration", f"--caller batch {CHAT}", LIST, [AS_IT_CAME]),
    ("regions", "--caller eu-desk", "eu-pictures", ["bfl-eu/flux-kontext-pro"]),
    ("regions", f"--caller eu-desk {GENERATIONS}", "eu-pictures", ["bfl-eu/flux-pro-1.1"]),
    ("regions", f"--caller eu-desk {CHAT}", "eu-other", ["openai-eu with the model as it came"]),
    ("regions", "--caller us-desk", LIST, ["bfl-us/flux-kontext-pro", "bfl-eu/flux-kontext-pro"]),
    ("regions", "--caller us-desk --model gpt-image-2", LIST, "404 model_not_found"),
    ("regions", "--caller us-desk --header X-Data-Region:eu", "eu-marked-pictures", ["bfl-eu/flux-kontext-pro"]),
    ("regions", f"--caller us-desk --header X-Data-Region:eu {CHAT}", "eu-marked-other", ["openai-eu with the model"]),
    ("regions", f"--caller us-desk {CHAT}", LIST, [AS_IT_CAME]),
]


@pytest.mark.parametrize(("recipe", "asked", "rule", "expected"), DECISIONS)
def test_where_a_request_goes(
    recipe: str, asked: str, rule: str | None, expected: list[str] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule and the targets, by the code that chooses."""
    use(monkeypatch, environment(recipe))
    told = CliRunner().invoke(route, ["--config", str(RECIPES[recipe]), *shlex.split(asked)])
    won = re.findall(r"^yes  (.*)$", told.output, re.MULTILINE)
    targets = re.findall(r"^ +[0-9]+\. ([^;\n]*)", told.output, re.MULTILINE)
    assert won == ([] if rule is None else [rule]), told.output
    if isinstance(expected, str):
        assert (told.exit_code, targets, expected in told.output) == (1, [], True), told.output
    else:
        assert (told.exit_code, len(targets)) == (0, len(expected)), told.output
        assert all(map(str.startswith, targets, expected)), told.output


@pytest.mark.parametrize("recipe", NAMES)
def test_every_rule_wins_once(recipe: str) -> None:
    """The table above leaves none out."""
    written: dict[str, Any] = yaml.safe_load(RECIPES[recipe].read_text())
    rules = {rule["name"] for rule in written["routes"]["rules"]}
    assert rules == {rule for name, _, rule, _ in DECISIONS if name == recipe} - {None, LIST}


@pytest.mark.parametrize("recipe", NAMES)
def test_what_only_passes_through_is_streamed(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule makes the gateway hold bodies that it need not read."""
    use(monkeypatch, environment(recipe))
    told = CliRunner().invoke(route, ["--config", str(RECIPES[recipe]), *shlex.split(CHAT)])
    relays = "kind: openai" in RECIPES[recipe].read_text()
    assert ("body is streamed without being held" in told.output) is True
    assert ("no platform serves this path" in told.output) is not relays
