"""What is signed and how it is written; pure, with time as an argument."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chain.settings import SignatureSettings
from gateway.chain.signature import SignaturePolicy
from gateway.domain.duty import Duty
from gateway.domain.errors import BadSignature
from tests.fakes.signer import SECRET, body_mac, stamped_mac

NOW = 1_800_000_000.0
TARGET = "/v1/images/edits?a=%2F"
BODY = b"a body"


class Claims:
    """What was claimed: signature, until, now."""

    def __init__(self) -> None:
        self.made: list[tuple[bytes, float, float]] = []

    def __call__(self, signature: bytes, until: float, now: float) -> None:
        self.made.append((signature, until, now))


def policy(**settings: Any) -> SignaturePolicy:
    return SignaturePolicy.of(SignatureSettings.model_validate({"secrets": [SECRET], **settings}))


STAMPED = policy(mode="timestamp")


def owed(
    rules: SignaturePolicy, *sent: str, method: str = "POST", target: str = TARGET, claims: Claims | None = None
) -> Duty:
    duty = rules.duty(sent, method, target, NOW, claims or Claims())
    assert duty is not None
    return duty


def good(duty: Duty, body: bytes = BODY) -> bool:
    duty.update(body)
    try:
        duty.verify()
    except BadSignature:
        return False
    return True


@given(st.binary(max_size=300))
def test_a_body_alone(body: bytes) -> None:
    """Hexadecimal of either case, with or without the name of the algorithm."""
    mac = body_mac(body)
    for written in (mac, mac.upper(), f"sha256={mac}", f" {mac} "):
        assert good(owed(policy(), written), body)
    assert not good(owed(policy(), mac), body + b"x")


@pytest.mark.parametrize("t", [int(NOW), int(NOW) - 300, int(NOW) + 300, NOW + 0.25, f"{int(NOW)}.000000001"])
def test_a_stamped_request(t: float | str) -> None:
    """Within the window on either side, with a fraction or without; the text is signed as it is written."""
    claims = Claims()
    assert good(owed(STAMPED, stamped_mac(t, "POST", TARGET, BODY), claims=claims))
    [(signature, until, now)] = claims.made
    assert signature.hex() == stamped_mac(t, "POST", TARGET, BODY).partition("v1=")[2]
    assert (until, now) == (float(t) + 300, NOW)


@pytest.mark.parametrize(
    "sent",
    [
        stamped_mac(int(NOW), "GET", TARGET, BODY),
        stamped_mac(int(NOW), "POST", "/v1/images/edits", BODY),
        stamped_mac(int(NOW), "POST", TARGET, BODY + b"x"),
        stamped_mac(int(NOW), "POST", TARGET, BODY, "another secret"),
        stamped_mac(int(NOW), "POST", TARGET, BODY).replace(str(int(NOW)), str(int(NOW) + 1)),
    ],
)
def test_everything_about_it_is_signed(sent: str) -> None:
    """Method, path, query, body and time; what is wrong is not claimed."""
    claims = Claims()
    assert not good(owed(STAMPED, sent, claims=claims))
    assert claims.made == []


@pytest.mark.parametrize("t", [int(NOW) - 301, int(NOW) + 301, 0, "999999999999"])
def test_another_time_is_refused_before_the_body(t: int | str) -> None:
    """Nobody reads an upload to find that it is an old one."""
    with pytest.raises(BadSignature, match="300 seconds"):
        owed(STAMPED, stamped_mac(t, "POST", TARGET, BODY))


@pytest.mark.parametrize(
    "sent",
    [
        (), ("",), ("x",), ("0" * 63,), ("0" * 65,), ("0x" + "0" * 62,), ("sha512=" + "0" * 64,), ("é" * 64,),
        ("٠" * 64,), ("0" * 64, "0" * 64), ("0" * 64 + "," + "0" * 64,), ("t=1,v1=" + "0" * 64,),
    ],
)  # fmt: skip
def test_what_is_no_signature_of_a_body(sent: tuple[str, ...]) -> None:
    """Absent, malformed, of another mode, and two."""
    with pytest.raises(BadSignature):
        policy().duty(sent, "POST", TARGET, NOW, Claims())


@pytest.mark.parametrize(
    "form",
    ["{v}", "t={t}", "t={t},v1=", "v1={v},t={t}", "t={t};v1={v}", "t=,v1={v}", "t=-1,v1={v}", "t=1e9,v1={v}",
     "t=nan,v1={v}", "t=0x1,v1={v}", "t={t},v1={v},v1={v}", "t={t},t={t},v1={v}", "t={t},v0={v}", "t={t},v1={v}0",
     "t=1800000000000000000000,v1={v}", "t=1_800_000_000,v1={v}", "t={t}.,v1={v}"],
)  # fmt: skip
def test_what_is_no_stamped_signature(form: str) -> None:
    """One way to write it, so that nothing is read twice in two ways."""
    with pytest.raises(BadSignature, match="t=UNIX_SECONDS,v1=HEX"):
        owed(STAMPED, form.format(t=int(NOW), v="0" * 64))


def test_old_and_new_secret_are_good_together() -> None:
    """Any order of them, for as long as both are listed."""
    rules = policy(secrets=["a-new-one", SECRET])
    assert good(owed(rules, body_mac(BODY)))
    assert good(owed(rules, body_mac(BODY, "a-new-one")))
    assert not good(owed(rules, body_mac(BODY, "a-third")))


def test_who_has_to_sign() -> None:
    """Nobody without a secret; everybody with one, unless it says that only those who do are checked."""
    unsigned = SignaturePolicy.of(SignatureSettings())
    assert unsigned.duty((body_mac(BODY),), "POST", TARGET, NOW, Claims()) is None
    optional = policy(required=False)
    assert optional.duty((), "POST", TARGET, NOW, Claims()) is None
    assert not good(owed(optional, body_mac(b"another")))
    with pytest.raises(BadSignature):
        policy().duty((), "POST", TARGET, NOW, Claims())


def test_no_secret_is_shown() -> None:
    """Neither the rules nor what is owed print it."""
    assert SECRET not in repr(STAMPED)
    assert SECRET not in repr(owed(policy(), body_mac(BODY)))
