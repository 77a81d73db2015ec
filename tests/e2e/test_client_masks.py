"""Masks and pictures that are too large: what only pixel work brings to FLUX, asked for as OpenAI's users do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, shown
from tests.e2e.driver import SOME
from tests.e2e.test_client_edits import sha256

FILL = "flux-pro-1.0-fill"


@pytest.fixture(scope="session")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> str:
    """25 megapixels as a phone makes them; of one colour, so that it is quickly made."""
    path = tmp_path_factory.mktemp("photographs") / "photograph.jpeg"
    Image.new("RGB", (6000, 4200), (90, 120, 200)).save(path)
    return str(path)


async def test_a_mask(sdk: Client, mask: str, prompt: str, truth: Truth) -> None:
    """The model that paints within masks gets picture and mask, both made what the vendor takes them to be."""
    answer = await sdk.edit(prompt, model=FILL, mask=mask, raw=True)
    assert shown(answer["pictures"][0]).size == (48, 32)
    assert "mask" in answer["heads"]["x-gateway-translation"]
    (task,) = await truth.tasks(prompt)
    assert task["model"] == FILL
    assert set(task["fields"]) == {"prompt", "image", "mask", "output_format"}
    # A white half and a black one, without alpha: neither is the client's file.
    assert task["fields"]["mask"] not in (sha256(mask), task["fields"]["image"])


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_a_route_that_fills(sdk: Client, mask: str, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """With `mask: fill` a model without masks makes room for the one that has them, and the answer says so."""
    answer = await sdk.edit(prompt, mask=mask, at=stand["family"], raw=True)
    assert answer["heads"]["x-gateway-platform"] == f"bfl/{FILL}"
    assert FILL in answer["heads"]["x-gateway-translation"]
    assert [task["model"] for task in await truth.tasks(prompt)] == [FILL]


async def test_a_mask_for_a_model_without(sdk: Client, mask: str, prompt: str, truth: Truth) -> None:
    """Without such a route it is refused by name, and the message says which model takes one."""
    error = (await sdk.edit(prompt, mask=mask))["error"]
    assert (error["class"], error["code"], error["param"]) == ("BadRequestError", "unsupported_parameter", "mask")
    assert FILL in error["text"]
    assert await truth.accepted(prompt) == 0


@pytest.mark.parametrize("wrong", ["size", "opaque"])
async def test_a_mask_that_is_none(
    sdk: Client, wrong: str, mask: str, tmp_path: Path, prompt: str, truth: Truth
) -> None:
    """Of another size, or transparent nowhere: OpenAI's own code, as the exception for bad requests."""
    path = tmp_path / "mask.png"
    with Image.open(mask) as image:
        (image.resize((32, 32)) if wrong == "size" else image.convert("RGB").convert("RGBA")).save(path)
    error = (await sdk.edit(prompt, model=FILL, mask=str(path)))["error"]
    assert (error["class"], error["status"]) == ("BadRequestError", 400)
    assert (error["code"], error["param"]) == ("invalid_mask_image_format", "mask")
    assert await truth.accepted(prompt) == 0


async def test_the_ai_sdk_has_masks(ai_sdk: Client, mask: str, prompt: str, truth: Truth) -> None:
    """`prompt.mask` of `generateImage` is the same mask."""
    answer = await ai_sdk.edit(prompt, model=FILL, mask=mask)
    assert shown(answer["pictures"][0]).size == (48, 32)
    assert set((await truth.tasks(prompt))[0]["fields"]) >= {"image", "mask"}


@pytest.mark.parametrize("sdk", SOME, indirect=True)
async def test_a_photograph(sdk: Client, photograph: str, prompt: str, stand: dict[str, str], truth: Truth) -> None:
    """25 megapixels are refused by default; where the route says `downscale` they fit, and the answer says to what."""
    large = replace(sdk, files=[photograph])
    error = (await large.edit(prompt))["error"]
    assert (error["class"], error["code"], error["param"]) == ("BadRequestError", "image_too_large", "image")
    answer = await large.edit(prompt, at=stand["family"], output_format="jpeg", raw=True)
    assert shown(answer["pictures"][0]).format == "JPEG"
    assert "downscaled to 5345x3741" in answer["heads"]["x-gateway-translation"]
    (task,) = await truth.tasks(prompt)
    assert task["fields"]["input_image"] != sha256(photograph)
