"""The scanner beside the standard library: the same values however a document is cut, and no leniency."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import InvalidJson, TooLarge
from gateway.wire.scan import Bounds, Scanner
from gateway.wire.scanned import Closed, Event, Kind, Opened, Path, Value, spelled

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.text(alphabet='\\"/u0dD8cC\n\U0001f60a\u00e4\u20ac', max_size=30)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=10), VALUES, max_size=5)


def cut(data: bytes, steps: Iterable[int]) -> Iterator[bytes]:
    """The data in pieces of these lengths, over and over."""
    lengths, at = list(steps), 0
    while at < len(data):
        for length in lengths:
            yield data[at : at + length]
            at += length


def events(data: bytes, steps: Iterable[int] = (10**9,), **more: Any) -> list[Event]:
    scanner = Scanner(**more)
    found = [event for piece in cut(data, steps) for event in scanner.feed(piece)]
    scanner.close()
    return found


def whole(found: Iterable[Event]) -> list[Event]:
    """The events with the pieces of each string joined."""
    joined: list[Event] = []
    for event in found:
        if isinstance(event, str) and joined and isinstance(joined[-1], str):
            joined[-1] += event
        else:
            joined.append(event)
    return joined


def value(found: Iterable[Event]) -> Any:
    """What the events say, built as `json` builds it."""
    root: list[Any] = []
    stack: list[Any] = [root]
    text: list[str] = []
    for event in found:
        match event:
            case str():
                text.append(event)
            case Opened(path, kind, _):
                text = []
                stack.append({Kind.OBJECT: {}, Kind.ARRAY: []}.get(kind))
            case Closed(path, _, _):
                made = stack.pop()
                put(stack[-1], path, "".join(text) if made is None else made)
            case Value(path, kind, written, _, _):
                put(stack[-1], path, written if kind is Kind.TEXT else json.loads(written))
    return root[0]


def put(owner: Any, path: Path, made: Any) -> None:
    if isinstance(owner, dict):
        owner[path[-1]] = made
    else:
        assert not path or path[-1] == len(owner)
        owner.append(made)


MARKS = st.sampled_from(["utf-8", "utf-8-sig"])


@given(
    DOCUMENTS, st.lists(st.integers(1, 9), min_size=1), st.booleans(), st.sampled_from([None, 1]), st.booleans(), MARKS
)
def test_any_document_cut_anywhere_has_the_same_values(
    document: dict[str, Any], steps: list[int], ascii_only: bool, indent: int | None, streamed: bool, encoding: str
) -> None:
    """
    Escaped or not, spaced or not, behind a byte order mark or not, strings whole or in pieces; offsets are those of
    each value's own text.
    """
    data = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode(encoding)
    found = events(data, steps, streamed=lambda path: streamed)
    assert value(found) == document
    assert whole(found) == whole(events(data, streamed=lambda path: streamed))
    for event in found:
        if isinstance(event, (Closed, Value)):
            member: Any = document
            for step in event.path:
                member = member[step]
            assert json.loads(data[event.start : event.stop]) == member


@given(st.binary(max_size=40) | DOCUMENTS.map(lambda found: json.dumps(found).encode()), st.data())
def test_what_is_broken_is_told_however_it_is_cut(data: bytes, draw: st.DataObject) -> None:
    """A byte changed, put in or left out: taken only if `json` takes it, and the cuts never matter."""
    at = draw.draw(st.integers(0, len(data)))
    odd = draw.draw(st.sampled_from([b"", b'"', b"\\", b"{", b"]", b",", b"\x00", b"\xff", b"0", b"e", b"\\ud800"]))
    data = data[:at] + odd + data[at + draw.draw(st.integers(0, 1)) :]
    steps = draw.draw(st.lists(st.integers(1, 5), min_size=1))
    outcomes = []
    for lengths in ([10**9], steps, [1]):
        try:
            outcomes.append(value(events(data, lengths)))
        except InvalidJson as error:
            outcomes.append(error.text)
    assert outcomes[0] == outcomes[1] == outcomes[2]
    if not isinstance(outcomes[0], str):
        assert json.loads(data.removeprefix(b"\xef\xbb\xbf")) == outcomes[0]


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"[]", b'"a"', b"1", b"null", b"{", b"}", b"{}{}", b"{} x", b'{"a"}', b'{"a":}', b'{"a":1,}'),
        *(
            b'{,"a":1}',
            b'{"a":1 "b":2}',
            b"{a:1}",
            b"{'a':1}",
            b'{"a":[1,]}',
            b'{"a":[,1]}',
            b'{"a":[1 2]}',
            b'{"a":[}',
        ),
        *(b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":True}', b'{"a":nul}', b'{"a":undefined}'),
        *(b'{"a":01}', b'{"a":+1}', b'{"a":1.}', b'{"a":.5}', b'{"a":1e}', b'{"a":0x1}', b'{"a":--1}', b'{"a":-}'),
        *(b'{"a":"\n"}', b'{"a":"\x00"}', b'{"a":"\t"}', b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\\u12g4"}'),
        *(b'{"a":"\\ud83d"}', b'{"a":"\\ude00"}', b'{"a":"\\ud83d\\u0041"}', b'{"a":"\\ud83dx"}', b'{"\\ud83d":1}'),
        *(
            b'{"a":"\xff"}',
            b'{"a":"\xc0\x80"}',
            b'{"a":"\xed\xa0\x80"}',
            b'{"a":"\xe2\x82"}',
            b'{"a":"\xf5\x80\x80\x80"}',
        ),
        *(b'\xef\xbb\xbf\xef\xbb\xbf{"a":1}', b'\xef\xbb{"a":1}', b"\xef\xbb\xbf", b'{\xef\xbb\xbf"a":1}'),
        *(b'{"a":1,"a":1}', b'{"a":1,"\\u0061":1}', b'{"x":{"a":1,"a":2}}', b'{"a":1}\x00'),
        *(b'{"a":1/*x*/}', b'{"a":1}//', b'{"a":\x0b1}', b'{"a":\xc2\xa01}', '{"a":1}'.encode("utf-16"), b'{"a":"b'),
    ],
)
@pytest.mark.parametrize("steps", [(10**9,), (1,)])
def test_what_is_not_json(data: bytes, steps: tuple[int, ...]) -> None:
    """Everything that some parser lets pass."""
    with pytest.raises(InvalidJson):
        events(data, steps)


@pytest.mark.parametrize(
    ("data", "where"),
    [(b'{"a": 1, "b" 2}', "byte 13: ':'"), (b'{"a": nope}', "byte 6: no JSON"), (b"{} {}", "byte 3: something")],
)
def test_faults_say_where(data: bytes, where: str) -> None:
    """The offset counts from the body's first byte, whatever came before in other pieces."""
    for steps in ((10**9,), (1,), (4,)):
        with pytest.raises(InvalidJson, match=where):
            events(data, steps)


BOUNDS = Bounds(depth=2, values=4, key_bytes=3, number_bytes=4, text_bytes=5)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"a":{"b":[1]}}', InvalidJson),
        (b'{"a":[1,2,3]}', InvalidJson),
        (b'{"abcd":1}', InvalidJson),
        ('{"\u00e4\u00e4":1}'.encode(), InvalidJson),
        (b'{"a":12345}', InvalidJson),
        (b'{"a":"123456"}', TooLarge),
        ('{"a":"\u00e4\u00e4\u00e4"}'.encode(), TooLarge),
        (b'{"a":"\\u00e4\\u00e4\\u00e4"}', TooLarge),
    ],
)
@pytest.mark.parametrize("steps", [(10**9,), (1,)])
def test_bounds(data: bytes, kind: type[Exception], steps: tuple[int, ...]) -> None:
    """One step over each of them."""
    with pytest.raises(kind):
        events(data, steps, bounds=BOUNDS)


def test_bounds_are_inclusive() -> None:
    """As much as is allowed is allowed, and streamed strings have no length."""
    data = '{"abc":{"b":1234},"d":"\u00e4\u00e4."}'.encode()
    assert value(events(data, bounds=BOUNDS)) == {"abc": {"b": 1234}, "d": "\u00e4\u00e4."}
    assert value(events(b'{"a":"%b"}' % (b"x" * 99), bounds=BOUNDS, streamed=lambda path: path == ("a",))) == {
        "a": "x" * 99
    }


@pytest.mark.parametrize("data", [b'{"a":' + b"1" * 10**6, b'{"a":"' + b"x" * 10**6, b'{"' + b"x" * 10**6])
def test_bounds_hold_before_the_end_has_come(data: bytes) -> None:
    """What grows without end is refused while it grows."""
    with pytest.raises((InvalidJson, TooLarge)):
        list(Scanner().feed(data))


def test_places() -> None:
    """Start and stop of values, quotes and brackets included."""
    assert events(b' {"a": "b" , "c":[1]}') == [
        Opened((), Kind.OBJECT, 1),
        Value(("a",), Kind.TEXT, "b", 7, 10),
        Opened(("c",), Kind.ARRAY, 17),
        Value(("c", 0), Kind.NUMBER, "1", 18, 19),
        Closed(("c",), 17, 20),
        Closed((), 1, 21),
    ]


@pytest.mark.parametrize(
    ("path", "text"), [((), ""), (("images", 0, "image_url"), "images[0].image_url"), (("x" * 99,), "x" * 64)]
)
def test_spelling_of_places(path: Path, text: str) -> None:
    """As OpenAI's `param` has them."""
    assert spelled(path) == text


@pytest.mark.parametrize(
    "escaped", [lambda text: text, lambda text: text.replace(b"/", b"\\/"), lambda text: text.replace(b"+", b"\\u002B")]
)
def test_a_long_string_costs_little(escaped: Callable[[bytes], bytes]) -> None:
    """27 MB in a fraction of a second of processor time, written as PHP and .NET do too; the machine may be busy."""
    text = bytes(range(43, 123)).replace(b"\\", b"").replace(b":", b"") * 350_000
    data = b'{"a":"' + escaped(text) + b'"}'
    scanner, length = Scanner(streamed=lambda path: True), 0
    began = time.process_time()
    for piece in cut(data, (128 * 1024,)):
        length += sum(len(event) for event in scanner.feed(piece) if isinstance(event, str))
    assert time.process_time() - began < 0.5
    assert length == len(text)
