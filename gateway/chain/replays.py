"""Signatures that were used, for as long as their time stamps would still be good."""

from __future__ import annotations

from collections import OrderedDict

from gateway.domain.errors import BadSignature, OutOfRoom

RETRY_AFTER_S = 30.0


class Replays:
    """
    At most `most` signatures of 32 bytes, about 20 MB. When all are still good a further one is refused: forgetting one
    would let it be used again.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def claim(self, signature: bytes, until: float, now: float) -> None:
        """
        Use a signature that is good until `until`; wall times. Raises: BadSignature when it was used, OutOfRoom.
        """
        # In the order they came, not in that of their ends: a client's clock that is ahead keeps a few a little longer.
        while self._used and next(iter(self._used.values())) < now:
            self._used.popitem(last=False)
        if signature in self._used:
            raise BadSignature(
                "X-Request-Signature was used before: sign each request anew. Two equal ones within a second differ by "
                "a fraction in their t."
            )
        if len(self._used) >= self._most:
            raise OutOfRoom("The gateway cannot remember more signed requests.", retry_after_s=RETRY_AFTER_S)
        self._used[signature] = until
