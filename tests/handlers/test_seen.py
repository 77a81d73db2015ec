"""What a viewer shows of an upload is what the vendor gets, over sockets: forms, data URLs, masks and results."""

from __future__ import annotations

import base64
import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from PIL import Image

from gateway.app import Gateway
from gateway.emulator import inputs, pictures
from gateway.emulator.server import Emulator
from tests.fakes.pictures import picture
from tests.fakes.png_file import RGB, png_file, scanlines
from tests.fakes.viewer import ACROSS, DOWN, SIDE, blocks, see, spread

StartGateway = Callable[..., Awaitable[Gateway]]

EDITS = "/v1/images/edits"
SIZE = ACROSS * SIDE, DOWN * SIDE
COLOURS = [0x301010 * (n % 5) + 0x040F08 * n for n in range(ACROSS * DOWN)]
HOLE = (0, 0, SIZE[0] // 2, SIZE[1] // 2)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[0x0112] = orientation
    return made.tobytes()


def mask(size: tuple[int, int], hole: tuple[int, int, int, int] = HOLE) -> bytes:
    image = Image.new("RGBA", size, (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), hole)
    return saved(image, "PNG")


WOVEN = png_file(SIZE, 8, RGB, scanlines(SIZE, 24, spread(COLOURS), interlaced=True), interlaced=True)
PLAIN = Image.open(io.BytesIO(WOVEN)).copy()
PNG, JPEG = saved(PLAIN, "PNG"), saved(PLAIN, "JPEG", quality=95, subsampling=0)
LYING = saved(PLAIN, "JPEG", quality=95, subsampling=0, exif=exif(6))
FILLED = JPEG[:20] + b"\xff" * 1500 + JPEG[20:]


@pytest.fixture
def got(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the vendor has got, by its own names."""
    seen, read = dict[str, bytes](), inputs.read

    def reading(field: str, *arguments: Any, **options: Any) -> inputs.Source:
        source = read(field, *arguments, **options)
        seen[field] = source.data
        return source

    monkeypatch.setattr(inputs, "read", reading)
    return seen


async def edit(client: aiohttp.ClientSession, url: str, image: bytes, alpha: bytes | None = None) -> tuple[str, bytes]:
    """What was told of the translation, and the answered picture."""
    form = aiohttp.FormData({"prompt": "make it blue"})
    form.add_field("image", image, filename="a.png")
    if alpha is not None:
        form.add_field("mask", alpha, filename="m.png")
    async with client.post(url + EDITS, data=form) as answer:
        told = await answer.json()
        assert answer.status == 200, told
        return answer.headers.get("x-gateway-translation", ""), base64.b64decode(told["data"][0]["b64_json"])


@pytest.mark.parametrize(
    ("image", "alpha", "told"),
    [
        pytest.param(WOVEN, mask(SIZE), "image=converted(without alpha)", id="interlaced"),
        pytest.param(LYING, mask(SIZE[::-1]), "image=converted(turned upright; without alpha)", id="seen size"),
        pytest.param(
            LYING, mask(SIZE), "mask=converted(white on black; turned as the image is)", id="stored size"
        ),
        pytest.param(JPEG + bytes(66_000), mask(SIZE) + bytes(66_000), "without alpha", id="padded"),
        pytest.param(FILLED, mask(SIZE), "without alpha", id="fill bytes"),
    ],
)  # fmt: skip
async def test_a_picture_beside_a_mask(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    got: dict[str, bytes],
    image: bytes,
    alpha: bytes,
    told: str,
) -> None:
    """Re-encoded without alpha: upright, with the colours of the file, the mask over the place that was painted."""
    gateway = await start_gateway(bfl, routes={"mask": "fill"})
    note, _ = await edit(client, gateway.url, image, alpha)
    assert told in note
    seen, sent = see(image), see(got["image"])
    assert sent.size == seen.size == Image.open(io.BytesIO(got["mask"])).size
    for have, want in zip(blocks(sent), blocks(seen), strict=True):
        assert all(abs(one - other) <= 3 for one, other in zip(have, want, strict=True))
    white = see(got["mask"])
    # The mask that was painted over the stored pixels was turned with them: its hole is the top right then.
    at = (0, 0) if "turned as" not in note else (white.width - 1, 0)
    corners = [(x, y) for x in (0, white.width - 1) for y in (0, white.height - 1)]
    assert {place: white.getpixel(place)[0] for place in corners} == {  # type: ignore[index]  # RGBA
        place: 255 if place == at else 0 for place in corners
    }


@pytest.mark.parametrize("length", [66_000, 1_500_000])
@pytest.mark.parametrize("image", [PNG, JPEG], ids=["PNG", "JPEG"])
async def test_what_lies_behind_the_end_goes_along(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    got: dict[str, bytes],
    image: bytes,
    length: int,
) -> None:
    """In a form and in a data URL: whole for every viewer, and sent on as it came."""
    gateway, padded = await start_gateway(bfl), image + bytes(length)
    await edit(client, gateway.url, padded)
    assert got.pop("input_image") == padded
    body = {"prompt": "b", "images": [{"image_url": f"data:image/png;base64,{base64.b64encode(padded).decode()}"}]}
    async with client.post(gateway.url + EDITS, json=body) as answer:
        assert answer.status == 200
    assert got["input_image"] == padded


async def test_a_padded_result_is_answered(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is paid: fetched once, and handed on as it came."""
    encode = pictures.encode
    monkeypatch.setattr(pictures, "encode", lambda image, form: encode(image, form) + bytes(70_000))
    gateway = await start_gateway(bfl)
    _, answered = await edit(client, gateway.url, picture())
    assert answered.endswith(bytes(70_000))
    assert Image.open(io.BytesIO(answered)).format == "PNG"
    assert bfl.counts.accepted_by_prompt["make it blue"] == 1


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("HEIF", {"quality": 95, "chroma": 444}),
        ("AVIF", {"quality": 95, "subsampling": "4:4:4"}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("GIF", {}),
    ],
)
@pytest.mark.parametrize("convert", ["png", "jpeg"])
async def test_another_format(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    got: dict[str, bytes],
    form: str,
    options: dict[str, Any],
    convert: str,
) -> None:
    """Converted where the route says so, in a form and in a data URL; the vendor sees what a viewer does."""
    data = saved(PLAIN, form, **options)
    gateway = await start_gateway(bfl, routes={"convert": convert})
    note, _ = await edit(client, gateway.url, data)
    assert note == f"image=converted({'HEIC' if form == 'HEIF' else form} to {convert})"
    sent = got.pop("input_image")
    assert Image.open(io.BytesIO(sent)).format == convert.upper()
    for have, want in zip(blocks(see(sent)), blocks(see(data)), strict=True):
        assert all(abs(one - other) <= 12 for one, other in zip(have, want, strict=True))
    body = {"prompt": "b", "images": [{"image_url": f"data:image/heic;base64,{base64.b64encode(data).decode()}"}]}
    async with client.post(gateway.url + EDITS, json=body) as answer:
        assert answer.status == 200
    assert got["input_image"] == sent


CLOSED = {"name": "closed", "match": {"model": "flux-2-pro"}, "to": ["bfl/flux-2-pro"], "convert": "refuse"}


@pytest.mark.parametrize(
    ("routes", "model"), [({}, "flux-kontext-pro"), ({"convert": "png", "rules": [CLOSED]}, "flux-2-pro")]
)
async def test_another_format_without_leave(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession, routes: dict[str, Any], model: str
) -> None:
    """Refused by name; also by the one rule that says so, where another converts."""
    gateway = await start_gateway(bfl, routes=routes)
    form = aiohttp.FormData({"prompt": "make it blue", "model": model})
    form.add_field("image", saved(PLAIN, "GIF"), filename="a.png")
    async with client.post(gateway.url + EDITS, data=form) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (400, "unsupported_file_mimetype")
        assert "the file is GIF. Supported formats are png, jpeg and webp." in error["message"]
    assert bfl.counts.submits_seen == 0


@pytest.mark.parametrize("output", ["png", "jpeg"])
@pytest.mark.parametrize(("asked", "size"), [("300x200", (300, 200)), ("", (64, 48)), ("1100x501", (1100, 501))])
async def test_an_exact_size(
    bfl: Emulator,
    start_gateway: StartGateway,
    client: aiohttp.ClientSession,
    asked: str,
    size: tuple[int, int],
    output: str,
) -> None:
    """Of the answer, which says so; a resend gets the same bytes, and nothing is paid twice."""
    gateway = await start_gateway(bfl, routes={"size_policy": "exact"})
    answers = []
    for _ in range(2):
        form = aiohttp.FormData({"prompt": "x", "output_format": output} | ({"size": asked} if asked else {}))
        form.add_field("image", picture(64, 48), filename="a.png")
        async with client.post(gateway.url + EDITS, data=form, headers={"Idempotency-Key": "one"}) as answer:
            told = await answer.json()
            assert f"answered as {size[0]}x{size[1]}" in answer.headers["x-gateway-translation"]
            assert told["size"] == f"{size[0]}x{size[1]}"
            answers.append(base64.b64decode(told["data"][0]["b64_json"]))
    image = Image.open(io.BytesIO(answers[0]))
    assert (image.size, image.format) == (size, output.upper())
    assert answers[0] == answers[1]
    assert bfl.counts.accepted_by_prompt["x"] == 1


async def test_an_exact_size_that_cannot_be_made(
    bfl: Emulator, start_gateway: StartGateway, client: aiohttp.ClientSession
) -> None:
    """The picture is paid: answered as it was made, and that is said."""
    gateway = await start_gateway(bfl, routes={"size_policy": "exact"}, imaging={"max_pixels": 200_000})
    form = aiohttp.FormData({"prompt": "x", "size": "300x200"})
    form.add_field("image", picture(64, 48), filename="a.png")
    async with client.post(gateway.url + EDITS, data=form) as answer:
        told = await answer.json()
        assert answer.status == 200
        assert "size=ignored(answered as made)" in answer.headers["x-gateway-translation"]
    image = Image.open(io.BytesIO(base64.b64decode(told["data"][0]["b64_json"])))
    assert told["size"] == f"{image.width}x{image.height}"
    assert image.width * image.height > 200_000
