"""What may be written about the door: every mistake is told at load, with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.chain.settings import AuthSettings, ClientSettings, KeySettings, LimitSettings, SignatureSettings
from gateway.config.load import load
from gateway.config.problem import ConfigError
from gateway.config.schema import Config
from gateway.domain.caller import Allowance

HASH = "sha256:" + "0" * 64


def key(**more: Any) -> KeySettings:
    return KeySettings.model_validate({"id": "a", "hash": HASH, **more})


def problems(tmp_path: Path, text: str, **environ: str) -> list[str]:
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    try:
        load(Config, file, environ)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{tmp_path}/") for problem in error.problems]
    return []


def test_what_is_left_out_is_unlimited() -> None:
    """An id and a hash are a whole entry, and a key from the environment is such a one."""
    caller = key().caller()
    assert (caller.models, caller.paths, caller.allowance, caller.weight, caller.expires) == (
        (),
        (),
        Allowance(),
        1,
        None,
    )


def test_limits_are_the_callers_allowance() -> None:
    """Each by its own name: a limit that was added here and not there would hold nobody."""
    names = list(LimitSettings.model_fields)
    limits = {name: number for number, name in enumerate(names, start=1)}
    allowance = key(limits=limits).caller().allowance
    assert {name: getattr(allowance, name) for name in names} == limits
    assert names == list(Allowance.__dataclass_fields__)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ('"2027-01-31"', datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T12:00:00", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31 12:00:00 +02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
        ('"2027-01-31T12:00:00+02:00"', datetime(2027, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_expiry_is_a_date_or_a_time(tmp_path: Path, written: str, meant: datetime) -> None:
    """As YAML reads it or quoted; UTC unless it says otherwise, and a date is its first moment."""
    file = tmp_path / "gateway.yaml"
    file.write_text(f"auth:\n  keys:\n    - {{id: a, hash: '{HASH}', expires: {written}}}\n")
    (found,) = load(Config, file, {}).auth.keys
    assert found.expires == meant
    assert found.caller().expires == meant.timestamp()
    assert found.model_dump(mode="json")["expires"] == meant.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    "more",
    [
        {"expires": "tomorrow"}, {"expires": 2027}, {"expires": True}, {"expires": ""}, {"weight": 0}, {"weight": 101},
        {"weight": "nan"}, {"paths": ["/images"]}, {"paths": ["v1/x"]}, {"paths": [""]}, {"models": [""]},
        {"models": []}, {"paths": []},
        {"models": "flux"}, {"limits": {"requests": 0}}, {"limits": {"requests": 1.5}}, {"limits": {"cents_day": 0}},
        {"limits": {"credits_day": "inf"}}, {"limits": {"pictures": 1}}, {"id": "a b"}, {"hash": "gw-key"},
    ],
)  # fmt: skip
def test_what_no_key_has(more: dict[str, Any]) -> None:
    """Mistyped limits would be no limits."""
    with pytest.raises(ValidationError):
        key(**more)


@pytest.mark.parametrize("written", ["[]", "", "\n        - ${UNSET_HERE:-}", "${UNSET_HERE:-}"])
@pytest.mark.parametrize("name", ["models", "paths"])
def test_nothing_listed_is_not_everything(tmp_path: Path, name: str, written: str) -> None:
    """An entry whose lines were removed, or whose variable is not set, would open the whole account."""
    [told] = problems(tmp_path, f"auth:\n  keys:\n    - id: a\n      hash: {HASH}\n      {name}: {written}\n")
    assert told.startswith("gateway.yaml:") and f"auth.keys[0].{name}: " in told


@pytest.mark.parametrize(
    "origin",
    [
        "app.example.com", "*", "null", "https://*.example.com", "https://app.example.com/", "https://app.example.com/a",
        "https://App.example.com", "https://app.example.com:443", "http://localhost:80", "https://a@b", "https://", "",
    ],
)  # fmt: skip
def test_what_no_browser_sends_as_an_origin(tmp_path: Path, origin: str) -> None:
    """It would never match, and the page would be refused without a word."""
    [told] = problems(tmp_path, f"auth: {{origins: ['{origin}']}}")
    assert "auth.origins[0]: should be an origin such as https://app.example.com" in told


def test_origins(tmp_path: Path) -> None:
    """Those of pages, and those of programs that are made of pages."""
    said = ["https://app.example.com:8443", "http://localhost:3000", "http://[::1]:5173", "app://obsidian.md",
            "chrome-extension://abcdef", "http://a:443"]  # fmt: skip
    (tmp_path / "gateway.yaml").write_text(f"auth: {{origins: {said}}}")
    assert load(Config, tmp_path / "gateway.yaml", {}).auth.origins == tuple(said)


def test_two_entries_for_one_key(tmp_path: Path) -> None:
    """Which of them counts would be chance: the second one's place is told, and no hash."""
    other = HASH.replace("0", "1")
    head = f"auth:\n  keys:\n    - id: a\n      hash: {HASH}\n"
    assert problems(tmp_path, f"{head}    - id: b\n      hash: {HASH}\n") == [
        "gateway.yaml:6:13: auth.keys[1].hash: is the key of a too; make another one with `gateway keys new`"
    ]
    [told] = problems(tmp_path, f"{head}    - id: a\n      hash: {other}\n")
    assert told.startswith("gateway.yaml:5:11: auth.keys[1].id: is the id of auth.keys[0] too; each key has its own")
    assert problems(tmp_path, f"{head}    - id: b\n      hash: {other}\n") == []


@pytest.mark.parametrize("name", ["allow", "deny", "trusted_proxies"])
def test_networks_are_told_apart_from_names(tmp_path: Path, name: str) -> None:
    """A host name is no address; what is one comes out in its one spelling."""
    [told] = problems(tmp_path, f"clients:\n  {name}: [10.0.0.0/8, proxy.example]\n")
    assert told.startswith(f"gateway.yaml:2:{len(name) + 18}: clients.{name}[1]: should be an address, or a network")
    settings = ClientSettings.model_validate({name: ["::ffff:10.0.0.0/104", "2001:DB8::1", "10.1.2.3"]})
    assert getattr(settings, name) == ("10.0.0.0/8", "2001:db8::1/128", "10.1.2.3/32")


def test_lists_from_the_environment() -> None:
    """Separated by commas or blanks, for a gateway without a file."""
    config = load(
        Config,
        None,
        {
            "IP_WHITELIST": "10.0.0.0/8, 127.0.0.1",
            "IP_BLACKLIST": "10.6.6.6",
            "UA_WHITELIST": "OpenAI/* curl/*",
            "UA_BLACKLIST": "*bot*,*crawler*",
            "APP_SECRET": "one secret, with anything in it",
        },
    )
    assert config.clients.allow == ("10.0.0.0/8", "127.0.0.1/32")
    assert config.clients.deny == ("10.6.6.6/32",)
    assert config.clients.agents_allow == ("OpenAI/*", "curl/*")
    assert config.clients.agents_deny == ("*bot*", "*crawler*")
    assert [secret.reveal() for secret in config.signature.secrets] == ["one secret, with anything in it"]
    assert "one secret" in "".join(config.secrets())


def test_a_required_signature_needs_a_secret(tmp_path: Path) -> None:
    """Nobody believes that requests are signed while none is."""
    assert problems(tmp_path, "signature:\n  required: true\n") == [
        "gateway.yaml:2:13: signature.required: needs signature.secrets, or APP_SECRET (found true)"
    ]
    assert problems(tmp_path, "signature:\n  required: true\n", APP_SECRET="x" * 20) == []
    assert SignatureSettings().required is None


def test_a_variable_that_is_wrong_is_named() -> None:
    """By the name the operator knows."""
    with pytest.raises(ConfigError, match="IP_WHITELIST: should be an address"):
        load(Config, None, {"IP_WHITELIST": "10.0.0.0/8 office"})


def test_no_keys_are_no_duplicates() -> None:
    """The default is valid."""
    assert AuthSettings().keys == ()
