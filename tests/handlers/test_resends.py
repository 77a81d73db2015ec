"""How a client says that it means the same request again."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.domain.errors import InvalidField
from gateway.handlers.resend import idempotency_key, is_resend


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('"', '"'),
        ('"abc', '"abc'),
        ("a b", "a b"),
        ("x" * 255, "x" * 255),
        ('"' + "x" * 255 + '"', "x" * 255),
    ],
)
def test_keys(sent: str, key: str) -> None:
    """Bare or as a quoted string: the same key."""
    assert idempotency_key(make_mocked_request("POST", "/", {"Idempotency-Key": sent})) == key


def test_no_key() -> None:
    """The header is optional."""
    assert idempotency_key(make_mocked_request("POST", "/")) is None


def test_two_keys() -> None:
    """Nobody can tell which is meant; the same one twice, as proxies make it, is one."""
    heads = CIMultiDict([("Idempotency-Key", "a"), ("Idempotency-Key", "a")])
    assert idempotency_key(make_mocked_request("POST", "/", heads)) == "a"
    heads.add("Idempotency-Key", "b")
    with pytest.raises(InvalidField, match="twice"):
        idempotency_key(make_mocked_request("POST", "/", heads))


@pytest.mark.parametrize("sent", ["", '""', "x" * 256, "é", "a\tb", "a\x7f"])
def test_refused_keys(sent: str) -> None:
    """A key that cannot be kept exactly is refused, not shortened: two requests would meet."""
    with pytest.raises(InvalidField) as caught:
        idempotency_key(make_mocked_request("POST", "/", {"Idempotency-Key": sent}))
    assert caught.value.param == "Idempotency-Key"


@pytest.mark.parametrize(
    ("sent", "again"),
    [
        (None, False),
        ("0", False),
        ("1", True),
        ("2", True),
        ("00", False),
        ("-1", False),
        ("1.0", False),
        ("", False),
        ("²", False),
        ("9" * 5000, False),
        ("true", False),
    ],
)
def test_resends(sent: str | None, again: bool) -> None:
    """A count of at least one, as the official SDKs send it; nonsense declares nothing."""
    headers = {} if sent is None else {"x-stainless-retry-count": sent}
    assert is_resend(make_mocked_request("POST", "/", headers)) is again
