"""A proxy is an address that may hold a password, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from gateway.domain.egress import DIRECT, CaFile, Egress, Proxy, read_proxy, refuse_plain
from gateway.domain.secret import Secret


class Toy(BaseModel):
    proxy: Proxy = None
    ca_file: CaFile = None


@pytest.mark.parametrize(
    "text",
    [
        "http://proxy",
        "http://proxy.corp:3128",
        "http://proxy.corp:3128/",
        "https://10.0.0.1:443",
        "http://[::1]:3128",
        "http://ann:p%40ss%3A@proxy.corp:3128",
        "http://ann@proxy.corp",
    ],
)
def test_proxies(text: str) -> None:
    """With and without port, user and password."""
    proxy = Toy.model_validate({"proxy": text}).proxy
    assert proxy is not None and proxy.reveal() == text
    assert Egress.of(proxy, None) == Egress(text)


@pytest.mark.parametrize(
    "text",
    [
        "proxy.corp:3128",
        "proxy",
        "socks5://proxy:1080",
        "http://",
        "http://:3128",
        "http://proxy:99999",
        "http://proxy/path",
        "http://proxy?x=1",
        "http://proxy#x",
        "http://a%3Ab:hunter22@proxy",
        "http://a:hunter22%0d%0aX: y@proxy",
        "http://[]@hunter22",
    ],
)
def test_what_is_no_proxy(text: str) -> None:
    """A complaint says how one is written, and quotes nothing."""
    with pytest.raises(ValidationError, match="should be http://host:port") as caught:
        Toy.model_validate({"proxy": text})
    assert "hunter22" not in str(caught.value.errors(include_input=False))
    assert read_proxy(text) is None


def test_nothing_is_direct() -> None:
    """Neither proxy nor file unless asked for."""
    toy = Toy()
    assert Egress.of(toy.proxy, toy.ca_file) == DIRECT == Egress()
    assert Egress.of(None, Path("ca.pem")) == Egress(ca_file=Path("ca.pem"))


def test_a_password_is_not_shown() -> None:
    """Neither by the settings nor by what is made of them."""
    toy = Toy.model_validate({"proxy": "http://ann:hunter22@proxy"})
    assert "hunter22" not in f"{toy!r} {toy.model_dump_json()} {Egress.of(toy.proxy, None)!r}"


@pytest.mark.parametrize("base", ["http://emulator:9090", "http://127.0.0.1:9090/v1", "http://api.example"])
def test_a_proxy_reads_plain_http(base: str) -> None:
    """So such a platform gets none, unless it is reached without it."""
    with pytest.raises(PydanticCustomError, match="plain http"):
        refuse_plain(Secret("http://proxy"), base)
    refuse_plain(None, base)
    refuse_plain(Secret("http://proxy"), base.replace("http:", "https:"))


def test_a_listed_host_is_reached_without_the_proxy() -> None:
    """Host and port have to be those that are listed."""
    refuse_plain(Secret("http://proxy"), "http://emulator:9090", ("emulator:9090",))
    refuse_plain(Secret("http://proxy"), "http://emulator", ("emulator:80",))
    with pytest.raises(PydanticCustomError):
        refuse_plain(Secret("http://proxy"), "http://emulator:9090", ("emulator:80",))
