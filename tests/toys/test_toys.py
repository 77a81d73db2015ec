"""Two platforms that were added by a folder alone, served by the real program: one asynchronous, one synchronous."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.fakes.forms import edit_form
from tests.fakes.pictures import picture
from tests.fakes.program import greeting, run, running
from tests.toys.configured import PROGRAM, document, written
from tests.toys.vendors import KEY, PICTURE, Toys, toys


@dataclass
class Served:
    vendors: Toys
    url: str
    metrics: str

    async def post(self, path: str, **body: Any) -> tuple[int, Any, Any]:
        """Status, headers, JSON."""
        async with aiohttp.ClientSession() as client, client.post(f"{self.url}/{path}", **body) as answer:
            return answer.status, answer.headers, await answer.json()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    home = tmp_path_factory.mktemp("toys")
    async with toys() as vendors:
        file = written(home, document(vendors.url))
        with running(home, "serve", "--config", file, program=PROGRAM, TOY_KEY=KEY) as process:
            told = await asyncio.to_thread(greeting, process)
            yield Served(vendors, told["gateway"], told["metrics"])
            process.terminate()
            _, err = await asyncio.to_thread(process.communicate, timeout=300)
    assert process.returncode == 0
    assert "Traceback" not in err and KEY not in err


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("model", "platform"),
    [("turtle-1", "tortoise/turtle-1"), ("slow", "tortoise/turtle-1"), ("hare-1", "bunny/hare-1")],
)
async def test_an_edit(served: Served, model: str, platform: str) -> None:
    """In OpenAI's shape, with the vendor's picture, by the model's name or an alias."""
    status, headers, body = await served.post("images/edits", data=edit_form(model=model, n=2))
    assert (status, headers["x-gateway-platform"]) == (200, platform)
    assert [base64.b64decode(one["b64_json"]) for one in body["data"]] == [PICTURE, PICTURE]
    sent = (served.vendors.jobs if model != "hare-1" else served.vendors.pictures)[-1]
    inner = sent["pictures"][0] if "pictures" in sent else sent["picture"]
    assert base64.b64decode(inner) == picture()


async def test_the_first_of_the_list_is_the_default(served: Served) -> None:
    """Without a model, the synchronous one."""
    status, headers, _ = await served.post("images/edits", data=edit_form())
    assert (status, headers["x-gateway-platform"]) == (200, "bunny/hare-1")


async def test_a_generation(served: Served) -> None:
    """From text alone, at the one that can; as a stream too."""
    status, headers, body = await served.post("images/generations", json={"prompt": "a shell", "size": "1024x1024"})
    assert (status, len(body["data"])) == (200, 1)
    assert headers["x-gateway-translation"] == "size=ignored"
    assert served.vendors.jobs[-1] == {"prompt": "a shell", "pictures": []}


async def test_a_refusal_is_openais(served: Served) -> None:
    """The vendor's own no becomes the error that every client of OpenAI knows."""
    form = edit_form("something forbidden", model="turtle-1")
    status, headers, body = await served.post("images/edits", data=form)
    assert (status, body["error"]["code"], headers["x-should-retry"]) == (400, "moderation_blocked", "false")


async def test_the_list_of_models(served: Served) -> None:
    """Both vendors' models, owned by them."""
    async with aiohttp.ClientSession() as client, client.get(f"{served.url}/models") as answer:
        listed = {model["id"]: model["owned_by"] for model in (await answer.json())["data"]}
    assert listed == {"hare-1": "hare", "turtle-1": "turtle", "slow": "turtle"}


async def test_the_metrics(served: Served) -> None:
    """Under the operator's own names for the accounts, with what was spent."""
    async with aiohttp.ClientSession() as client, client.get(served.metrics) as answer:
        text = await answer.text()
    assert 'gateway_submissions_total{model="turtle-1",outcome="ok",platform="tortoise"}' in text
    assert 'gateway_spent_credits_total{model="hare-1",platform="bunny"}' in text


async def test_the_doctor_asks_them(served: Served, tmp_path: Path) -> None:
    """Each probe of its own kind; a wrong key is named."""
    file = written(tmp_path, document(served.vendors.url))
    good, bad = [
        await asyncio.to_thread(run, tmp_path, "doctor", "--config", file, program=PROGRAM, TOY_KEY=key)
        for key in (KEY, "wrong")
    ]
    assert "the key is good" in good.stdout and "the token is good" in good.stdout
    assert "the key is refused" in bad.stdout and "the token is refused" in bad.stdout
    assert bad.returncode == 1


async def test_from_one_to_the_other(served: Served) -> None:
    """The first is out of order, the second serves, and the answer tells. Last, as the first is left alone then."""
    served.vendors.hare_says = 401
    status, headers, body = await served.post("images/edits", data=edit_form())
    assert (status, len(body["data"])) == (200, 1)
    assert headers["x-gateway-attempts"] == "bunny/hare-1 platform_auth_failed, tortoise/turtle-1"
