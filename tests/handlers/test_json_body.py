"""JSON bodies over real sockets: what is taken, what is refused with which words, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.dialects.openai.errors import envelope
from gateway.dialects.openai.form import Form, read_edit
from gateway.domain.blob import Link
from gateway.domain.errors import GatewayError
from gateway.handlers.body import Pace
from gateway.handlers.json_body import take_in_json
from gateway.handlers.receive import Limits, receive_any
from gateway.handlers.received import Purpose
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool
from tests.fakes.pictures import picture
from tests.fakes.receiver import ask, receiving, request_head

PNG, JPEG, WEBP = picture(60, 40), picture(30, 20, form="JPEG"), picture(10, 20, form="WEBP")
LIMITS = Limits(image_bytes=200_000, images=3, image_pixels=1_000_000, pace=Pace(0.3, 200_000, 0.2))
HTTPS = "https://a.blob.core.windows.net/c/x.png?sig=a%2Bb"


def data_url(data: bytes = PNG, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def document(**members: Any) -> dict[str, Any]:
    return {"prompt": "a cat", "images": [{"image_url": data_url()}]} | members


@dataclass
class Front:
    """A server with one resource that receives, and what it received."""

    spool: Spool
    held: dict[str, int]
    limits: Limits = LIMITS
    purpose: Purpose = "edit"
    port: int = 0
    form: Form | None = None
    pictures: list[tuple[str, Any]] = field(default_factory=list)
    cancelled: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        try:
            received = await receive_any(request, self.spool, self.limits, self.purpose)
        except GatewayError as error:
            return web.json_response(envelope(error), status=error.status)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.form = received.form
        self.pictures = [
            (name, found.url if isinstance(found, Link) else b"".join([piece async for piece in found.chunks()]))
            for name, found in received.form.pictures
        ]
        received.release()
        return web.json_response({})

    @property
    def fields(self) -> dict[str, str]:
        assert self.form is not None
        return dict(self.form.fields)


@asynccontextmanager
async def front_of(directory: Path, **memory: Any) -> AsyncIterator[Front]:
    held = {"memory": 0, "disk": 0}
    settings = MemorySettings(**({"budget": 2_000_000, "disk": 2_000_000, "wait": 0.05} | memory))
    async with Spool(settings, directory, lambda kind, now: held.update({kind: now})) as spool:
        front = Front(spool, held)
        async with receiving(front.serve) as front.port:
            yield front
    assert held == {"memory": 0, "disk": 0}


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with front_of(tmp_path) as front:
        yield front


def head(length: int | None, content_type: str = "application/json", **more: str) -> bytes:
    return request_head(length, content_type, **more)


async def post(front: Front, body: Any, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask(front.port, head(len(data), content_type) + data)


async def refused(front: Front, body: Any, content_type: str = "application/json") -> tuple[int, str, Any, str]:
    """Status, code, param and text of a refusal, after which nothing is held."""
    status, answer = await post(front, body, content_type)
    assert front.held == {"memory": 0, "disk": 0}
    error = answer["error"]
    return status, error["code"], error["param"], error["message"]


# --- taken ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [97, 10**6])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("order", [1, -1])
async def test_fields_and_pictures_come_as_they_were_sent(front: Front, order: int, chunked: bool, step: int) -> None:
    """Pictures in their order with links among them, text in its order, whichever member comes first."""
    sent = {
        "prompt": "ein Kätzchen 🐈\r\n",
        "n": 2,
        "stream": True,
        "seed": 1.50,
        "user": None,
        "safety": {"a": [1, "ü", None]},
        "images": [{"image_url": data_url()}, {"image_url": HTTPS}, {"image_url": data_url(JPEG, "text/plain")}],
        "mask": {"image_url": data_url(WEBP)},
    }
    data = json.dumps(dict(list(sent.items())[::order])).encode()
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    if chunked:
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    status, answer = await ask(front.port, head(None if chunked else len(data)), *pieces)
    assert (status, answer) == (200, {})
    texts = {"prompt": sent["prompt"], "n": "2", "stream": "true", "seed": "1.5", "safety": '{"a":[1,"ü",null]}'}
    assert list(front.fields.items()) == list(texts.items())[::order]
    images = [("image", PNG), ("image", HTTPS), ("image", JPEG)]
    assert front.pictures == ([*images, ("mask", WEBP)] if order > 0 else [("mask", WEBP), *images])
    assert front.form is not None
    assert read_edit(front.form).n == 2


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.replace("/", "\\/"),
        lambda text: text.replace("+", "\\u002B").replace("/", "\\u002f").replace("=", "\\u003D"),
        lambda text: text.replace("A", "A\\r\\n "),
        lambda text: text.rstrip("="),
        lambda text: text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        lambda text: text + "#fragment",
    ],
)
async def test_spellings_of_base64(front: Front, write: Any) -> None:
    """As PHP, .NET and mail libraries write it."""
    data = picture(64, 64, noise=True)
    url = write(base64.b64encode(data).decode())
    body = b'{"prompt":"a","images":[{"image_url":"data:image\\/png;base64,%b"}]}' % url.encode()
    assert await post(front, body) == (200, {})
    assert front.pictures == [("image", data)]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/json; charset=us-ascii",
        "application/json; charset=ISO-8859-1",
        "application/json; charset=no-such-thing",
    ],
)
async def test_content_types(front: Front, content_type: str) -> None:
    """Case and charset change nothing: JSON is UTF-8. https://www.rfc-editor.org/rfc/rfc8259#section-11"""
    assert await post(front, document(prompt="é"), content_type) == (200, {})
    body = json.dumps(document(prompt="é"), ensure_ascii=False)
    assert await post(front, body.encode("utf-8-sig"), content_type) == (200, {})
    assert front.fields["prompt"] == "é"
    assert (await refused(front, body.encode("latin-1"), content_type))[:2] == (400, "invalid_json")


async def test_empty_text_is_absent(front: Front) -> None:
    """Where the type would be another as well; only that it came is kept."""
    assert await post(front, document(n="", stream="", quality="", seed="")) == (200, {})
    assert front.fields == {"prompt": "a cat", "n": "", "stream": "", "quality": "", "seed": ""}
    assert front.form is not None
    assert read_edit(front.form).empty == ("n", "stream", "quality", "seed")


async def test_null_is_absent(front: Front) -> None:
    """Clients write out the options they do not use."""
    sent = document(mask=None, markup=None, image=None, n=None)
    sent["images"][0]["file_id"] = None
    assert await post(front, sent) == (200, {})
    assert front.fields == {"prompt": "a cat"}
    assert front.pictures == [("image", PNG)]


async def test_a_generation_is_text(front: Front) -> None:
    """The same reading without pictures."""
    front.purpose = "generation"
    assert await post(front, {"prompt": "a cat", "n": 3, "images": None}) == (200, {})
    assert front.fields == {"prompt": "a cat", "n": "3"}


PLAIN = [
    {"image": data_url()},
    {"image": [data_url()]},
    {"image": {"image_url": data_url()}},
    {"image": [{"image_url": data_url()}]},
    {"images": data_url()},
    {"images": [data_url()]},
    {"images": {"image_url": data_url()}},
    {"images": [{"image_url": data_url()}]},
]


@pytest.mark.parametrize("members", PLAIN)
@pytest.mark.parametrize("purpose", ["edit", "generation"])
async def test_one_picture_in_every_spelling(front: Front, members: dict[str, Any], purpose: Purpose) -> None:
    """Applications leave out the list, the object, or the plural; on either path."""
    front.purpose = purpose
    assert await post(front, {"prompt": "a cat", "mask": data_url(WEBP), **members, "n": 2}) == (200, {})
    assert sorted(front.pictures) == sorted([("image", PNG), ("mask", WEBP)])
    assert front.fields == {"prompt": "a cat", "n": "2"}


async def test_pictures_in_both_members(front: Front) -> None:
    """All of them, in the order in which they stand."""
    sent = {"prompt": "a", "image": [data_url(), HTTPS], "images": [{"image_url": data_url(JPEG)}]}
    assert await post(front, sent) == (200, {})
    assert front.pictures == [("image", PNG), ("image", HTTPS), ("image", JPEG)]


async def test_an_empty_picture_is_absent(front: Front) -> None:
    """As other optional text is."""
    assert await post(front, document(image="", mask="", markup="")) == (200, {})
    assert front.pictures == [("image", PNG)]
    assert front.fields == {"prompt": "a cat", "image": "", "mask": "", "markup": ""}


async def test_a_form_is_still_taken(front: Front) -> None:
    """By its Content-Type."""
    body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + PNG + b"\r\n--x--\r\n"
    assert await post(front, body, "multipart/form-data; boundary=x") == (200, {})
    assert front.pictures == [("image", PNG)]


async def test_a_body_that_was_held_before(tmp_path: Path) -> None:
    """Pieces of any origin, and the room is closed."""

    async def pieces() -> AsyncIterator[bytes]:
        data = json.dumps(document()).encode()
        for at in range(0, len(data), 50):
            yield data[at : at + 50]

    held = {"memory": 0, "disk": 0}
    async with Spool(MemorySettings(), tmp_path, lambda kind, now: held.update({kind: now})) as spool:
        received = await take_in_json(pieces(), await spool.reserve(100_000), LIMITS, "edit")
        assert held["memory"] == len(PNG)
        assert received.blobs[0].media_type == "image/png" and str(received.blobs[0].pixels) == "60x40"
        received.release()
    assert held == {"memory": 0, "disk": 0}


# --- refused ----------------------------------------------------------------------------------------------------------

URL = "images[0].image_url"


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"images": []}, "missing_required_parameter", "images"),
        ({"images": None}, "missing_required_parameter", "images"),
        ({"images": ""}, "missing_required_parameter", "images"),
        ({"images": 1}, "invalid_type", "images"),
        ({"images": {"url": data_url()}}, "unknown_parameter", "images.url"),
        ({"images": [""]}, "invalid_image_url", "images[0]"),
        ({"images": ["x"]}, "invalid_image_url", "images[0]"),
        ({"images": [data_url(b"x")]}, "invalid_image_file", "images[0]"),
        ({"images": [1]}, "invalid_type", "images[0]"),
        ({"images": [None]}, "invalid_type", "images[0]"),
        ({"images": [[]]}, "invalid_type", "images[0]"),
        ({"images": [{}]}, "missing_required_parameter", URL),
        ({"images": [{"image_url": None}]}, "missing_required_parameter", URL),
        ({"images": [{"image_url": {"url": data_url()}}]}, "invalid_type", URL),
        ({"images": [{"image_url": 1}]}, "invalid_type", URL),
        ({"images": [{"image_url": data_url(), "detail": "high"}]}, "unknown_parameter", "images[0].detail"),
        ({"images": [{"file_id": "file-1"}]}, "unsupported_parameter", "images[0].file_id"),
        ({"images": [{"image_url": HTTPS}, {"file_id": "f"}]}, "unsupported_parameter", "images[1].file_id"),
        ({"images": [{"image_url": HTTPS, "file_id": "f"}]}, "unsupported_parameter", "images[0].file_id"),
        ({"images": [{"file_id": "f", "image_url": HTTPS}]}, "unsupported_parameter", "images[0].file_id"),
        ({"images": [{"image_url": HTTPS}] * 4}, "invalid_value", "images"),
        ({"images": [{"image_url": ""}]}, "invalid_image_url", URL),
        ({"images": [{"image_url": "x" * 10_000}]}, "invalid_image_url", URL),
        ({"images": [{"image_url": "http://example.org/x.png"}]}, "invalid_image_url", URL),
        ({"images": [{"image_url": "https://169.254.169.254/x"}]}, "invalid_image_url", URL),
        ({"images": [{"image_url": "https://localhost/x"}]}, "invalid_image_url", URL),
        ({"images": [{"image_url": "data:image/png,abc"}]}, "invalid_image_file", URL),
        ({"images": [{"image_url": "data:image/png,"}]}, "invalid_image_file", URL),
        ({"images": [{"image_url": "data:image/png"}]}, "invalid_image_url", URL),
        ({"images": [{"image_url": "data:image/png;base64,"}]}, "invalid_image_file", URL),
        ({"images": [{"image_url": data_url() + "!"}]}, "invalid_image_file", URL),
        ({"images": [{"image_url": data_url(PNG[:-20])}]}, "invalid_image_file", URL),
        ({"images": [{"image_url": data_url(b"not a picture at all")}]}, "invalid_image_file", URL),
        ({"images": [{"image_url": data_url(b"GIF89a" + bytes(50))}]}, "unsupported_file_mimetype", URL),
        ({"images": [{"image_url": data_url(data_url().encode())}]}, "unsupported_file_mimetype", URL),
        ({"images": [{"image_url": data_url(picture(2000, 1000))}]}, "image_too_large", URL),
        ({"images": [HTTPS] * 4}, "invalid_value", "images"),
        ({"images": [HTTPS] * 3, "image": HTTPS}, "invalid_value", None),
        ({"mask": "x"}, "invalid_image_url", "mask"),
        ({"mask": 1}, "invalid_type", "mask"),
        ({"mask": [{"image_url": data_url()}]}, "invalid_type", "mask"),
        ({"mask": {}}, "missing_required_parameter", "mask.image_url"),
        ({"mask": {"file_id": "f"}}, "unsupported_parameter", "mask.file_id"),
        ({"mask": {"image_url": data_url(b"x")}}, "invalid_image_file", "mask.image_url"),
        ({"image": data_url() + "!"}, "invalid_image_file", "image"),
        ({"image": True}, "invalid_type", "image"),
        ({"image": [{"file_id": "f"}]}, "unsupported_parameter", "image[0].file_id"),
        ({"prompt": ["a"]}, "invalid_type", "prompt"),
        ({"prompt": 1}, "invalid_type", "prompt"),
        ({"n": "2"}, "invalid_type", "n"),
        ({"stream": 1}, "invalid_type", "stream"),
        ({"size": {"w": 1}}, "invalid_type", "size"),
        ({"prompt": "a\0b"}, "invalid_value", "prompt"),
        ({"extra": ["\0"]}, None, None),
    ],
)
@pytest.mark.parametrize("first", [False, True])
async def test_what_is_refused(
    front: Front, members: dict[str, Any], code: str | None, param: str | None, first: bool
) -> None:
    """By the client's own name, with nothing kept, before and behind a good picture."""
    body = document() | members if not first else members | {k: v for k, v in document().items() if k not in members}
    if code is None:
        assert (await post(front, body))[0] == 200  # escaped in the compact text, it is harmless
        return
    status, found, named, text = await refused(front, body)
    assert (status, found, named) == (400, code, param or named)
    assert len(text) < 250 and "base64,iVBOR" not in text


@pytest.mark.parametrize("name", ["image", "images", "mask", "markup"])
async def test_pictures_that_no_model_in_reach_takes(front: Front, name: str) -> None:
    """Refused where they begin, with the path that takes them; in a form as well."""
    front.purpose, front.limits = "generation", replace(LIMITS, images=0)
    start = json.dumps({"prompt": "a", name: data_url()}).encode()[:60]
    part = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode()
    for sent, kind in ((start, "application/json"), (part, "multipart/form-data; boundary=x")):
        status, answer = await ask(front.port, head(100_000, kind), sent)
        error = answer["error"]
        assert (status, error["code"]) == (400, "unsupported_parameter")
        assert error["param"] == (name if sent is start else name.removesuffix("s"))
        assert "/v1/images/edits" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"null", b'{"prompt":"a"', b'{"prompt":"a"}x', b'{"prompt":"a","prompt":"b"}', b'{"prompt":NaN}'),
        *(b"\xef\xbb\xbf[]", b'{"prompt":"\xff"}', b'{"prompt":"\\ud800"}', b'{"":"a"}', b'{"a\\nb":1}'),
        *(b'{"a":' + b"[" * 100, b'{"a":[' + b"0," * 2000, b'{"a":' + b"1" * 100, b'{"' + b"a" * 1000),
    ],
)
async def test_what_is_not_json(front: Front, body: bytes) -> None:
    """400 with the code of its own, whatever came before."""
    assert (await refused(front, body))[:3] == (400, "invalid_json", None)
    start = json.dumps(document())[:-1].encode() + b',"x":'
    assert (await refused(front, start + body[:1] + b"\x00" + body[1:]))[:2] == (400, "invalid_json")


async def test_every_truncation_is_told(front: Front) -> None:
    """Wherever a complete request stops short of its document's end."""
    body = json.dumps(document(mask={"image_url": data_url()}, n=1)).encode()
    for stop in range(1, len(body), len(body) // 40):
        status, code, _, _ = await refused(front, body[:stop])
        assert (status, code) == (400, "invalid_json"), body[:stop][-20:]


@pytest.mark.parametrize(
    ("content_type", "more", "status", "code"),
    [
        ("application/json; charset=utf-16", {}, 415, "unsupported_media_type"),
        ("application/json", {"Content_Encoding": "gzip"}, 415, "unsupported_media_type"),
        ("application/json", {"Expect": "200-ok"}, 417, "expectation_failed"),
        ("application/jsonl", {}, 415, "unsupported_media_type"),
        ("text/json", {}, 415, "unsupported_media_type"),
    ],
)
async def test_the_head_alone_can_refuse(
    front: Front, content_type: str, more: dict[str, str], status: int, code: str
) -> None:
    """A request that cannot be taken is answered from its headers."""
    answered, answer = await ask(front.port, head(100_000, content_type, **more))
    assert (answered, answer["error"]["code"]) == (status, code)


async def test_a_body_without_bytes(front: Front) -> None:
    """Declared empty, or empty in chunks."""
    for request in (head(0), head(None) + b"0\r\n\r\n"):
        status, answer = await ask(front.port, request)
        assert (status, answer["error"]["code"]) == (400, "invalid_json")


async def test_who_waits_is_invited(front: Front) -> None:
    """`Expect: 100-continue` is met once."""
    body = json.dumps(document()).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(head(len(body), Expect="100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    writer.transport.abort()


# --- sizes, time and departures ---------------------------------------------------------------------------------------


async def test_too_much_is_refused(front: Front) -> None:
    """A picture, one text, all text, nested text, and the whole, each by its own limit."""
    big = {"images": [{"image_url": data_url(PNG + bytes(LIMITS.image_bytes))}]}
    assert (await refused(front, document(**big)))[:3] == (413, "request_too_large", URL)
    text = "x" * (LIMITS.text_bytes + 1)
    assert (await refused(front, document(extra=text)))[:3] == (413, "request_too_large", "extra")
    halves = [text[: len(text) // 2]] * 2
    assert (await refused(front, document(extra=halves)))[:3] == (413, "request_too_large", "extra")
    many = {f"x{index}": text[:-1] for index in range(9)}
    assert (await refused(front, document(**many)))[:3] == (413, "request_too_large", None)
    status, answer = await ask(front.port, head(LIMITS.json_bytes + 1))
    assert (status, answer["error"]["code"]) == (413, "request_too_large")
    blank = b"{" + b" " * LIMITS.json_bytes
    status, answer = await ask(front.port, head(None), b"%x\r\n%b\r\n" % (len(blank), blank))
    assert (status, answer["error"]["code"]) == (413, "request_too_large")


async def test_large_pictures_fit_in_the_total(front: Front) -> None:
    """As many and as large as the limits say, in the longest spelling that libraries use."""
    front.limits = replace(LIMITS, pace=Pace(5, 1, 5))
    data = picture(250, 250, noise=True)
    assert 180_000 < len(data) <= LIMITS.image_bytes
    body = json.dumps(document(images=[{"image_url": data_url(data)}] * 3)).replace("+", "\\u002B").replace("/", "\\/")
    assert await post(front, body.encode()) == (200, {})


@pytest.mark.parametrize("start", [0, 1, 40, 300])
async def test_a_stalled_body_is_given_up(front: Front, start: int) -> None:
    """Nothing for the allowed pause: 408 and nothing held."""
    began = asyncio.get_running_loop().time()
    status, answer = await ask(front.port, head(50_000), json.dumps(document()).encode()[:start])
    assert (status, answer["error"]["code"]) == (408, "request_timeout")
    assert asyncio.get_running_loop().time() - began < 1
    assert front.held == {"memory": 0, "disk": 0}


async def test_a_picture_is_refused_from_its_head(front: Front) -> None:
    """The pixels are known with the first bytes; the rest is not waited for."""
    start = json.dumps({"images": [{"image_url": data_url(picture(5000, 5000))}]}).encode()[:300]
    status, answer = await ask(front.port, head(200_000), start)
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "image_too_large", URL)


async def test_without_room_the_answer_is_503(tmp_path: Path) -> None:
    """Budget and disk exhausted: declared or growing."""
    body = json.dumps(document(images=[{"image_url": data_url(picture(100, 100, noise=True))}])).encode()
    async with front_of(tmp_path, budget=1000, disk=1000) as front:
        for request in (head(len(body)) + body, head(None) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)):
            status, answer = await ask(front.port, request)
            assert (status, answer["error"]["code"]) == (503, "out_of_room")


@pytest.mark.parametrize("budget", [2_000_000, 1000])
async def test_a_departed_client_leaves_nothing(tmp_path: Path, budget: int) -> None:
    """Wherever the connection breaks, the handler ends and the room comes back."""
    noisy = {"image_url": data_url(picture(200, 200, noise=True))}
    body = json.dumps(document(images=[noisy, noisy], mask=noisy)).encode()
    async with front_of(tmp_path, budget=budget) as front:
        for percent in range(0, 100, 5):
            _, writer = await asyncio.open_connection("127.0.0.1", front.port)
            writer.write(head(len(body)) + body[: len(body) * percent // 100])
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.transport.abort()
        async with asyncio.timeout(2):
            while front.cancelled < 20:
                await asyncio.sleep(0.01)
        assert front.held == {"memory": 0, "disk": 0}


async def test_a_large_data_url_never_exists_whole(tmp_path: Path) -> None:
    """20 MB of base64 to the disk, with a fraction of it in memory at any time."""
    raw = PNG[:8] + picture(1200, 1200, noise=True)[8:]
    chunk = b"teSt" + bytes(20_000_000 // 4 * 3 - len(raw) - 12)
    raw = raw[:-12] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + raw[-12:]
    text = data_url(raw)
    assert len(text) > 19_000_000
    body = json.dumps(document(images=[{"image_url": text}])).encode()
    del text

    async def pieces() -> AsyncIterator[bytes]:
        view = memoryview(body)
        for at in range(0, len(body), 128 * 1024):
            yield bytes(view[at : at + 128 * 1024])

    settings = MemorySettings(budget=1_000_000, disk=100_000_000)
    limits = replace(LIMITS, image_bytes=50_000_000, image_pixels=10**8)
    async with Spool(settings, tmp_path, lambda kind, held: None) as spool:
        room = await spool.reserve(20_000_000)
        tracemalloc.start()
        try:
            received = await take_in_json(pieces(), room, limits, "edit")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert received.blobs[0].length == len(raw)
        received.release()
    assert peak < 4_000_000, peak
