"""Each platform step by step, over real sockets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.cli.checks import account
from gateway.cli.checks.finding import Finding, Mark
from gateway.emulator import Emulator, EmulatorSettings
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.openai.settings import OpenAiSettings
from tests.fakes.openai_server import Script, answer, bodyless, cut, fake_openai, silence

KEY = "a-key-of-bfl-0000"
GOOD = {"object": "list", "data": []}


async def bfl(base_url: str, **options: Any) -> list[Finding]:
    document = {"kind": "bfl", "api_key": KEY, "base_url": base_url, **options}
    return await account.examine("eu", BflSettings.model_validate(document), time.time)


async def openai(*after_head: Script, keys: int = 1) -> list[Finding]:
    """What is found of a service whose first answer is to HEAD."""
    async with fake_openai(bodyless(401), *after_head) as service:
        document = {"kind": "openai", "api_keys": [f"sk-{n}-secret" for n in range(keys)], "base_url": service.url}
        found = await account.examine("main", OpenAiSettings.model_validate(document), time.time)
        assert "secret" not in str(found)
        return found


def marks(found: list[Finding]) -> list[tuple[str, Mark]]:
    assert all((finding.mark is Mark.FINE) == (finding.advice == "") for finding in found)
    return [(finding.check, finding.mark) for finding in found]


HEALTHY = [("name", Mark.FINE), ("connection", Mark.FINE), ("clock", Mark.FINE)]


async def test_a_healthy_account() -> None:
    """Every step, nothing paid, the credits told."""
    async with Emulator(EmulatorSettings(credits=1234.5)) as emulator:
        found = await bfl(emulator.api_url)
        assert emulator.counts.submits_seen == 0
    assert marks(found) == [*HEALTHY, ("account", Mark.FINE)]
    assert found[-1].text == "the key is good; 1,234.5 credits are left"
    assert {finding.platform for finding in found} == {"eu"}


@pytest.mark.parametrize(
    ("settings", "text", "advice"),
    [
        ({"keys": frozenset({"another-key-0000"})}, "refuses the key", "Check the key of eu"),
        ({"key_pattern": "x+"}, "Invalid API key format", "Check the key of eu"),
        ({"credits": 0.0}, "0 credits are left", "Buy credits"),
    ],
)
async def test_an_account_that_will_not_do(settings: dict[str, Any], text: str, advice: str) -> None:
    """A bad key, a malformed one, an empty account."""
    async with Emulator(EmulatorSettings(**settings)) as emulator:
        found = await bfl(emulator.api_url)
    assert marks(found) == [*HEALTHY, ("account", Mark.PROBLEM)]
    assert text in found[-1].text and advice in found[-1].advice and KEY not in str(found)


async def test_what_cannot_be_reached_is_not_asked(unused_tcp_port: int) -> None:
    """One problem for one cause."""
    found = await bfl(f"http://127.0.0.1:{unused_tcp_port}")
    assert marks(found) == [("name", Mark.FINE), ("connection", Mark.PROBLEM)]
    assert marks(await bfl("https://nowhere.invalid")) == [("name", Mark.PROBLEM)]


@pytest.mark.parametrize(("script", "words"), [(cut(b""), "no answer"), (silence(), "within 0.2 s")])
async def test_a_probe_without_an_answer(script: Script, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off, or given up after a moment."""
    monkeypatch.setattr(account, "WITHIN_S", 0.2)
    async with fake_openai(bodyless(200), script) as service:
        found = await bfl(service.url.removesuffix("/v1"))
    assert marks(found)[-1] == ("account", Mark.PROBLEM) and words in found[-1].text


async def test_every_key_of_a_pool() -> None:
    """Each is tried once, and the bad ones are told by their number."""
    found = await openai(answer(GOOD), answer({}, 401), answer(GOOD), keys=3)
    accounts = [finding for finding in found if finding.check == "account"]
    assert sorted(finding.mark for finding in accounts) == [Mark.FINE, Mark.FINE, Mark.PROBLEM]
    assert [finding.text.split(" is ")[0] for finding in accounts] == [f"key {n} of 3" for n in (1, 2, 3)]
    (refused,) = (finding for finding in accounts if finding.mark is Mark.PROBLEM)
    assert "is refused (401)" in refused.text and "api_keys of main" in refused.advice


@pytest.mark.parametrize(
    ("script", "mark", "words"),
    [
        (answer({}, 403), Mark.PROBLEM, "refused (403)"),
        (answer({}, 404), Mark.WARNING, "no list of models"),
        (answer({}, 503), Mark.WARNING, "answered 503"),
        (cut(b""), Mark.PROBLEM, "closed the connection"),
    ],
)
async def test_a_service_that_will_not_do(script: Script, mark: Mark, words: str) -> None:
    """What cannot be told for sure is a warning."""
    found = await openai(script)
    assert found[-1].mark is mark and words in found[-1].text and found[-1].advice


async def test_a_clock_that_is_wrong() -> None:
    """By an hour, as the platform's answer shows; the rest is looked at all the same."""
    async with Emulator(EmulatorSettings()) as emulator:
        document = {"kind": "bfl", "api_key": KEY, "base_url": emulator.api_url}
        found = await account.examine("eu", BflSettings.model_validate(document), lambda: time.time() + 3600)
    assert marks(found) == [*HEALTHY[:2], ("clock", Mark.WARNING), ("account", Mark.FINE)]
