"""Logs: a line of JSON, or a readable one, without what must not be in it, whatever it is made of."""

from __future__ import annotations

import json
import logging
import warnings
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from gateway.telemetry.logs import LONGEST, Redactor
from tests.fakes.logbook import logbook

SECRET = "bfl-secret/+0123456789"
SIGNED = "https://delivery.example/a.png?se=2026&sig=abc%2Bdef"


def test_a_line_is_json() -> None:
    """One object a line, with level and time, values kept as they are."""
    with logbook() as book:
        structlog.get_logger("a").info("event", number=1, share=0.5, yes=True, no=None, words=["a", "b"])
    (line,) = book.lines
    assert {name: line[name] for name in ("event", "level", "number", "share", "yes", "no", "words")} == {
        "event": "event", "level": "info", "number": 1, "share": 0.5, "yes": True, "no": None, "words": ["a", "b"],
    }  # fmt: skip
    assert line["timestamp"].endswith("Z")


def test_a_terminal_gets_readable_lines() -> None:
    """Tracebacks in full, no library's warning about them, no local variables."""
    with warnings.catch_warnings(), logbook([SECRET], readable=True) as book:
        warnings.simplefilter("error")
        try:
            hidden = SECRET
            raise RuntimeError("boom")
        except RuntimeError:
            structlog.get_logger("a").exception("event", key=SECRET)
    assert "boom" in book.text
    assert "Traceback" in book.text
    assert hidden not in book.text
    assert "hidden =" not in book.text


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"x{SECRET}y",
        f"Bearer {SECRET}",
        {"a": [SECRET, (SECRET,)]},
        [{"deep": {"deeper": SECRET}}],
        RuntimeError(SECRET),
        SECRET.encode(),
        quote(SECRET, safe=""),
    ],
    ids=repr,
)
def test_known_secrets_are_hidden(value: Any) -> None:
    """Wherever in a value they stand, also in words of the standard library's loggers and in tracebacks."""
    with logbook([SECRET]) as book:
        structlog.get_logger("a").info("event", value=value)
        structlog.get_logger("a").info(str(value))
        logging.getLogger("b").warning("event %s", value)
        try:
            raise RuntimeError(value)
        except RuntimeError:
            logging.getLogger("b").exception("event")
            structlog.get_logger("a").exception("event")
    assert len(book.lines) == 5
    assert SECRET not in book.text
    assert quote(SECRET, safe="") not in book.text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (SIGNED, "https://delivery.example/a.png?***"),
        (
            f"got <{SIGNED}> and '{SIGNED}'",
            "got <https://delivery.example/a.png?***> and 'https://delivery.example/a.png?***'",
        ),
        ("Authorization: Bearer gw-unknown", "Authorization: Bearer ***"),
        ("bearer abc, next", "bearer ***, next"),
        ("x-key: abc", "x-key: ***"),
        ("{'x-key': 'abc'}", "{'x-key': '***'}"),
        ("/results/a?expires=1&signature=abc", "/results/a?expires=1&signature=***"),
        ("why? because", "why? because"),
        ("the bearer", "the bearer"),
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str, written: str) -> None:
    """Also one that nobody told the logger of: signed links, bearers, vendor keys."""
    assert Redactor([]).text(text) == written


def test_short_secrets_tear_no_holes() -> None:
    """A test key of three letters would hide half the language."""
    assert Redactor(["abc", ""]).text("abc abc") == "abc abc"


def test_the_longest_secret_wins() -> None:
    """One that contains another leaves no rest of itself."""
    assert Redactor(["secret-one", "secret-one-and-more"]).text("secret-one-and-more") == "***"


def test_long_texts_keep_both_ends() -> None:
    """Of a traceback the last line counts most."""
    written = Redactor([]).text("begin" + "x" * 100_000 + "end")
    assert written.startswith("begin")
    assert written.endswith("end")
    assert len(written) <= LONGEST + 10


def test_a_secret_is_not_cut_in_half() -> None:
    """It is taken out before the text is shortened: no part of it is left at the cut."""
    text = "x" * (LONGEST // 2 - 5) + SECRET + "y" * LONGEST
    assert SECRET[:5] not in Redactor([SECRET]).text(text)


@pytest.mark.parametrize("value", ["\udcff", "a\x00b", "a\x1b[2Jb", "\r\n{}", "\u2028", "\ufffe"])
@pytest.mark.parametrize("readable", [False, True])
def test_odd_characters_break_nothing(value: str, readable: bool) -> None:
    """What a stranger put into a header is a line all the same, and one line."""
    with logbook(readable=readable) as book:
        structlog.get_logger("a").info("one", value=value)
        logging.getLogger("b").warning("two %s", value)
    text = book.text
    text.encode()
    assert ("one" in text, "two" in text, "\x1b[2J" in text) == (True, True, False)
    if not readable:
        first, second, rest = text.split("\n")
        assert [json.loads(line)["level"] for line in (first, second)] == ["info", "warning"]
        assert rest == ""


def test_libraries_are_heard_from_warning_on() -> None:
    """Their chatter below is nobody's business."""
    with logbook() as book:
        logging.getLogger("some.library").info("chatter")
        logging.getLogger("some.library").warning("trouble")
        structlog.get_logger("gateway").debug("chatter")
    assert [line["event"] for line in book.lines] == ["trouble"]
