"""Values put together again, beside the standard library."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.compact import Compact
from gateway.wire.scan import Scanner

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_is_itself_without_spaces(value: Any) -> None:
    """As `json` writes it, numbers included; its length is known."""
    compact = Compact()
    done = []
    for event in Scanner().feed(json.dumps({"a": value}, indent=1).encode()):
        assert not isinstance(event, str)
        if event.path:
            done.append(compact.feed(event))
    assert json.loads(compact.text) == value
    assert compact.length == len(compact.text.encode())
    assert done.index(True) == len(done) - 1


def test_numbers_keep_their_spelling() -> None:
    """No number is read and written again."""
    compact = Compact()
    for event in Scanner().feed(b'{"a": [1.0, 1e5, 12345678901234567890123, -0]}'):
        if not isinstance(event, str) and event.path:
            compact.feed(event)
    assert compact.text == "[1.0,1e5,12345678901234567890123,-0]"
