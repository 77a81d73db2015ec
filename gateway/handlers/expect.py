"""`Expect: 100-continue` is answered by whoever first reads the body: until then a refusal costs no upload."""

from __future__ import annotations

from aiohttp import HttpVersion11, hdrs, web

from gateway.domain.errors import ExpectationFailed


def expects(request: web.BaseRequest) -> bool:
    """
    True when the client waits before it sends the body. Raises: ExpectationFailed when it expects anything else.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1: HTTP/1.0 clients do not know it.
    """
    expect = request.headers.get(hdrs.EXPECT)
    if expect is None or request.version < HttpVersion11:
        return False
    if expect.strip().lower() != "100-continue":
        raise ExpectationFailed("The only expectation that is met here is 100-continue.")
    return True


def invite_body(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send the body."""
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
