"""Azure's spellings: OpenAI's own clients for Azure aim at deployments, and send their key as `api-key`."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, relayed, shown
from tests.e2e.curl import Curl
from tests.e2e.driver import SOME
from tests.e2e.stand import KEY

AZURE: dict[str, Any] = {"azure": True, "api_version": "2025-04-01-preview", "path": ""}


def azure(sdk: Client, model: str) -> dict[str, Any]:
    """Node's client finds no model in a form: there the client itself is made for the deployment."""
    return AZURE | ({"azure_deployment": model} if sdk.library.process == "node-6" else {})


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_a_deployment_is_a_model(sdk: Client, prompt: str, truth: Truth) -> None:
    """`AzureOpenAI` puts the model into the path: it is the model that is used."""
    model = "flux-kontext-max"
    answer = await sdk.edit(prompt, model=model, client=azure(sdk, model), output_format="jpeg", raw=True)
    assert shown(answer["pictures"][0]).format == "JPEG"
    assert answer["heads"]["x-gateway-platform"] == f"bfl/{model}"
    assert [task["model"] for task in await truth.tasks(prompt)] == [model]


async def test_a_deployment_of_the_client(sdk: Client, prompt: str, truth: Truth) -> None:
    """A client that is made for one deployment asks it, whatever its calls say, for pictures from text as well."""
    answer = await sdk.generate(prompt, model="flux-dev", client=AZURE | {"azure_deployment": "flux-pro-1.1"})
    assert shown(answer["pictures"][0]).format == "PNG"
    assert [task["model"] for task in await truth.tasks(prompt)] == ["flux-pro-1.1"]


async def test_a_deployment_that_is_not_there(sdk: Client, prompt: str, truth: Truth) -> None:
    """It is the model's own error."""
    error = (await sdk.edit(prompt, client=AZURE | {"azure_deployment": "nobody"}))["error"]
    assert (error["class"], error["code"]) == ("NotFoundError", "model_not_found")
    assert await truth.accepted(prompt) == 0


async def test_a_wrong_key_for_azure(sdk: Client, prompt: str, truth: Truth) -> None:
    """`api-key` is checked as a bearer token is."""
    error = (await sdk.edit(prompt, client=AZURE, key="gw-nobody"))["error"]
    assert (error["class"], error["code"]) == ("AuthenticationError", "invalid_api_key")


async def test_the_newer_path(sdk: Client, prompt: str, truth: Truth) -> None:
    """`/openai/v1` is /v1, with either header for the key."""
    heads = {"default_headers": {"api-key": KEY}}
    answer = await sdk.edit(prompt, client={"path": "/openai/v1", **heads}, output_format="jpeg")
    assert shown(answer["pictures"][0]).format == "JPEG"
    assert "flux-kontext-pro" in await sdk.models(client={"path": "/openai/v1"})
    assert await truth.accepted(prompt) == 1


async def test_a_stream_of_a_deployment(sdk: Client, prompt: str, truth: Truth) -> None:
    """Streams are read from there as well."""
    answer = await sdk.edit(prompt, client=azure(sdk, "flux-kontext-pro"), stream=True)
    assert [event["type"] for event in answer["events"]] == ["image_edit.completed"]
    assert await truth.accepted(prompt) == 1


async def test_a_deployment_behind_a_relay(
    sdk: Client, prompt: str, stand: dict[str, str], session: aiohttp.ClientSession
) -> None:
    """A relay gets OpenAI's path, without Azure's date, and the deployment as the model."""
    told = {"azure_deployment": "gpt-image-2.6-flare"}
    answer = await sdk.generate(prompt, model="gpt-image-2", at=stand["family"], client=AZURE | told)
    assert shown(answer["pictures"][0]).size == (16, 8)
    (seen,) = await relayed(session, stand, prompt)
    assert seen["target"] == "/v1/images/generations"
    assert json.loads(seen["body"])["model"] == "gpt-image-2.6-flare"
    assert "api-key" not in seen["headers"]


@pytest.mark.parametrize("path", ["/openai/v1", "/openai/deployments/flux-kontext-pro"])
async def test_curl_for_azure(curl: Curl, path: str, files: list[str], prompt: str, truth: Truth) -> None:
    """As Azure's documentation writes it: no model in the form, a date in the query, the key in `api-key`."""
    form = ["-F", f"image=@{files[0]}", "-F", f"prompt={prompt}", "-H", f"api-key: {KEY}"]
    reply = await curl(*form, path=f"{path}/images/edits?api-version=2025-04-01-preview", key=None)
    assert (reply.status, reply.headers["x-gateway-platform"]) == (200, "bfl/flux-kontext-pro")
    assert await truth.accepted(prompt) == 1
