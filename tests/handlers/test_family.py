"""Every model of the table through the whole gateway, against an emulator that takes what the vendor publishes."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import aiohttp
import orjson
import pytest
from PIL import Image

from gateway.emulator.server import Emulator
from gateway.platforms.bfl.models import MODELS
from tests.conftest import StartGateway
from tests.fakes.customer import Customer, Reply
from tests.fakes.pictures import picture

# Every model takes it; FLUX 3 wants 256 pixels a side.
PICTURE = picture(320, 256)
EDITING = [model for model in MODELS.values() if model.edits and not model.masks]
GENERATING = [model for model in MODELS.values() if model.generates]


def named(model: Any) -> str:
    return str(model.name)


@pytest.fixture
async def customer(bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession) -> Customer:
    return Customer(await start_gateway(bfl), client)


async def generate(customer: Customer, **body: Any) -> Reply:
    async with customer._client.post(f"{customer.gateway.url}/v1/images/generations", json=body) as answer:
        return Reply(answer.status, answer.headers, await answer.read())


def shown(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def fits(bfl: Emulator, customer: Customer, reply: Reply, name: str) -> dict[str, Any]:
    """The fields that the vendor got: all of them known there, none null; its price is what was counted."""
    counts, (task,) = bfl.counts, bfl.tasks
    assert not counts.ignored_fields and not counts.explicit_nulls and not counts.refused
    assert counts.data_uris == 0
    assert reply.headers["x-gateway-platform"] == f"bfl/{name}"
    (made,) = reply.pictures
    assert "x".join(map(str, shown(made).size)) == reply.body["size"]
    assert shown(made).format == reply.body["output_format"].upper()
    if MODELS[name].price is not None:
        spent = customer.metric("spent_credits_total", platform="bfl", model=name)
        assert spent == pytest.approx(sum(bfl._world._spent.values()))
    fields = task["fields"]
    assert isinstance(fields, dict)
    return fields


@pytest.mark.parametrize("model", EDITING, ids=named)
async def test_an_edit(bfl: Emulator, customer: Customer, model: Any) -> None:
    """The picture arrives as it was sent, and no size goes along when none was asked for."""
    reply = await customer.edit("make it blue", image=PICTURE, model=model.name)
    fields = fits(bfl, customer, reply, model.name)
    sent = fields.get("input_image") or fields["images"][0]
    assert (fields["prompt"], sent) == ("make it blue", f"sha256:{hashlib.sha256(PICTURE).hexdigest()}")
    assert not {"width", "height"} & {name for name, value in fields.items() if value is not None}


@pytest.mark.parametrize("size", ["1024x768", "3:2", "auto"])
@pytest.mark.parametrize("model", EDITING, ids=named)
async def test_an_edit_of_a_size(bfl: Emulator, customer: Customer, model: Any, size: str) -> None:
    """In the model's own terms; the answer's picture has about the shape."""
    reply = await customer.edit("make it blue", image=PICTURE, model=model.name, size=size)
    fits(bfl, customer, reply, model.name)
    width, height = map(int, reply.body["size"].split("x"))
    if size != "auto":
        asked = 4 / 3 if size == "1024x768" else 3 / 2
        assert width / height == pytest.approx(asked, rel=0.05)


@pytest.mark.parametrize("model", [model for model in EDITING if model.max_images > 1], ids=named)
async def test_as_many_pictures_as_it_takes(bfl: Emulator, customer: Customer, model: Any) -> None:
    """All of them arrive; one more is refused before anything is sent."""
    for count, status in ((model.max_images, 200), (model.max_images + 1, 400)):
        form = aiohttp.FormData()
        form.add_field("prompt", "make it blue")
        form.add_field("model", model.name)
        for index in range(count):
            form.add_field("image[]", picture(320, 256, seed=index), filename=f"{index}.png", content_type="image/png")
        async with customer._client.post(f"{customer.gateway.url}/v1/images/edits", data=form) as answer:
            reply = Reply(answer.status, answer.headers, await answer.read())
        assert reply.status == status, reply.raw
    assert bfl.counts.accepted == bfl.counts.submits_seen == 1
    assert reply.error["param"] in ("image", f"image[{model.max_images}]")


@pytest.mark.parametrize("size", [None, "1024x1024", "16:9"])
@pytest.mark.parametrize("model", GENERATING, ids=named)
async def test_a_generation(bfl: Emulator, customer: Customer, model: Any, size: str | None) -> None:
    """From text alone, in its own size without one."""
    reply = await generate(customer, prompt="a fox", model=model.name, **({"size": size} if size else {}))
    fields = fits(bfl, customer, reply, model.name)
    assert fields["prompt"] == "a fox"
    width, height = map(int, reply.body["size"].split("x"))
    if size == "16:9":
        assert width / height == pytest.approx(16 / 9, rel=0.06)
    elif size is not None:
        assert width == height


@pytest.mark.parametrize("model", GENERATING, ids=named)
async def test_a_generation_as_a_stream(customer: Customer, model: Any) -> None:
    """Server-sent events in the words of generations."""
    reply = await generate(customer, prompt="a fox", model=model.name, stream=True)
    (event,) = [orjson.loads(line[6:]) for line in reply.raw.splitlines() if line.startswith(b"data: {")]
    assert event["type"] == "image_generation.completed"
    assert "x".join(map(str, shown(base64.b64decode(event["b64_json"])).size)) == event["size"]


@pytest.mark.parametrize("model", MODELS.values(), ids=named)
async def test_its_options_within_and_beyond(bfl: Emulator, customer: Customer, model: Any) -> None:
    """What is its own is sent as it is; a field that only other models have is refused by name, unpaid."""
    own = {"seed": "7", "steps": "20", "guidance": "3", "raw": "true", "disable_pup": "true", "resolution": "1k",
           "grounding": "true", "prompt_upsampling": "true"}  # fmt: skip
    for name, value in own.items():
        asked = {"model": model.name, name: value}
        if model.masks:
            reply = await masked(customer, **asked)
        elif model.edits:
            reply = await customer.edit("make it blue", image=PICTURE, **asked)
        else:
            reply = await generate(customer, prompt="make it blue", **asked)
        takes = name in model.options or (name == "prompt_upsampling" and "disable_pup" in model.options)
        assert (reply.status, takes) in ((200, True), (400, False)), (name, reply.raw[:300])
        if not takes:
            assert (reply.error["param"], reply.error["code"]) == (name, "unsupported_parameter")
    assert not bfl.counts.ignored_fields


async def masked(customer: Customer, **fields: Any) -> Reply:
    image, mask = Image.new("RGBA", (320, 256), (0, 0, 0, 255)), io.BytesIO()
    image.paste((0, 0, 0, 0), (10, 10, 100, 100))
    image.save(mask, "PNG")
    form = aiohttp.FormData()
    for name, value in {"prompt": "a hat", **fields}.items():
        form.add_field(name, str(value))
    form.add_field("image", PICTURE, filename="a.png", content_type="image/png")
    form.add_field("mask", mask.getvalue(), filename="m.png", content_type="image/png")
    async with customer._client.post(f"{customer.gateway.url}/v1/images/edits", data=form) as answer:
        return Reply(answer.status, answer.headers, await answer.read())


async def test_a_mask(bfl: Emulator, customer: Customer) -> None:
    """Picture and mask reach FLUX.1 Fill, and the answer has the picture's size."""
    reply = await masked(customer, model="flux-pro-1.0-fill")
    fields = fits(bfl, customer, reply, "flux-pro-1.0-fill")
    assert {"image", "mask", "prompt"} <= set(fields)
    assert reply.body["size"] == "320x256"
