"""How a platform is reached from here, and what the operator may say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from yarl import URL

from gateway.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class Egress:
    """
    An http proxy that connections go through, and the file of certificate authorities that are believed instead of the
    system's. `proxy` may carry a password: never printed. Nothing is ever taken from the environment.
    """

    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @classmethod
    def of(cls, proxy: Secret | None, ca_file: Path | None) -> Egress:
        return cls(proxy.reveal() if proxy is not None else None, ca_file)


DIRECT = Egress()


def _proxy(secret: Secret | None) -> Secret | None:
    if secret is not None and read_proxy(secret.reveal()) is None:
        raise PydanticCustomError(
            "proxy", "should be http://host:port or https://host:port, with user:password@ before the host if need be"
        )
    return secret


Proxy = Annotated[
    Secret | None,
    AfterValidator(_proxy),
    Field(description="`http://` or `https://` proxy that https goes through by CONNECT; may hold user and password"),
]
CaFile = Annotated[
    Path | None, Field(description="PEM file of certificate authorities that are believed instead of the system's")
]


def read_proxy(text: str) -> URL | None:
    """The address of a proxy, credentials included; None unless it is one."""
    try:
        url = URL(text)
        plain = bool(url.host) and url.port is not None and url.path in ("", "/")
    except (ValueError, IndexError):  # yarl 1.25 looks for the first character of the host in `http://[]@`
        return None
    # A colon in the user would end it: https://www.rfc-editor.org/rfc/rfc7617#section-2
    single = ":" not in (url.user or "") and f"{url.user}{url.password}".isprintable()
    return url if plain and single and url.scheme in ("http", "https") and not url.query and not url.fragment else None


def refuse_plain(proxy: Secret | None, base_url: str, listed: tuple[str, ...] = ()) -> None:
    """
    A proxy would read the key of a platform that is reached over plain http.

    `listed` are the `host:port` pairs that the operator named as insecure; those are reached without the proxy.
    Raises: PydanticCustomError.
    """
    base = URL(base_url)
    if proxy is not None and base.scheme == "http" and f"{base.host}:{base.port}" not in listed:
        raise PydanticCustomError(
            "plain_proxy",
            "{text}",
            {
                "text": f"would read the key, as {base_url} is plain http. Use https, or leave the proxy out",
                "path": ("proxy",),
            },
        )
