"""Rules and lists that lead nowhere are told when the file is read, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problem import ConfigError
from gateway.config.schema import Config

BASE = """\
platforms:
  bfl: {kind: bfl, api_key: a-key-of-bfl, models: [flux-kontext-pro, flux-kontext-max]}
  fill: {kind: bfl, api_key: a-key-of-bfl, models: [flux-pro-1.0-fill], default_model: flux-pro-1.0-fill, aliases: {}}
  openai: {kind: openai, api_keys: [a-key-of-openai], aliases: {pictures: gpt-image-2}}
routes:
"""


def problems(folder: Path, routes: str) -> list[str]:
    """`line:column: key: text` of each."""
    file = folder / "gateway.yaml"
    file.write_text(BASE + routes)
    try:
        load(Config, file, {})
    except ConfigError as error:
        return [str(each).removeprefix(f"{file}:") for each in error.problems]
    return []


def rule(text: str) -> str:
    return f"  rules:\n  - {{name: a, {text}}}\n"


def test_lists_lead_somewhere(tmp_path: Path) -> None:
    """All problems of all lists at once; a relay takes any model."""
    assert problems(tmp_path, "  edits: [fal, bfl/flux-9, openai/x, bfl/flux1_kontext]\n  generations: [openai]\n") == [
        "6:11: routes.edits[0]: no platform is called 'fal'; configured are: bfl, fill, openai (found 'fal')",
        "6:16: routes.edits[1]: 'flux-9' is no model of bfl; known: flux-kontext-pro, flux-kontext-max, flux1_kontext "
        "(found 'bfl/flux-9')",
    ]


def test_rules_lead_somewhere(tmp_path: Path) -> None:
    """Targets as text and written out."""
    text = "  rules:\n  - {name: a, to: [fal, bfl/none]}\n  - {name: a, to: [{platform: bfl, model: odd}]}\n"
    known = "known: flux-kontext-pro, flux-kontext-max, flux1_kontext"
    assert problems(tmp_path, text) == [
        "7:20: routes.rules[0].to[0]: no platform is called 'fal'; configured are: bfl, fill, openai (found 'fal')",
        f"7:25: routes.rules[0].to[1]: 'none' is no model of bfl; {known} (found 'bfl/none')",
        "8:12: routes.rules[1].name: another rule is called 'a'; names are unique (found 'a')",
        f"8:43: routes.rules[1].to[0].model: 'odd' is no model of bfl; {known} (found 'odd')",
    ]


@pytest.mark.parametrize(
    ("match", "key", "text"),
    [
        ("kind: edit, path: /v1/chat/*", "kind", "edits have the path /v1/images/edits"),
        ("path: [/images/edits, /chat]", "path", "every path begins with /v1/"),
        ("n: <1", "n", "nothing comes with n <1"),
        ("n: 0", "n", "nothing comes with n 0"),
        ("kind: edit, images: 0", "images", "nothing comes with images 0"),
        ("kind: generation, images: '>0'", "images", "nothing comes with images >0"),
        ("kind: generation, pixels: '>1MP'", "pixels", "nothing comes with pixels >1MP"),
        ("path: /v1/images/generations, mask: true", "mask", "a mask comes with edits only"),
    ],
)
def test_what_no_request_is_like(tmp_path: Path, match: str, key: str, text: str) -> None:
    """A rule that can never match is a mistake of its author's."""
    [told] = problems(tmp_path, rule(f"match: {{{match}}}, to: [openai]"))
    assert f" routes.rules[0].match.{key}: can never match: {text}" in told


@pytest.mark.parametrize("match", ["path: '*/edits'", "path: /v1*", "path: '/v?/chat*'", "mask: true", "images: 0"])
def test_what_some_request_is_like(tmp_path: Path, match: str) -> None:
    """Patterns that lead below /v1 in one of their readings, and conditions that hold for one kind."""
    assert problems(tmp_path, rule(f"match: {{{match}}}, to: [openai]")) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("match: {kind: edit}", "match: {path: /v1/images/edits, model: x}"),
        ("match: {model: gpt-*}", "match: {model: [gpt-image-*, gpt-4o]}"),
        ("match: {images: '>1'}", "match: {images: 3, n: 2}"),
        ("match: {header: {x-team: '*'}}", "match: {header: {X-Team: art}}"),
        ("match: {}", "match: {mask: true}"),
    ],
)
def test_a_rule_behind_a_wider_one(tmp_path: Path, first: str, second: str) -> None:
    """It would never be asked."""
    text = f"  rules:\n  - {{name: a, {first}, to: [openai]}}\n  - {{name: b, {second}, to: [openai]}}\n"
    assert problems(tmp_path, text) == [
        "8:5: routes.rules[1]: can never match: 'a' stands before it and takes all of its requests"
    ]
    swapped = f"  rules:\n  - {{name: a, {second}, to: [openai]}}\n  - {{name: b, {first}, to: [openai]}}\n"
    assert problems(tmp_path, swapped) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("match: {n: '>x'}, to: [bfl]", "match.n: should be a comparison such as >4, <=1 or 2 (found '>x')"),
        ("match: {images: 4MP}, to: [bfl]", "match.images: should be a comparison such as >4, <=1 or 2 (found '4MP')"),
        ("match: {pixels: 4MB}, to: [bfl]", "match.pixels: should be a comparison such as >4MP or <=1000000"),
        ("match: {n: true}, to: [bfl]", "match.n: should be"),
        ("to: []", "to: should name at least one target"),
        ("to: [{platform: bfl, weight: 0}]", "to[0].weight: should be greater than 0 (found 0)"),
        ("to: [{platform: bfl, weight: -1}]", "to[0].weight: should be greater than 0 (found -1)"),
        ("to: [openai/]", "to[0]"),
        ("match: {kind: generation}, to: [fill]", "to[0]: fill has no model that makes pictures from text"),
        ("match: {path: /v1/chat/*}, to: [bfl]", "to[0]: bfl makes pictures; what this rule is for is relayed"),
        (
            "match: {path: /v1/chat/*}, to: [{platform: openai, pins: {a: b}}]",
            "to[0].pins: is about requests for pictures; what this rule is for is relayed as it is",
        ),
        (
            "match: {path: /v1/chat/*, images: 2}, to: [openai]",
            "match.images: is told of requests for pictures only; what this rule is for is relayed unread",
        ),
    ],
)
def test_slips_of_the_pen(tmp_path: Path, text: str, told: str) -> None:
    """One problem each."""
    [found] = problems(tmp_path, rule(text))
    assert f" routes.rules[0].{told}" in found


def test_several_relays_are_fine(tmp_path: Path) -> None:
    """Platforms of kind openai, as many as one likes."""
    file = tmp_path / "gateway.yaml"
    file.write_text("platforms:\n  a: {kind: openai, api_keys: [k-1]}\n  b: {kind: openai, api_keys: [k-2]}\n")
    assert list(load(Config, file, {}).platforms) == ["a", "b"]


@pytest.mark.parametrize(
    ("said", "key", "text"),
    [
        ("overrides: {wonder: x}", "overrides.wonder", "wonder cannot be said for a client: no model here takes it."),
        ("overrides: {output_format: jpeg}", "overrides.output_format", "cannot be said for a client"),
        ("defaults: {safety_tolerance: '9'}", "defaults.safety_tolerance", "safety_tolerance"),
        ("defaults: {guidance: '3'}", "defaults.guidance", "no model here takes it"),
        ("defaults: {response_format: png}", "defaults.response_format", "b64_json or url"),
        ("overrides: {response_format: url}", "overrides.response_format", "no model here takes it"),
        ("pins: {response_format: url}", "pins.response_format", "no model here takes it"),
        ("pins: {size: 1x2x3}", "pins.size", "size is written WIDTHxHEIGHT, W:H or auto."),
        ("pins: {n: '2'}", "pins.n", "no model here takes it"),
    ],
)
@pytest.mark.parametrize("model", ["", "model: flux-kontext-max, ", "model: flux1_kontext, "])
def test_what_is_said_of_fields_has_an_effect(tmp_path: Path, said: str, key: str, text: str, model: str) -> None:
    """What every request would be refused for, or nothing would come of, is told at its place."""
    (told,) = problems(tmp_path, rule(f"to: [{{platform: bfl, {model}{said}}}]"))
    assert f": routes.rules[0].to[0].{key}: " in told
    assert text in told


def test_what_may_be_said_of_fields(tmp_path: Path) -> None:
    """The models' own fields and OpenAI's; one picture as a pin; a relay's are its platform's business."""
    bfl = (
        "{platform: bfl, defaults: {safety_tolerance: '1'}, overrides: {size: '1024x1024'}, pins: {n: '1', seed: '7'}}"
    )
    assert problems(tmp_path, rule(f"to: [{bfl}, {{platform: openai, overrides: {{wonder: x}}}}]")) == []


@pytest.mark.parametrize("written", ["[]", "", "\n          - ${UNSET_HERE:-}"])
@pytest.mark.parametrize("key", ["path", "model", "caller"])
def test_a_rule_for_nobody_is_not_for_everybody(tmp_path: Path, key: str, written: str) -> None:
    """A list that has become empty is a mistake, and would match whatever comes."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "platforms:\n  bfl: {kind: bfl, api_key: a-key-of-bfl}\nroutes:\n  rules:\n    - name: a\n      match:\n"
        f"        {key}: {written}\n      to: [bfl]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(Config, path, {})
    [told] = str(caught.value).splitlines()
    assert told.startswith(f"{path}:") and f"routes.rules[0].match.{key}: " in told
