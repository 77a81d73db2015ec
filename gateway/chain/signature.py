"""
What `X-Request-Signature` has to say: the hexadecimal HMAC-SHA256 of the body alone, or of time, method, path and body.

Pure; the body is not here yet when the header is read, so what can be told of it becomes a `Duty`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.chain.settings import SignatureSettings
from gateway.domain.duty import Duty
from gateway.domain.errors import BadSignature
from gateway.domain.secret import Secret

HEADER = "X-Request-Signature"

_BODY = re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})", re.ASCII)
# Seconds since 1970, and a fraction where two equal requests come in one second.
_STAMPED = re.compile(r"t=([0-9]{1,12}(?:\.[0-9]{1,9})?), ?v1=([0-9a-fA-F]{64})", re.ASCII)

Claim = Callable[[bytes, float, float], None]


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """Without `secrets` nothing is signed. `window_s` is how far a time stamp may be from now, either way."""

    secrets: tuple[Secret, ...] = ()
    stamped: bool = False
    required: bool = False
    window_s: float = 300.0

    @classmethod
    def of(cls, settings: SignatureSettings) -> SignaturePolicy:
        required = bool(settings.secrets) if settings.required is None else settings.required
        return cls(settings.secrets, settings.mode == "timestamp", required, settings.window)

    def duty(self, sent: Sequence[str], method: str, target: str, now: float, claim: Claim) -> Duty | None:
        """
        What this request's reader owes; None when it need not be signed and is not.

        Args:
            sent: the lines of the header.
            method, target: as in the request line; the target is path and query, byte for byte.
            now: wall time.
            claim: `Replays.claim`.

        Raises: BadSignature for a header that is absent, malformed or of another time.
        """
        if not self.secrets:
            return None
        if not sent and not self.required:
            return None
        if len(sent) != 1:
            raise BadSignature(f"This gateway asks for one {HEADER} header.")
        secrets = [secret.reveal().encode() for secret in self.secrets]
        if not self.stamped:
            return Duty(secrets, _read(_BODY, sent[0], "HEX")[-1], once=lambda _: None)
        stamp, wanted = _read(_STAMPED, sent[0], "t=UNIX_SECONDS,v1=HEX")
        signed_at = float(stamp)
        if abs(now - signed_at) > self.window_s:
            raise BadSignature(
                f"{HEADER} is older or newer than {self.window_s:g} seconds: sign again, and check the clock."
            )
        head = b"%b.%b.%b." % (stamp, method.encode(), target.encode("utf-8", "surrogateescape"))
        until = signed_at + self.window_s
        return Duty(secrets, wanted, head=head, once=lambda signature: claim(signature, until, now))


def _read(form: re.Pattern[str], text: str, spelled: str) -> list[bytes]:
    """The groups of a header, the last one from hexadecimal. Raises: BadSignature."""
    if (found := form.fullmatch(text.strip())) is None:
        raise BadSignature(f"{HEADER} has the form {spelled}, with the 64 hexadecimal digits of an HMAC-SHA256.")
    *before, wanted = found.groups()
    return [*(text.encode() for text in before), bytes.fromhex(wanted)]
