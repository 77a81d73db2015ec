"""Keys are made once, shown once, and kept as a hash."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from gateway.chain.settings import KeySettings, LimitSettings
from gateway.cli.keys import LIMITS, keys, new
from gateway.config.load import load
from gateway.config.schema import Config
from tests.fakes.program import run


def test_a_new_key(tmp_path: Path) -> None:
    """A key of 256 bits, and an entry for the file that this key opens."""
    result = run(tmp_path, "keys", "new", "alice")
    assert (result.returncode, result.stderr) == (0, "")
    (key,) = re.findall(r"^  (gw-[A-Za-z0-9_-]{43})$", result.stdout, re.MULTILINE)
    (entry,) = yaml.safe_load(result.stdout[result.stdout.index("  - id") :])
    assert KeySettings.model_validate(entry).id == "alice"
    assert entry["hash"] == f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def test_keys_differ() -> None:
    """Each its own."""
    outputs = {CliRunner().invoke(keys, ["new"]).output for _ in range(3)}
    assert len(outputs) == 3


@pytest.mark.parametrize("name", ["a b", "", "-", "x" * 65, "a:b", "prénom", "a\nb"])
def test_only_names_that_the_file_takes(name: str) -> None:
    """What would be refused there is refused here, before a key is handed out."""
    result = CliRunner().invoke(keys, ["new", "--", name])
    assert result.exit_code == 2
    assert "gw-" not in result.output


def test_a_new_key_with_everything(tmp_path: Path) -> None:
    """The entry is complete, and the file takes it as it is printed."""
    options = (
        "--models", "flux-*,gpt-image-*", "--models", "x", "--paths", "/v1/images/*", "--expires", "2099-01-31",
        "--weight", "2.5", "--requests", "60", "--images", "30", "--megapixels", "100", "--jobs", "4",
        "--credits-day", "1.5", "--credits-month", "20", "--cents-day", "150", "--cents-month", "2000",
    )  # fmt: skip
    result = run(tmp_path, "keys", "new", "alice", *options)
    assert (result.returncode, result.stderr) == (0, "")
    entry = result.stdout[result.stdout.index("  - id") :]
    (tmp_path / "gateway.yaml").write_text(f"auth:\n  keys:\n{entry}")
    (key,) = load(Config, tmp_path / "gateway.yaml", {}).auth.keys
    assert (key.models, key.paths, key.weight) == (("flux-*", "gpt-image-*", "x"), ("/v1/images/*",), 2.5)
    assert key.expires is not None
    assert key.expires.isoformat() == "2099-01-31T00:00:00+00:00"
    assert list(key.limits.model_dump().values()) == [60, 30, 100, 4, 1.5, 20, 150, 2000]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--expires", "tomorrow"), "--expires"),
        (("--expires", "2020-01-31"), "--expires"),
        (("--models", ""), "--models"),
        (("--paths", ","), "--paths"),
        (("--weight", "0"), "--weight"),
        (("--paths", "/images"), "--paths"),
        (("--cents-day", "-1"), "--cents-day"),
        (("--requests", "0"), "--requests"),
        (("--requests", "many"), "--requests"),
    ],
)
def test_only_what_the_file_takes(options: tuple[str, ...], named: str) -> None:
    """The option is named, and no key is handed out."""
    result = CliRunner().invoke(keys, ["new", *options])
    assert result.exit_code == 2
    assert named in result.output
    assert "gw-" not in result.output


def test_every_limit_has_an_option() -> None:
    """A limit that was added to the file and not here could not be asked for."""
    assert set(LIMITS) == set(LimitSettings.model_fields)
    assert set(LIMITS) <= {parameter.name for parameter in new.params}


FILE = """\
auth:
  keys:
    - {{id: alice, hash: "sha256:{alice}"}}
    - id: bob
      hash: sha256:{bob}
      models: [flux-*]
      paths: [/v1/images/*, /v1/models]
      limits: {{requests: 60, cents_day: 2.5}}
      weight: 2
      expires: 2001-01-31
"""
ALICE, BOB = "gw-alice-0123456789", "gw-bob-0123456789"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in (("alice", ALICE), ("bob", BOB))}
    (tmp_path / "gateway.yaml").write_text(FILE.format(**hashes))
    return tmp_path / "gateway.yaml"


def test_the_list(tmp_path: Path, file: Path) -> None:
    """One line a key, in the file's order, with no more of a hash than tells two apart."""
    result = run(tmp_path, "keys", "list", "--config", str(file))
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["id", "state", "expires", "weight", "models", "paths", "limits", "hash"],
        ["alice", "active", "never", "1", "all", "all", "none", hashlib.sha256(ALICE.encode()).hexdigest()[:8]],
        ["bob", "expired", "2001-01-31T00:00:00Z", "2", "flux-*", "/v1/images/*,/v1/models",
         "requests=60,cents_day=2.5", hashlib.sha256(BOB.encode()).hexdigest()[:8]],
    ]  # fmt: skip
    assert not re.search(r"[0-9a-f]{9}", result.stdout)


def test_the_list_of_the_environment(tmp_path: Path) -> None:
    """Keys of FORWARD_KEY are in it; without any it says what that means."""
    result = run(tmp_path, "keys", "list", FORWARD_KEY="gw-one gw-two")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["id", "forward-1", "forward-2"]
    assert "this machine's own programs only" in run(tmp_path, "keys", "list").stderr


@pytest.mark.parametrize(
    ("sent", "code", "told"),
    [
        (ALICE, 0, ["id alice", "state active", "expires never", "weight 1", "models all", "paths all", "limits none"]),
        (f"  {BOB}\n", 1, ["id bob", "state expired", "expires 2001-01-31T00:00:00Z", "weight 2", "models flux-*",
                           "paths /v1/images/*,/v1/models", "limits requests=60,cents_day=2.5"]),
        ("gw-nobody", 1, []),
        ("", 1, []),
        ("\n", 1, []),
    ],
)  # fmt: skip
def test_a_key_is_checked(file: Path, sent: str, code: int, told: list[str]) -> None:
    """Read from standard input; 0 when it opens, 1 when not, and the key itself is not repeated."""
    result = CliRunner().invoke(keys, ["check", "--config", str(file)], input=sent)
    assert result.exit_code == code
    lines = [" ".join(line.split()) for line in result.output.splitlines() if not line.startswith("Error")]
    assert [line for line in lines if not line.startswith("opens ")] == told
    assert not (sent.strip() and sent.strip() in result.output)


@pytest.mark.parametrize(
    ("entry", "relayed", "opens"),
    [
        ("", False, "pictures with every model"),
        ("", True, "pictures with every model; of what is relayed everything: files, batches, stored responses, "
                   "vector stores, fine-tuning"),
        ("models: [flux-*, gpt-5]", False, "pictures with flux-*, gpt-5, the list of these models and its own jobs; "
                                           "nothing else"),
        ("models: [flux-*, gpt-5]", True, "pictures, chat, responses and embeddings with flux-*, gpt-5, the list of "
                                          "these models and its own jobs; nothing else"),
        ("paths: [/v1/images/*]", True, "/v1/images/* with every model"),
        ("models: [gpt-5]\n      paths: [/v1/files*, /v1/responses]", True,
         "/v1/files*, /v1/responses; where a request names a model: gpt-5"),
    ],
)  # fmt: skip
def test_what_a_key_opens_is_told(tmp_path: Path, entry: str, relayed: bool, opens: str) -> None:
    """A line that says it in words: above all whether somebody's whole account lies open."""
    digest = hashlib.sha256(ALICE.encode()).hexdigest()
    text = f"auth:\n  keys:\n    - id: alice\n      hash: sha256:{digest}\n      {entry}\n"
    if relayed:
        text += "platforms:\n  openai: {kind: openai, api_keys: [sk-one-of-openai]}\n"
    (tmp_path / "gateway.yaml").write_text(text)
    result = CliRunner().invoke(keys, ["check", "--config", str(tmp_path / "gateway.yaml")], input=ALICE)
    assert result.exit_code == 0, result.output
    assert f"opens    {opens}" in result.output.splitlines()


def test_the_hash_of_nothing_is_nobodys(tmp_path: Path) -> None:
    """As at the door: an empty line opens nothing, whatever is configured."""
    empty = hashlib.sha256(b"").hexdigest()
    (tmp_path / "gateway.yaml").write_text(f"auth:\n  keys:\n    - {{id: x, hash: 'sha256:{empty}'}}\n")
    result = CliRunner().invoke(keys, ["check", "--config", str(tmp_path / "gateway.yaml")], input="\n")
    assert result.exit_code == 1


def test_a_key_is_no_argument(file: Path) -> None:
    """Arguments are in the shell's history."""
    assert CliRunner().invoke(keys, ["check", "--config", str(file), ALICE]).exit_code == 2
