"""What the kernel's counters prove: never more than is true, and all of it where nothing is in doubt."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.tcp_info import TcpInfo, at_most, read


@dataclass
class Connection:
    """One end of a connection, as the kernel keeps it: `written` ≥ `sent` ≥ `acked`, bytes of payload."""

    written: int = 0
    sent: int = 0
    acked: int = 0
    resent: int = 0
    ended: int = 0

    def act(self, what: str, count: int) -> None:
        if what == "write" and not self.ended:
            self.written += count
        elif what == "send":
            self.sent = min(self.written, self.sent + count)
        elif what == "resend":
            self.resent += min(count, self.sent - self.acked)
        elif what == "ack":
            self.acked = min(self.sent, self.acked + count)

    def told(self, *, closed: bool) -> TcpInfo:
        # The handshake counts as one byte that was acknowledged, an end in the line as one that waits.
        unsent = self.written - self.sent + self.ended
        return TcpInfo(closed, self.sent + self.resent, self.resent, self.acked + 1, unsent)


acts = st.lists(st.tuples(st.sampled_from(["write", "send", "resend", "ack"]), st.integers(0, 200_000)), max_size=30)


@given(acts, acts, st.booleans(), st.booleans())
def test_never_less_than_the_other_side_can_have(
    first: list[tuple[str, int]], then: list[tuple[str, int]], closed: bool, shut: bool
) -> None:
    """Whatever happened before the baseline and after it: a claim that the end is missing is true."""
    connection = Connection()
    for what, count in first:
        connection.act(what, count)
    before, start = connection.told(closed=False), connection.written
    for what, count in then:
        connection.act(what, count)
    connection.ended = int(shut)
    reach = connection.sent if closed else connection.written
    most = at_most(before, connection.told(closed=closed))
    if most is None:
        assert connection.sent == 0
    else:
        assert most >= reach - start


@given(acts, acts, st.booleans())
def test_exact_where_nothing_is_in_doubt(
    first: list[tuple[str, int]], then: list[tuple[str, int]], closed: bool
) -> None:
    """Of a connection that was idle at the baseline it is known to the byte."""
    connection = Connection()
    for what, count in [*first, ("send", 10**9), ("ack", 10**9)]:
        connection.act(what, count)
    before, start = connection.told(closed=False), connection.written
    for what, count in [*then, ("write", 1), ("send", 1)]:
        connection.act(what, count)
    reach = connection.sent if closed else connection.written
    assert at_most(before, connection.told(closed=closed)) == reach - start


FRESH = TcpInfo(closed=False, sent=0, resent=0, acked=1, unsent=0)
CUT = TcpInfo(closed=True, sent=200_000, resent=4_443, acked=195_001, unsent=104_443)


def test_a_cut() -> None:
    """Of 300,000 bytes 195,557 have left; were the connection alive, the rest would go out."""
    assert at_most(FRESH, CUT) == 195_557
    assert at_most(FRESH, replace(CUT, closed=False)) == 300_000


def test_a_kept_connection() -> None:
    """What it carried before is not of this request."""
    before = TcpInfo(closed=False, sent=1_000_100, resent=100, acked=1_000_001, unsent=0)
    after = TcpInfo(closed=True, sent=1_090_150, resent=150, acked=1_080_001, unsent=210_000)
    assert at_most(before, after) == 90_000


def test_what_was_acknowledged_was_sent() -> None:
    """A repetition that was counted and failed for want of memory takes nothing away."""
    assert at_most(FRESH, TcpInfo(closed=True, sent=300_000, resent=1_448, acked=300_001, unsent=0)) == 300_000


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FRESH, replace(FRESH, closed=True)),
        (CUT, replace(CUT, sent=100_000)),
        (CUT, replace(CUT, resent=0)),
        (CUT, replace(CUT, acked=0)),
    ],
    ids=["never-counted", "sent-less", "resent-less", "acked-less"],
)
def test_counters_that_prove_nothing(before: TcpInfo, after: TcpInfo) -> None:
    """A sandbox that has the fields and leaves them at nothing, and figures that cannot be."""
    assert at_most(before, after) is None


def laid_out(*, state: int = 7, sent: int = 200_000, resent: int = 4_443) -> bytes:
    told = bytearray(248)
    told[0] = state
    struct.pack_into("=Q", told, 120, 195_001)
    struct.pack_into("=I", told, 144, 104_443)
    struct.pack_into("=QQ", told, 200, sent, resent)
    return bytes(told)


def test_the_layout() -> None:
    """As the kernel lays it out, however much longer it becomes."""
    assert read(laid_out()) == read(laid_out() + bytes(200)) == CUT
    assert read(laid_out(state=1)) == replace(CUT, closed=False)
    assert read(laid_out(state=9)) == replace(CUT, closed=False, ended=True)


@pytest.mark.parametrize("told", [b"", bytes(104), laid_out()[:215], laid_out(sent=5, resent=6)])
def test_a_kernel_that_tells_less(told: bytes) -> None:
    """None at all, one before 4.19, one byte too few, nonsense."""
    assert read(told) is None
