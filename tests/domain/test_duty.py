"""A digest that grows with the body: however it is cut, it is that of the whole, and nothing is right before it is."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.duty import Duty
from gateway.domain.errors import BadSignature


def mac(secret: bytes, data: bytes) -> bytes:
    return hmac.digest(secret, data, "sha256")


@given(st.lists(st.binary(max_size=40)), st.binary(max_size=20), st.sampled_from([b"one", b"two"]))
def test_pieces_are_the_whole(pieces: list[bytes], head: bytes, signed_with: bytes) -> None:
    """Any cut, any of the secrets, and the head in front."""
    once: list[bytes] = []
    wanted = mac(signed_with, head + b"".join(pieces))
    duty = Duty([b"one", b"two"], wanted, head=head, once=once.append)
    for piece in pieces:
        duty.update(piece)
    assert not duty.fulfilled
    duty.verify()
    assert (duty.fulfilled, once) == (True, [wanted])
    duty.verify()
    assert once == [wanted]


@pytest.mark.parametrize("wanted", [mac(b"other", b"body"), mac(b"one", b"bod"), b"", bytes(32)])
def test_a_wrong_one_is_never_fulfilled(wanted: bytes) -> None:
    """And nobody is told that it was used."""
    once: list[bytes] = []
    duty = Duty([b"one"], wanted, once=once.append)
    duty.update(b"body")
    for _ in range(2):
        with pytest.raises(BadSignature):
            duty.verify()
    assert (duty.fulfilled, once) == (False, [])


def test_a_used_one_is_not_fulfilled() -> None:
    """Whoever remembers them has the last word."""

    def refuse(_signature: bytes) -> None:
        raise BadSignature("used before")

    duty = Duty([b"one"], mac(b"one", b""), once=refuse)
    with pytest.raises(BadSignature, match="used before"):
        duty.verify()
    assert not duty.fulfilled
