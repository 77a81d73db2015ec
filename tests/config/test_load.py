from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from gateway.config.load import load, resolve
from gateway.config.problem import ConfigError
from tests.config.toy import Toy, load_text, problems_of

GOOD = """\
listen: {host: 0.0.0.0, port: 9000}
platforms:
  bfl:
    kind: bfl
    api_key: "${BFL_KEY}"
    answer_within: 5m
    models: {gpt-image-2.6-sunburst: flux-kontext-pro}
routes:
  edits: [bfl]
memory: {budget: 1.5GiB}
"""

SECRET = "s3cr3t"


def test_a_valid_file_becomes_the_model(tmp_path: Path) -> None:
    """Every kind of value arrives typed."""
    config = load_text(tmp_path, GOOD, {"BFL_KEY": "k-1"}).config
    bfl = config.platforms["bfl"]
    assert bfl.kind == "bfl"
    assert bfl.api_key.reveal() == "k-1"
    assert bfl.answer_within == 300.0
    assert bfl.models == {"gpt-image-2.6-sunburst": "flux-kontext-pro"}
    assert (config.listen.host, config.listen.port) == ("0.0.0.0", 9000)
    assert config.memory.budget == 1610612736


def test_load_gives_the_model_itself(tmp_path: Path) -> None:
    """`load` is `resolve` without the story."""
    file = tmp_path / "gateway.yaml"
    file.write_text("listen: {port: 1}\n")
    assert load(Toy, file, {}) == resolve(Toy, file, {}).config


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Duplicates, unset variables, unknown keys and wrong values come together, in reading order."""
    text = """\
listen: {host: no, port: 70000}
platforms:
  bfl:
    kind: bfl
    api_key: "${MISSING}"
    max_active: 3
    answer_within: 5 parsecs
  x: {kind: blf}
  y: {}
memory: {budget: 1MiB}
memory: {budget: 2MiB}
"""
    assert problems_of(tmp_path, text) == [
        'gateway.yaml:1:16: listen.host: should be text (found no); quote it: "no"',
        "gateway.yaml:1:26: listen.port: should be less than or equal to 65535 (found 70000)",
        "gateway.yaml:5:14: platforms.bfl.api_key: environment variable MISSING is not set",
        "gateway.yaml:6:5: platforms.bfl.max_active: unknown key; did you mean 'max_active_tasks'?"
        " allowed: kind, api_key, base_url, max_active_tasks, answer_within, verbose, models",
        "gateway.yaml:7:20: platforms.bfl.answer_within: should be a duration such as 300s or 15m"
        " (units: ms, s, m, h, d), or seconds (found '5 parsecs')",
        "gateway.yaml:8:13: platforms.x.kind: should be one of: bfl, openai (found 'blf'); did you mean 'bfl'?",
        "gateway.yaml:9:3: platforms.y.kind: is required; allowed: bfl, openai",
        "gateway.yaml:11:1: memory: duplicate key 'memory' (first at line 10)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prot: 1", "1:1: prot: unknown key; did you mean 'routes'?"),
        ("listen: 8080", "1:9: listen: should be a mapping (found a single value)"),
        ("routes: {edits: bfl}", "1:17: routes.edits: should be a list (found a single value)"),
        ("routes: {edits: {bfl: 1}}", "1:17: routes.edits: should be a list (found a mapping)"),
        ("platforms: [bfl]", "1:12: platforms: should be a mapping (found a list)"),
        ("listen: {port: eighty}", "1:16: listen.port: should be a whole number (found 'eighty')"),
        ("listen: {port: 80.5}", "1:16: listen.port: should be a whole number (found 80.5)"),
        ("listen: {port: null}", "1:16: listen.port: should be a whole number (found nothing)"),
        ("auth: {keys: [{hash: x}]}", "1:15: auth.keys[0].id: is required"),
        ("level: loud", "1:8: level: should be a whole number or should be 'high' or 'low' (found 'loud')"),
        (
            "platforms: {'B-1': {kind: bfl, api_key: k, max_active_tasks: 1}}",
            "1:13: platforms.B-1: as a key, should match pattern '^[a-z0-9]+$'",
        ),
        ("routes: {edits: [fal]}", "1:18: routes.edits[0]: no platform is called fal (found 'fal')"),
        ("'a b\\n': 1", "1:1: 'a b\\\\n': unknown key; allowed:"),
    ],
)
def test_a_problem_says_where_what_and_what_instead(tmp_path: Path, text: str, problem: str) -> None:
    """One wrong value, one line: place, key, what was found, what is allowed."""
    [told] = problems_of(tmp_path, text)
    assert told.startswith(f"gateway.yaml:{problem}")


@pytest.mark.parametrize("written", ["yes", "Off", "2026-01-31", "2026-01-31 12:00:00", "42", "1.0", "0x1F"])
def test_text_that_yaml_reads_as_something_else_is_to_be_quoted(tmp_path: Path, written: str) -> None:
    """A text field never takes what YAML made of the text, and says how to keep it."""
    [told] = problems_of(tmp_path, f"route_prefix: {written}")
    assert told == f'gateway.yaml:1:15: route_prefix: should be text (found {written}); quote it: "{written}"'
    assert load_text(tmp_path, f'route_prefix: "{written}"').config.route_prefix == written


@pytest.mark.parametrize("written", ["yes", "true", "on"])
def test_a_boolean_is_no_number(tmp_path: Path, written: str) -> None:
    """`port: yes` is not port 1."""
    [told] = problems_of(tmp_path, f"listen:\n  port: {written}\n")
    assert told == f"gateway.yaml:2:9: listen.port: should be a number (found {written})"


def test_a_boolean_for_a_quantity_is_told_once(tmp_path: Path) -> None:
    """The type's own complaint is enough."""
    [told] = problems_of(tmp_path, "memory: {budget: yes}")
    assert "should be a size" in told


def test_unknown_keys_are_refused_whatever_the_model_says(tmp_path: Path) -> None:
    """A model that forgot to forbid extras is held to it all the same."""

    class Careless(BaseModel):
        port: int = 1

    file = tmp_path / "x.yaml"
    file.write_text("prot: 2\n")
    with pytest.raises(ConfigError, match=r"x\.yaml:1:1: prot: unknown key; did you mean 'port'\? allowed: port"):
        resolve(Careless, file, {})


class TestSecrets:
    """Neither a message, nor a traceback, nor what hangs on the exception quotes a secret."""

    @pytest.mark.parametrize(
        "text",
        [
            "platforms: {bfl: {kind: bfl, api_key: [s3cr3t]}}",
            'platforms: {bfl: {kind: bfl, api_key: "s3cr3t\\n"}}',
            "platforms: {bfl: {kind: bfl, api_key: {x: s3cr3t}}}",
            "platforms: {o: {kind: openai, api_keys: s3cr3t}}",
            "platforms: {B-1: {kind: bfl, api_key: [s3cr3t]}}",
            "platforms: {bfl: {kind: bfl, api_key: k, base_url: 'https://u:s3cr3t@h/'}}",
            "platforms: {bfl: {kind: bfl, api_key: k, base_url: 'https://u:s3cr3t%40@h@h/'}}",
            "platforms: {o: {kind: openai, api_keys: [[s3cr3t]]}}",
            "platforms: {bfl: {kind: bfl, api_kye: s3cr3t}}",
            "platforms: {bfl: s3cr3t}",
            "platforms: s3cr3t",
            "auth: {keys: [s3cr3t]}",
            'listen: {port: "${S}"}',
            'listen: {port: "x ${S} y"}',
            'listen: {port: "${NOT_SET:-s3cr3t}"}',
            'listen: {port: "${S:-s3cr3t}", host: 1}',
            'platforms: {"x": {kind: "${S}"}}',
            'level: "${S}"',
            "api_key: s3cr3t\napi_key: s3cr3t",
            "api_key: s3cr3t\n\tb: 1",
            "api_key: s3cr3t\nb: \xff: {",
        ],
        ids=str.__len__,  # the folder a test works in is named after its id
    )
    def test_is_never_quoted(self, tmp_path: Path, text: str) -> None:
        """Wherever it was put by mistake."""
        environ = {"S": SECRET}
        with pytest.raises(ConfigError) as caught:
            load_text(tmp_path, text, environ)
        told = "".join(traceback.format_exception(caught.value))
        assert str(caught.value) in told
        assert SECRET not in told + repr(caught.value)
        assert caught.value.__context__ is None

    def test_of_digits_is_never_quoted(self, tmp_path: Path) -> None:
        """An unquoted key of digits is refused, not shown, not turned into another number."""
        for written in ("12345678", "012345670", "1:30:45", "0x1234"):
            [told] = problems_of(tmp_path, f"platforms: {{bfl: {{kind: bfl, api_key: {written}}}}}")
            assert "quote it" in told
            assert written not in told

    def test_in_a_validators_own_words_is_replaced(self, tmp_path: Path) -> None:
        """A validator that quotes its value gives the variable's name instead."""

        class Talkative(BaseModel):
            name: str

            @field_validator("name")
            @classmethod
            def _odd(cls, value: str) -> str:
                raise ValueError(f"{value} is odd")

        file = tmp_path / "x.yaml"
        file.write_text("name: ${S}\n")
        with pytest.raises(ConfigError, match=r"name: \$\{S\} is odd \(found the value of \$\{S\}\)"):
            resolve(Talkative, file, {"S": "s3cr3t"})

    def test_is_not_logged(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Loading says nothing to any logger."""
        caplog.set_level(logging.DEBUG)
        load_text(tmp_path, GOOD, {"BFL_KEY": "s3cr3t"})
        assert not caplog.records


class TestFile:
    """A file that cannot be read is one problem with its name."""

    def test_missing(self, tmp_path: Path) -> None:
        """No file."""
        with pytest.raises(ConfigError) as caught:
            resolve(Toy, tmp_path / "none.yaml", {})
        [problem] = caught.value.problems
        assert str(problem) == f"{tmp_path}/none.yaml: cannot be read: No such file or directory"
        assert problem.line is None

    def test_a_folder(self, tmp_path: Path) -> None:
        """A folder."""
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            resolve(Toy, tmp_path, {})

    def test_a_name_no_system_takes(self) -> None:
        """A zero byte in the name."""
        with pytest.raises(ConfigError, match="cannot be read"):
            resolve(Toy, Path("a\0b"), {})

    def test_too_large(self, tmp_path: Path) -> None:
        """Past 1 MiB nothing is parsed."""
        file = tmp_path / "x.yaml"
        file.write_bytes(b"#" * (1024 * 1024 + 1))
        with pytest.raises(ConfigError, match="is larger than 1048576 bytes"):
            resolve(Toy, file, {})

    def test_not_utf8(self, tmp_path: Path) -> None:
        """The place of the first odd byte."""
        file = tmp_path / "x.yaml"
        file.write_bytes("listen:\n  höst: ".encode() + b"\xff\n")
        with pytest.raises(ConfigError, match=r"x\.yaml:2:9: is not UTF-8 text"):
            resolve(Toy, file, {})

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        """Windows editors put one; it is no part of the first key, nor of the columns."""
        file = tmp_path / "x.yaml"
        file.write_bytes(b"\xef\xbb\xbflevel: 2\r\nlisten:\r\n  port: x\r\n")
        with pytest.raises(ConfigError, match=r"x\.yaml:3:9: listen\.port: should be a whole number"):
            resolve(Toy, file, {})


def test_a_key_may_hide_a_union_branch(tmp_path: Path) -> None:
    """A key named like the platform's kind does not send the complaint astray."""
    text = "platforms:\n  bfl:\n    kind: bfl\n    api_key: k\n    bfl: 1\n    max_active_tasks: x\n"
    assert [told.split(": ")[0:2] for told in problems_of(tmp_path, text)] == [
        ["gateway.yaml:5:5", "platforms.bfl.bfl"],
        ["gateway.yaml:6:23", "platforms.bfl.max_active_tasks"],
    ]


words = st.sampled_from(
    [*Toy.model_fields, "kind", "api_key", "api_keys", "edits", "bfl", "openai", "host", "port", "[key]", "int"]
)
values = (
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.sampled_from(["${X}", "$${", "${", "12", ""])
)
trees = st.dictionaries(
    words,
    st.recursive(
        values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=12
    ),
    max_size=5,
)


@settings(deadline=None)
@given(trees)
def test_whatever_the_values_every_problem_has_its_line(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    """Right keys with wrong values in wrong places: only problems, each inside the file or of a variable."""
    folder = tmp_path_factory.getbasetemp()
    text = yaml.safe_dump(tree)
    lines = len(text.splitlines())
    for told in problems_of(folder, text, {"GATEWAY_PORT": "1", "BFL_API_KEY": "k", "IMAGE_EDIT_PLATFORM": "openai"}):
        place, _, _ = told.partition(": ")
        if place != "environment":
            assert 1 <= int(place.split(":")[1]) <= lines
