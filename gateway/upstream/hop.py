"""Which headers travel on. Both tables name what stays behind, so that headers nobody has heard of yet pass."""

from __future__ import annotations

from collections.abc import Iterator

from multidict import CIMultiDict, CIMultiDictProxy

from gateway.domain.secret import Secret

# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and those that a connection's two ends settle between them.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The client's credentials are for the gateway; where it came from is nobody's business further on. Method and path are
# those that were judged, whatever a framework may take from a header instead.
CLIENT_ONLY = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "forwarded",
        "host",
        "true-client-ip",
        "via",
        "x-http-method",
        "x-http-method-override",
        "x-imagemodel",
        "x-method-override",
        "x-original-url",
        "x-real-ip",
        "x-request-signature",
        "x-rewrite-url",
    }
)
# Written by proxies in front of the gateway. Cloudflare, which stands before OpenAI, refuses its own from outside:
# https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/error-1000/
CLIENT_ONLY_PREFIXES = ("x-forwarded-", "cf-")
# What the platform says of its own origin would bind the gateway's.
PLATFORM_ONLY = frozenset(
    {"alt-svc", "nel", "report-to", "reporting-endpoints", "server", "set-cookie", "strict-transport-security"}
)


def towards_platform(headers: CIMultiDictProxy[str], key: Secret) -> CIMultiDict[str]:
    """A client's request headers with the gateway's own key."""
    found = CIMultiDict(
        (name, value)
        for lower, name, value in _end_to_end(headers)
        if lower not in CLIENT_ONLY and not lower.startswith(CLIENT_ONLY_PREFIXES)
    )
    found["Authorization"] = f"Bearer {key.reveal()}"
    return found


def towards_client(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """
    A platform's answer headers. Its `x-request-id` becomes `x-upstream-request-id`, as the gateway has one too.

    No proxy is to keep events back: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
    """
    found = CIMultiDict((name, value) for lower, name, value in _end_to_end(headers) if lower not in PLATFORM_ONLY)
    if request_id := found.pop("x-request-id", None):
        found["x-upstream-request-id"] = request_id
    if found.get("Content-Type", "").partition(";")[0].strip().lower() == "text/event-stream":
        found.setdefault("X-Accel-Buffering", "no")
    return found


def _end_to_end(headers: CIMultiDictProxy[str]) -> Iterator[tuple[str, str, str]]:
    named = {word.strip().lower() for line in headers.getall("Connection", ()) for word in line.split(",")}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in HOP_BY_HOP and lower not in named:
            yield lower, name, value
