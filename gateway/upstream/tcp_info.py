"""
What the kernel tells of a connection: how much of what was written to it has left this machine. Arithmetic only.

`struct tcp_info` grows at its end only:
https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/tcp.h
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# More than any kernel's structure has; the kernel tells how much of it is filled.
SIZE = 512
# Linux 4.19 is the first that counts the bytes it sends.
_STATE, _ACKED, _UNSENT, _SENT = struct.Struct("=B"), struct.Struct("=Q"), struct.Struct("=I"), struct.Struct("=QQ")
_STATE_AT, _ACKED_AT, _UNSENT_AT, _SENT_AT = 0, 120, 144, 200
_LEAST = _SENT_AT + _SENT.size
# TCP_CLOSE: nothing more is ever sent, whatever is left. TCP_LAST_ACK: both sides have said their last.
_CLOSED, _LAST_ACK = 7, 9


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """
    Bytes of payload since the connection was made: `sent` with what was sent again, which `resent` counts alone;
    `acked` by the other side's kernel; `unsent` wait in this one's. `closed`: there is no connection any more; `ended`:
    both sides have said that they end it.
    """

    closed: bool
    sent: int
    resent: int
    acked: int
    unsent: int
    ended: bool = False


def read(told: bytes) -> TcpInfo | None:
    """None when the kernel does not tell as much, or does not count."""
    if len(told) < _LEAST:
        return None
    (state,) = _STATE.unpack_from(told, _STATE_AT)
    (acked,) = _ACKED.unpack_from(told, _ACKED_AT)
    (unsent,) = _UNSENT.unpack_from(told, _UNSENT_AT)
    sent, resent = _SENT.unpack_from(told, _SENT_AT)
    return TcpInfo(state == _CLOSED, sent, resent, acked, unsent, state == _LAST_ACK) if resent <= sent else None


def at_most(before: TcpInfo, after: TcpInfo) -> int | None:
    """
    How many of the bytes written between the two the other side can have, or still get; never less than it has.

    None when nobody knows. Only for a connection that takes no more bytes: then what a closed one has not sent is lost,
    and what waits in the kernel of any other still goes out. Under TLS these bytes are longer than what they carry.
    """
    # A kernel that keeps the fields and does not count, as sandboxes do, has sent nothing at all.
    if not after.sent or after.sent < before.sent or after.resent < before.resent or after.acked < before.acked:
        return None
    sent = (after.sent - before.sent) - (after.resent - before.resent)
    # What was acknowledged was sent, whatever became of the count of what was sent again.
    sent = max(sent, after.acked - before.acked)
    return sent if after.closed else sent + after.unsent
