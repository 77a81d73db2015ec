"""What whoever reads a signed request's body owes, so that nobody has to read it twice or keep it whole."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

from gateway.domain.errors import BadSignature


class Duty:
    """
    Every byte of the body goes through `update`, in order; nothing is done with the whole before `verify` has returned.

    Args:
        secrets: any of them may have signed.
        wanted: the HMAC-SHA256 that the client claims, of `head` and the body: https://www.rfc-editor.org/rfc/rfc2104
        once: told the signature when it is right; raises BadSignature when it was right before.
    """

    __slots__ = ("_digests", "_once", "_wanted", "fulfilled")

    def __init__(
        self, secrets: Sequence[bytes], wanted: bytes, *, head: bytes = b"", once: Callable[[bytes], None]
    ) -> None:
        self._digests = [hmac.new(secret, head, "sha256") for secret in secrets]
        self._wanted, self._once = wanted, once
        self.fulfilled = False

    def update(self, piece: bytes) -> None:
        for digest in self._digests:
            digest.update(piece)

    def verify(self) -> None:
        """Once the body is complete. Asking again after it was right changes nothing. Raises: BadSignature."""
        if self.fulfilled:
            return
        if not any(hmac.compare_digest(digest.digest(), self._wanted) for digest in self._digests):
            raise BadSignature("X-Request-Signature is not the signature of this request.")
        self._once(self._wanted)
        self.fulfilled = True
