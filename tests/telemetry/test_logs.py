"""Logs: what is secret never reaches the stream, whatever it is wrapped in; everything else does."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.telemetry.logs import HIDDEN, LONGEST, Redactor, configure

KEY = "sk-0123456789/+=abc"
REDACTOR = Redactor([KEY, "sk-0123456789", "tiny", "", "päss wörd"])


def clean(value: Any) -> Any:
    return dict(REDACTOR(None, "info", {"event": "x", "value": value}))["value"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (KEY, HIDDEN),
        (f"a {KEY} b {KEY}", f"a {HIDDEN} b {HIDDEN}"),
        ("sk-0123456789 sk-0123456789/+=abc", f"{HIDDEN} {HIDDEN}"),
        ("/v1?k=sk-0123456789%2F%2B%3Dabc", f"/v1?k={HIDDEN}"),
        ("p%C3%A4ss%20w%C3%B6rd", HIDDEN),
        ({"a": [{"b": (KEY, 1)}]}, {"a": [{"b": [HIDDEN, 1]}]}),
        ({"set": {KEY}}, {"set": f"{{'{HIDDEN}'}}"}),
        (ValueError(f"refused: {KEY}"), f"refused: {HIDDEN}"),
        (KEY.encode(), f"b'{HIDDEN}'"),
        ("Authorization: Bearer client-key, x", f"Authorization: Bearer {HIDDEN}, x"),
        ("{'x-key': 'abc', 'b': 1}", f"{{'x-key': '{HIDDEN}', 'b': 1}}"),
        ('X-Key: abc"', f'X-Key: {HIDDEN}"'),
        ("GET https://h.example/p/s.png?se=1&sig=abc%3D: 403", f"GET https://h.example/p/s.png?{HIDDEN} 403"),
        ("https://h.example/p?a=(x)&sig=abc", f"https://h.example/p?{HIDDEN}"),
        ("'https://h.example/p?sig=abc' failed", f"'https://h.example/p?{HIDDEN}' failed"),
        ("/results/r?expires=1&signature=abcdef", f"/results/r?expires=1&signature={HIDDEN}"),
        ("https://h.example/p", "https://h.example/p"),
        ("a tiny word, what?", "a tiny word, what?"),
        ("bearer", "bearer"),
    ],
)
def test_what_is_shown(value: Any, shown: Any) -> None:
    """Known secrets, plain or encoded, at any depth; keys by their place; queries of links."""
    assert clean(value) == shown


@pytest.mark.parametrize("value", [True, None, 7, 0.5])
def test_plain_values_stay_values(value: Any) -> None:
    """Numbers are searched and summed: they do not become text."""
    assert clean(value) is value


def test_of_long_text_both_ends_stay() -> None:
    """A traceback begins with where and ends with what."""
    shown = clean("first" + "x" * 10_000 + "last")
    assert shown.startswith("first") and shown.endswith("last")
    assert len(shown) < LONGEST + 10
    assert clean("x" * LONGEST) == "x" * LONGEST


def test_a_secret_is_hidden_before_long_text_is_cut() -> None:
    """Half a key would be half a leak."""
    for start in range(LONGEST // 2 - 30, LONGEST // 2 + 5):
        assert "0123" not in clean("x" * start + KEY + "x" * 5000)


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from([KEY, "sk-0123456789"]))
def test_no_neighbourhood_shows_a_secret(before: str, after: str, secret: str) -> None:
    """Whatever stands around it."""
    assert secret not in clean(before + secret + after)


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    """Lone surrogates, which come from stray bytes in headers, would be refused by the stream."""
    clean(text).encode()
    clean(f"a\udcff{text}").encode()


def test_no_secrets_at_all() -> None:
    """A gateway without keys logs as well."""
    assert Redactor([]).text("plain") == "plain"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What was written; the process's own logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("readable", [True, False])
def test_from_both_libraries_and_in_both_forms(stream: io.StringIO, readable: bool) -> None:
    """Ours and the libraries' lines, with tracebacks, go through the same redactor."""
    configure([KEY], readable=readable, stream=stream)
    try:
        raise ValueError(f"deep {KEY}")
    except ValueError:
        structlog.get_logger("a").exception("ours", nested={"k": [KEY]}, stray="\udcff")
        logging.getLogger("b").exception("theirs %s", KEY)
    written = stream.getvalue()
    assert KEY not in written
    assert "ours" in written and "theirs" in written
    assert written.count("ValueError: deep ***") == 2


def test_one_json_object_a_line(stream: io.StringIO) -> None:
    """For machines: level, time in UTC, our fields."""
    configure([], readable=False, stream=stream)
    structlog.get_logger().info("request", prompt_length=3, text="two\nlines")
    structlog.get_logger().debug("unseen")
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "request", "level": "info", "prompt_length": 3, "text": "two\nlines"}
