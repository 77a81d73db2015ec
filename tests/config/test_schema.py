"""What the whole configuration adds to its parts: files that have to be there, and everything that is secret in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load
from gateway.config.problem import ConfigError
from gateway.config.schema import Config
from gateway.config.show import show
from tests.fakes.certificates import Authority

FILE = """\
platforms:
  bfl:
    kind: bfl
    api_key: a-key-of-bfl
    proxy: {proxy}
    ca_file: {ca}
  openai:
    kind: openai
    api_keys: [a-key-of-openai]
    proxy: {proxy}
    ca_file: {ca}
"""


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Load a file with this proxy and these authorities for both kinds of platform."""

    def loaded(proxy: str = "http://ann:hunter22@proxy:3128", ca: Path | None = None) -> Config:
        path = tmp_path / "gateway.yaml"
        path.write_text(FILE.format(proxy=proxy, ca=ca or Authority(tmp_path).ca_file))
        return load(Config, path, {})

    return loaded


def test_egress_of_both_kinds(file: Any, tmp_path: Path) -> None:
    """Accepted, and the password is shown by nothing and known to the log's redactor."""
    config: Config = file()
    for platform in config.platforms.values():
        assert platform.ca_file == tmp_path / "ca.pem"
    assert "hunter22" not in show(config) and "proxy: '***'" in show(config)
    assert {"hunter22", "http://ann:hunter22@proxy:3128", "a-key-of-bfl"} <= set(config.secrets())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("public_base_url: images.example.com", "1:18: public_base_url: should be an address such as https://"),
        ("public_base_url: https://images.example.com/v1", "1:18: public_base_url: should be what stands before /v1"),
        ("public_base_url: https://images.example.com/v1/", "1:18: public_base_url: should be what stands before /v1"),
        ("route_prefix: images", "1:15: route_prefix: should be a path such as /images"),
        ("route_prefix: /images/", "1:15: route_prefix: should be a path such as /images"),
        (
            "platforms: {bfl: {kind: bfl, api_key: abcdefgh, base_url: api.bfl.ai}}",
            "1:59: platforms.bfl.base_url: should be an address such as https://",
        ),
    ],
)
def test_addresses_are_told_in_words(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong with them, and no pattern."""
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(Config, path, {})
    [told] = str(caught.value).splitlines()
    assert told.startswith(f"{path}:{said}")


def test_authorities_that_are_not_there(file: Any, tmp_path: Path) -> None:
    """Each with its place, all at once, beside what else is wrong."""
    with pytest.raises(ConfigError) as caught:
        file("nonsense-hunter22", tmp_path / "none.pem")
    where = tmp_path / "gateway.yaml"
    proxy = "should be http://host:port or https://host:port, with user:password@ before the host if need be"
    assert str(caught.value).splitlines() == [
        f"{where}:5:12: platforms.bfl.proxy: {proxy}",
        f"{where}:10:12: platforms.openai.proxy: {proxy}",
    ]
    with pytest.raises(ConfigError) as caught:
        file(ca=tmp_path / "none.pem")
    assert [line.partition(" (found")[0] for line in str(caught.value).splitlines()] == [
        f"{where}:6:14: platforms.bfl.ca_file: cannot be read: No such file or directory",
        f"{where}:11:14: platforms.openai.ca_file: cannot be read: No such file or directory",
    ]


def test_a_file_without_authorities(file: Any, tmp_path: Path) -> None:
    """A key in the place of certificates is a mistake."""
    Authority(tmp_path)
    with pytest.raises(ConfigError, match="holds no certificates in PEM form"):
        file(ca=tmp_path / "ca.key")


def test_plain_http_and_a_proxy(tmp_path: Path) -> None:
    """The key would be the proxy's."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "platforms:\n  openai: {kind: openai, api_keys: [a-key], base_url: 'http://vllm:80', proxy: 'http://p:1'}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(Config, path, {})
    assert "platforms.openai.proxy: would read the key, as http://vllm:80 is plain http" in str(caught.value)
    assert "http://p:1" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('["${MISSING}"]', "openai.api_keys[0]: environment variable MISSING is not set"),
        ("[]", "openai.api_keys: should have at least 1 item"),
    ],
)
def test_a_list_that_is_too_short_is_told_once(tmp_path: Path, keys: str, problem: str) -> None:
    """An item that cannot be read is the whole problem; that the list is short without it is no second one."""
    path = tmp_path / "gateway.yaml"
    path.write_text(f"platforms: {{openai: {{kind: openai, api_keys: {keys}}}}}\n")
    with pytest.raises(ConfigError) as caught:
        load(Config, path, {})
    (line,) = str(caught.value).splitlines()
    assert line.endswith(f": platforms.{problem}")
