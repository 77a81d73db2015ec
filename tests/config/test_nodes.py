from __future__ import annotations

import datetime
import string
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config.document import Document
from gateway.config.nodes import MAX_DEPTH, MAX_NODES
from gateway.config.problem import ConfigError, KeyPath, Place
from gateway.config.yaml_file import parse


def data(text: str, **environ: str) -> dict[str, Any]:
    document = parse(text, "x.yaml", environ)
    assert document.problems == []
    return document.data


def faults(text: str, **environ: str) -> list[str]:
    try:
        return [str(problem) for problem in parse(text, "x.yaml", environ).problems]
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


def leaves(value: object, path: KeyPath = ()) -> dict[KeyPath, object]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = {where: leaf for key, item in inside for where, leaf in leaves(item, (*path, key)).items()}
    return {path: value, **below}


plain_text = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="$"), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63)
    | st.floats(allow_nan=False)
    | plain_text
    | st.dates(min_value=datetime.date(1000, 1, 1))
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(plain_text, trees, max_size=5)


@given(documents, st.booleans())
@example({"<<": {"a": 1}, "no": "no", "1.5": "1:30", "=": "012", "": "~"}, False)
def test_what_is_dumped_comes_back(tree: dict[str, Any], flow: bool) -> None:
    """Any tree YAML can write is read with the same values, in either style."""
    text = yaml.safe_dump(tree, default_flow_style=flow)
    assert data(text) == tree


@given(documents)
def test_every_value_has_its_place(tree: dict[str, Any]) -> None:
    """The entries describe the data, value for value, each at a line and column of the file."""
    text = yaml.safe_dump(tree)
    document = parse(text, "x.yaml", {})
    assert {path: entry.value for path, entry in document.entries.items()} == leaves(tree)
    lines = len(text.splitlines())
    for entry in document.entries.values():
        for place in (entry.place, entry.key):
            assert place.line is not None
            assert 1 <= place.line <= lines


@given(st.text(alphabet=st.sampled_from("ab:-[]{}\n\t \"'&*!|>%@`#,?<$0") | st.characters(codec="utf-8"), max_size=60))
@example("a: &x {<<: *x}")
@example('a: "b\n')
@example("a: [1,\n\n\n\n")
@example("a: b\x00")
@example("é: \x07")
@example("a\u2028b: [\u2028\u2028")
@example("a: !!int b\nc: !!timestamp d\ne: !!bool f\ng: !!float h\n")
@example("a: 0b_\nb: 2026-99-99\nc: 0x_\n")
def test_whatever_the_text_every_fault_is_inside_the_file(text: str) -> None:
    """Nothing but problems comes out of a bad file, and each can be gone to."""
    lines = max(len(text.splitlines()), 1)
    try:
        problems = tuple(parse(text, "x.yaml", {}).problems)
    except ConfigError as error:
        problems = error.problems
        assert problems
    for problem in problems:
        assert problem.line is not None
        assert 1 <= problem.line <= lines
        assert problem.column is not None
        assert problem.column >= 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "x.yaml:1:1: is empty; a configuration is a mapping of keys to values"),
        ("# nothing\n", "x.yaml:1:1: is empty; a configuration is a mapping of keys to values"),
        ("- a\n", "x.yaml:1:1: should be a mapping of keys to values at the top"),
        ("just text\n", "x.yaml:1:1: should be a mapping of keys to values at the top"),
        ("a:\n\tb: 1\n", "x.yaml:2:1: while scanning for the next token, found character that cannot start any token"),
        ("a: {b: ${X}}", "x.yaml:1:9: while parsing a flow mapping, did not find expected ',' or '}'; inside { }"),
        ("a: [1,\n\n\n", "x.yaml:1:7: "),
        ("a: *b", "x.yaml:1:4: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2:1: expected a single document in the stream, but found another document"),
        ("a: b\0", "x.yaml:1:5: control characters are not allowed"),
        ("é: \x07", "x.yaml:1:4: control characters are not allowed"),
        ("a: !secret b", "x.yaml:1:4: a: the tag !secret has no meaning here"),
        ("a: !!python/name:os.system b", "x.yaml:1:4: a: the tag !!python/name:os.system has no meaning here"),
        ("a: !!set {b, c}", "x.yaml:1:4: a: the tag !!set has no meaning here"),
        ("a: !!binary aGk=", "x.yaml:1:4: a: the tag !!binary has no meaning here"),
        ("[a]: 1", "x.yaml:1:1: a key should be text"),
        ("a: {<<: 1}", "x.yaml:1:9: a: << takes a mapping, or a list of mappings"),
        ("a: 2026-13-40", "x.yaml:1:4: a: is not the number or date it looks like; quote it for text"),
        ("a: 012", "x.yaml:1:4: a: YAML reads this form in base 8 or 60; write it plainly, or quote it for text"),
        ("a: -1:30", "x.yaml:1:4: a: YAML reads this form in base 8 or 60; write it plainly, or quote it for text"),
        ("a: 1:30.5", "x.yaml:1:4: a: YAML reads this form in base 8 or 60; write it plainly, or quote it for text"),
        ("a: ${X}", "x.yaml:1:4: a: environment variable X is not set"),
        ("a:\n- b: x${X}y\n", "x.yaml:2:6: a[0].b: environment variable X is not set"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, problem: str) -> None:
    """One fault, one problem."""
    [told] = faults(text)
    assert told.startswith(problem)


def test_tabs_get_a_cure() -> None:
    """The most usual mistake is named."""
    assert faults("a:\n\tb: 1\n")[0].endswith("; indent with spaces, not tabs")


def test_duplicate_keys_say_where_the_first_is() -> None:
    """At any depth, each time; the first one is read on."""
    text = "a: 1\nb: {c: 1, c: 2}\n'a': 3\na: 4\n"
    assert faults(text) == [
        "x.yaml:3:1: a: duplicate key 'a' (first at line 1)",
        "x.yaml:4:1: a: duplicate key 'a' (first at line 1)",
        "x.yaml:2:11: b.c: duplicate key 'c' (first at line 2)",
    ]
    assert parse(text, "x.yaml", {}).data == {"a": 1, "b": {"c": 1}}


def test_keys_are_text_whatever_yaml_makes_of_them() -> None:
    """`no`, `1.5` and a date are names on the left of a colon."""
    assert data("no: 1\n1.5: 2\n2026-01-01: 3\n~: 4\n") == {"no": 1, "1.5": 2, "2026-01-01": 3, "~": 4}


def test_aliases_and_merges() -> None:
    """An anchor is used by name; `<<` fills what is not written, the first source winning."""
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 3}\nw: *x\nv:\n  <<: *x\n"
    document = parse(text, "x.yaml", {})
    assert document.data["z"] == {"a": 3, "b": 1, "c": 2}
    assert document.data["w"] == document.data["v"] == {"a": 1, "b": 1}
    assert document.entries["z", "c"].place == Place("x.yaml", 2, 17)
    assert document.data["w"] is not document.data["x"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x [*x]", "an alias contains itself"),
        ("a: &x {<<: *x}", "an alias contains itself"),
        ("a: " + "[" * 100 + "]" * 100, f"nested deeper than {MAX_DEPTH} levels"),
        ("a: " + "[" * 500_000, f"nested deeper than {MAX_DEPTH} levels"),
        (
            "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
            f"nested deeper than {MAX_DEPTH} levels",
        ),
        (
            "a: &a [0,0,0,0,0,0,0,0,0]\n"
            + "".join(
                f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n"
                for p, n in zip(string.ascii_letters, "bcdefgh", strict=False)
            ),
            "too many values once aliases are followed",
        ),
        (
            "a: &a {" + ",".join(f"k{n}: 1" for n in range(1000)) + "}\nb: {<<: [" + "*a," * 1000 + "]}",
            "too many values",
        ),
        ("a: [" + "0," * (MAX_NODES + 1) + "]", "too many values"),
    ],
)
def test_small_files_cannot_grow_large(text: str, problem: str) -> None:
    """Cycles, depth and multiplied aliases end in one problem, quickly."""
    [told] = faults(text)
    assert problem in told


class TestVariables:
    """Variables are put into text nodes."""

    def test_a_value_cannot_change_the_structure(self) -> None:
        """Quotes, colons, comments, line ends and further variables in it are only text."""
        value = "a: b # c\n- \"'}]${HOME} *x"
        assert data('k: "${V}"\nl: ${V}\nm: [x, "${V}"]\n', V=value) == {"k": value, "l": value, "m": ["x", value]}

    def test_text_stays_text(self) -> None:
        """What looks like a number is left to the model to read: a key of digits stays a key."""
        assert data("a: ${V}\nb: '${V}'", V="012") == {"a": "012", "b": "012"}

    def test_only_text_nodes_are_filled(self) -> None:
        """Keys and comments are left alone."""
        assert data("${A}: 1 # ${B}\n") == {"${A}": 1}

    @pytest.mark.parametrize("value", ["", "  "])
    def test_nothing_unquoted_means_not_written(self, value: str) -> None:
        """`key: ${X:-}` leaves the key out, `key: "${X:-}"` is empty text."""
        assert data('a: ${X:-}\nb: "${X:-}"\nc: [1, "${X:-}"]\nd:\n', X=value) == {"b": "", "c": [1, ""]}

    def test_an_explicit_null_is_kept(self) -> None:
        """`~` and `null` are values."""
        assert data("a: ~\nb: null\n") == {"a": None, "b": None}

    def test_the_place_is_the_nodes(self) -> None:
        """And the entry knows which variables went in."""
        document: Document = parse("a:\n  b: ${X}-${Y:-z}\n", "x.yaml", {"X": "1"})
        entry = document.entries["a", "b"]
        assert (entry.value, entry.place, entry.variables) == ("1-z", Place("x.yaml", 2, 6), ("X", "Y"))
