"""A signature is used once for as long as it would be good, and what is remembered has an end."""

from __future__ import annotations

import pytest

from gateway.chain.replays import Replays
from gateway.domain.errors import BadSignature, OutOfRoom


def test_twice_is_once_too_often() -> None:
    """Until its stamp has run out, to the second; others are not affected."""
    replays = Replays()
    replays.claim(b"a", 100.0, 0.0)
    replays.claim(b"b", 100.0, 0.0)
    for now in (0.0, 50.0, 100.0):
        with pytest.raises(BadSignature, match="used before"):
            replays.claim(b"a", 100.0, now)


def test_what_is_over_is_forgotten() -> None:
    """Memory is that of one window, whatever passes through."""
    replays = Replays(most=10)
    for second in range(1000):
        replays.claim(b"%d" % second, second + 9.0, float(second))
    assert len(vars(replays)["_used"]) <= 10


def test_a_full_memory_forgets_nothing() -> None:
    """One that were forgotten could be used again: the next one has to wait instead."""
    replays = Replays(most=2)
    replays.claim(b"a", 100.0, 0.0)
    replays.claim(b"b", 100.0, 0.0)
    with pytest.raises(OutOfRoom):
        replays.claim(b"c", 100.0, 0.0)
    with pytest.raises(BadSignature):
        replays.claim(b"a", 100.0, 1.0)
    replays.claim(b"c", 200.0, 101.0)
