"""Uploads over real sockets: what is taken, what is refused with which words, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.dialects.openai.errors import envelope
from gateway.domain.blob import Blob
from gateway.domain.errors import GatewayError
from gateway.handlers.body import Pace
from gateway.handlers.hold import hold
from gateway.handlers.receive import SLACK_BYTES, Limits, receive
from gateway.stores.settings import MemorySettings
from gateway.stores.spool import Spool
from tests.fakes.pictures import picture
from tests.fakes.receiver import ask, receiving, request_head


def png(width: int, height: int, *, noise: bool = False) -> bytes:
    return picture(width, height, noise=noise)


def jpeg(width: int, height: int) -> bytes:
    return picture(width, height, form="JPEG")


def webp(width: int, height: int) -> bytes:
    return picture(width, height, form="WEBP")


PNG = png(60, 40)
LIMITS = Limits(image_bytes=200_000, images=3, image_pixels=1_000_000, pace=Pace(0.3, 200_000, 0.2))
BOUNDARY = "----boundary0123456789"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass
class Front:
    """A server with one resource that receives, and what it received."""

    spool: Spool
    held: dict[str, int]
    limits: Limits = LIMITS
    keep_raw: bool = False
    port: int = 0
    fields: tuple[tuple[str, str], ...] = ()
    pictures: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    raw: bytes | None = None
    raw_type: str | None = None
    model: str | None = None
    cancelled: int = 0
    peak: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        try:
            if self.keep_raw:
                held = await hold(request, self.spool, self.limits.pace)
                try:
                    self.raw, self.raw_type, self.model = await content(held.raw), held.raw.media_type, held.seen.model
                    received = await held.read(self.limits, "edit")
                finally:
                    held.release()
            else:
                received = await receive(request, self.spool, self.limits)
        except GatewayError as error:
            return web.json_response(envelope(error), status=error.status)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.fields = received.form.fields
        self.pictures = [
            (name, blob.media_type, str(blob.pixels), await content(blob))
            for name, blob in zip((name for name, _ in received.form.pictures), received.blobs, strict=True)
        ]
        received.release()
        return web.json_response({})

    def meter(self, kind: str, held: int) -> None:
        assert held >= 0
        self.held[kind] = held
        self.peak = max(self.peak, sum(self.held.values()))


async def content(blob: Blob) -> bytes:
    return b"".join([piece async for piece in blob.chunks()])


@asynccontextmanager
async def front_of(directory: Path, **memory: Any) -> AsyncIterator[Front]:
    held = {"memory": 0, "disk": 0}
    fronts: list[Front] = []
    settings = MemorySettings(**({"budget": 2_000_000, "disk": 2_000_000, "wait": 0.05} | memory))
    spool = Spool(settings, directory, lambda kind, held: fronts[0].meter(kind, held))
    fronts.append(Front(spool, held))
    async with spool, receiving(fronts[0].serve) as fronts[0].port:
        yield fronts[0]
    assert held == {"memory": 0, "disk": 0}


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with front_of(tmp_path) as front:
        yield front


def part(name: str, value: bytes, *lines: str, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    head = "".join(f"{line}\r\n" for line in (f'Content-Disposition: form-data; name="{name}"{file}', *lines))
    return f"--{BOUNDARY}\r\n{head}\r\n".encode() + value + b"\r\n"


def image(name: str = "image", value: bytes = PNG) -> bytes:
    return part(name, value, "Content-Type: image/png", filename="a.png")


END = f"--{BOUNDARY}--\r\n".encode()
PROMPT = part("prompt", b"a cat")


def head(length: int | None, content_type: str = FORM, **more: str) -> bytes:
    return request_head(length, content_type, **more)


async def post(front: Front, body: bytes, content_type: str = FORM, **more: str) -> tuple[int, dict[str, Any]]:
    return await ask(front.port, head(len(body), content_type, **more) + body)


async def refused(front: Front, body: bytes, content_type: str = FORM, **more: str) -> tuple[int, str, Any, str]:
    """Status, code, param and text of a refusal, after which nothing is held."""
    status, answer = await post(front, body, content_type, **more)
    assert front.held == {"memory": 0, "disk": 0}
    error = answer["error"]
    return status, error["code"], error["param"], error["message"]


# --- taken ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("chunked", [False, True])
async def test_fields_and_pictures_come_as_they_were_sent(front: Front, order: int, chunked: bool) -> None:
    """Names, values, bytes and order are kept, whether the length is declared or not and whichever part comes first."""
    pictures = {"image": png(60, 40), "image[]": jpeg(30, 20), "image[1]": webp(10, 20), "mask": PNG}
    texts = [("prompt", "ein Kätzchen 🐈\r\n--"), ("n", "2"), ("extra", ""), ("n", "3")]
    form = aiohttp.FormData()
    for turn in (order, 1 - order):
        for name, value in texts if turn == 0 else ():
            form.add_field(name, value)
        for name, data in pictures.items() if turn == 1 else ():
            form.add_field(name, data, filename="upload", content_type="application/octet-stream")
    payload = form()
    body = await payload.as_bytes()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 97):
            yield body[start : start + 97]

    upload: AsyncIterator[bytes] | bytes = pieces() if chunked else body
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"http://127.0.0.1:{front.port}/v1/images/edits", data=upload, headers=payload.headers) as response,
    ):
        assert response.status == 200, await response.text()
    assert front.fields == tuple(texts)
    assert front.pictures == [
        ("image", "image/png", "60x40", pictures["image"]),
        ("image[]", "image/jpeg", "30x20", pictures["image[]"]),
        ("image[1]", "image/webp", "10x20", pictures["image[1]"]),
        ("mask", "image/png", "60x40", PNG),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Content-Type: text/html",),
        ("Content-Type: image/gif; charset=binary",),
        ("content-type: IMAGE/PNG", "Content-Transfer-Encoding: Binary"),
        ("Content-Type: multi/part",),
        (f"Content-Length: {len(PNG)}",),
    ],
)
@pytest.mark.parametrize(
    "filename", [None, "", "a.exe", "../../etc/passwd", "C:\\a.png", "a.png;b", "\u202egnp.a", "nul\0.png", "ü" * 900]
)
async def test_what_a_picture_is_called_does_not_matter(
    front: Front, lines: tuple[str, ...], filename: str | None
) -> None:
    """Any file name and any part type, or none: the bytes say what it is, and the name is used for nothing."""
    status, answer = await post(front, PROMPT + part("image", PNG, *lines, filename=filename) + END)
    assert (status, answer) == (200, {})
    assert front.pictures == [("image", "image/png", "60x40", PNG)]


@pytest.mark.parametrize(
    "content_type",
    [
        FORM,
        f'Multipart/Form-Data; BOUNDARY="{BOUNDARY}"',
        f"multipart/form-data; charset=utf-8; boundary={BOUNDARY}; x=y",
        f"multipart/form-data ;boundary={BOUNDARY} ",
    ],
)
async def test_content_types_are_read_as_the_standard_says(front: Front, content_type: str) -> None:
    """Case, quotes, other parameters and spaces change nothing."""
    assert (await post(front, PROMPT + END, content_type))[0] == 200
    assert front.fields == (("prompt", "a cat"),)


async def test_a_boundary_of_70_characters_is_legal(front: Front) -> None:
    """Seventy is the standard's most; every character it lists may occur."""
    boundary = ("'()+_,-./:=? Az09" * 5)[:69] + "z"
    body = (PROMPT + END).replace(BOUNDARY.encode(), boundary.encode())
    assert (await post(front, body, f'multipart/form-data; boundary="{boundary}"'))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" + PROMPT + END,
        PROMPT + END[:-2],
        PROMPT + END + b"epilogue",
        PROMPT.replace(b"form-data; name=", b"form-data;name =") + END,
    ],
)
async def test_loose_ends_that_clients_leave_are_taken(front: Front, body: bytes) -> None:
    """A line break before, none behind, a few bytes behind: all of it however it is cut."""
    for step in (1, 7, len(body)):
        status, _ = await ask(front.port, head(len(body)), *(body[i : i + step] for i in range(0, len(body), step)))
        assert status == 200
        assert front.fields == (("prompt", "a cat"),)


@pytest.mark.parametrize("memory", [0, 30_000, 2_000_000])
async def test_raw_bytes_are_kept_for_a_replay(tmp_path: Path, memory: int) -> None:
    """A body whose model decides is held byte for byte, under the client's own Content-Type, then read."""
    body = PROMPT + image(value=png(200, 100)) + END + b"\r\n"
    async with front_of(tmp_path, budget=memory) as front:
        front.keep_raw = True
        assert (await post(front, body))[0] == 200
        assert (front.raw, front.raw_type, front.model) == (body, FORM, None)
        assert len(front.pictures) == 1


async def test_past_the_memory_budget_pictures_go_to_disk(tmp_path: Path) -> None:
    """A large picture arrives whole although memory takes none of it."""
    large = png(400, 300, noise=True)
    assert len(large) > 150_000
    async with front_of(tmp_path, budget=1000) as front:
        front.limits = replace(LIMITS, image_bytes=10**6)
        assert (await post(front, PROMPT + image(value=large) + END))[0] == 200
        assert front.pictures[0][3] == large


async def test_exactly_the_limits_are_taken(front: Front) -> None:
    """The largest allowed picture, text and number of pictures and parts pass; the next byte or part does not."""
    front.limits = replace(LIMITS, image_bytes=len(PNG), parts=8, text_bytes=500, image_pixels=60 * 40)
    for count, text, texts, extra, expected in (
        (3, 500, 5, b"", 200),
        (4, 500, 1, b"", 400),
        (1, 501, 1, b"", 413),
        (3, 500, 6, b"", 400),
        (1, 1, 1, b"\0", 413),
    ):
        body = image(value=PNG + extra) * count + part("x", b"a" * text) * texts + END
        assert (await post(front, body))[0] == expected, (count, text, texts, extra)


# --- refused before a byte is read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "more", "status", "code"),
    [
        ("application/json", {}, 415, "unsupported_media_type"),
        ("application/json; charset=utf-8", {}, 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", {}, 415, "unsupported_media_type"),
        ("multipart/mixed; boundary=a", {}, 415, "unsupported_media_type"),
        ("", {}, 415, "unsupported_media_type"),
        ("multipart/form-data", {}, 400, "invalid_multipart"),
        ("multipart/form-data; boundary=", {}, 400, "invalid_multipart"),
        ('multipart/form-data; boundary=""', {}, 400, "invalid_multipart"),
        ("multipart/form-data; boundary=" + "a" * 71, {}, 400, "invalid_multipart"),
        ('multipart/form-data; boundary="a "', {}, 400, "invalid_multipart"),
        ('multipart/form-data; boundary="ä"', {}, 400, "invalid_multipart"),
        ("multipart/form-data; boundary=a; boundary=b", {}, 400, "invalid_multipart"),
        (FORM, {"Content_Type": "multipart/form-data; boundary=b"}, 400, "invalid_request"),
        (FORM, {"Content_Encoding": "gzip"}, 415, "unsupported_media_type"),
        (FORM, {"Content_Encoding": "identity, br"}, 415, "unsupported_media_type"),
        (FORM, {"Expect": "200-ok"}, 417, "expectation_failed"),
    ],
)
async def test_the_head_alone_can_refuse(
    front: Front, content_type: str, more: dict[str, str], status: int, code: str
) -> None:
    """A request that cannot be taken is answered from its headers; the client need not send the body."""
    answered, answer = await ask(front.port, head(100_000, content_type, **more))
    assert (answered, answer["error"]["code"]) == (status, code)
    assert front.peak == 0


async def test_a_declared_length_over_the_total_is_refused_at_once(front: Front) -> None:
    """100 MB are answered 413 before one byte has come; no room was taken for them."""
    status, answer = await ask(front.port, head(100_000_000))
    assert (status, answer["error"]["code"]) == (413, "request_too_large")
    assert str(LIMITS.total_bytes) in answer["error"]["message"]
    assert front.peak == 0


async def test_no_body_is_malformed(front: Front) -> None:
    """Nothing at all, or an empty body, is not a form."""
    assert (await refused(front, b""))[:2] == (400, "invalid_multipart")
    assert (await ask(front.port, head(None), b"0\r\n\r\n"))[0] == 400
    request = f"POST /v1/images/edits HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\n\r\n".encode()
    assert (await ask(front.port, request))[0] == 400


async def test_the_100_comes_after_every_check(front: Front) -> None:
    """`Expect: 100-continue` is answered 100 when the body is wanted, and by the refusal alone when it is not."""
    body = PROMPT + image() + END
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(head(len(body), Expect="100-Continue"))
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)).startswith(b"HTTP/1.1 200")
    writer.close()
    for request in (head(10**9, Expect="100-continue"), head(9, "text/plain", Expect="100-continue")):
        status, _ = await ask(front.port, request)
        assert status in (413, 415)
    old = head(len(body), Expect="100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert (await ask(front.port, old + body))[0] == 200


# --- malformed --------------------------------------------------------------------------------------------------------

NESTED = part("files", b"--in\r\n\r\nx\r\n--in--", "Content-Type: multipart/mixed; boundary=in")
MALFORMED: Mapping[str, bytes] = {
    "no delimiter": b"prompt=a+cat&n=1" * 10,
    "another boundary": PROMPT.replace(b"boundary0", b"boundary1") + END,
    "shorter than a boundary": b"--",
    "no last boundary": PROMPT + image(),
    "cut in a picture": (PROMPT + image())[:-30],
    "cut in a header": (PROMPT + image())[: len(PROMPT) + 50],
    "line feeds only": (PROMPT + END).replace(b"\r\n", b"\n"),
    "preamble": b"This is a multi-part message.\r\n" + PROMPT + END,
    "endless preamble": b"x" * 300_000 + b"\r\n" + PROMPT + END,
    "huge epilogue": PROMPT + END + b"x" * 900_000,
    "rubbish behind a boundary": PROMPT + END[:-4] + b"xx\r\n\r\n" + END,
    "nested": NESTED + END,
    "no disposition": f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n".encode() + END,
    "no headers": f"--{BOUNDARY}\r\n\r\nx\r\n".encode() + END,
    "attachment": PROMPT.replace(b"form-data", b"attachment") + END,
    "no name": PROMPT.replace(b'; name="prompt"', b"") + END,
    "empty name": PROMPT.replace(b'"prompt"', b'""') + END,
    "control characters in a name": PROMPT.replace(b'"prompt"', b'"pro%0Ampt"') + END,
    "a header without a colon": part("prompt", b"x", "Content-Type text/plain") + END,
    "a header that is not UTF-8": PROMPT.replace(b"prompt", b"prompt\xff") + END,
    "two dispositions": part("prompt", b"x", 'Content-Disposition: form-data; name="n"') + END,
    "two types": part("prompt", b"x", "Content-Type: text/plain", "content-type: text/html") + END,
    "base64": part("prompt", b"eA==", "Content-Transfer-Encoding: base64") + END,
    "quoted-printable picture": part("image", PNG, "Content-Transfer-Encoding: quoted-printable") + END,
    "wrong part length": part("prompt", b"x", "Content-Length: 2") + END,
    "too many parts": part("n", b"1") * 65 + END,
    "250 000 parts": part("n", b"1") * 12_000 + END,
    "too many headers": part("n", b"1", *(f"X-{i}: 1" for i in range(16))) + END,
    "1 000 headers": part("n", b"1", *(f"X-{i}: 1" for i in range(1000))) + END,
    "a long header": part("n", b"1", "X: " + "a" * 4096) + END,
    "1 MB of header": part("n", b"1", "X: " + "a" * 1_000_000) + END,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_bodies_are_400(front: Front, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each is the client's fault in OpenAI's envelope, leaves nothing behind and no traceback."""
    status, code, _, message = await refused(front, MALFORMED[name])
    assert (status, code) == (400, "invalid_multipart"), message
    assert len(message) < 250
    assert caplog.records == []


@pytest.mark.parametrize("name", [name for name, body in MALFORMED.items() if len(body) < 3000])
async def test_malformed_bodies_stay_malformed_however_they_are_cut(front: Front, name: str) -> None:
    """The verdict does not depend on how the network delivers them."""
    body = MALFORMED[name]
    pieces = [b"1\r\n%b\r\n" % body[i : i + 1] for i in range(len(body))]
    status, answer = await ask(front.port, head(None), b"".join(pieces) + b"0\r\n\r\n")
    assert (status, answer["error"]["code"]) == (400, "invalid_multipart")


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (b"\xff", ()),
        (b"\xed\xa0\x80", ()),
        (b"\xc0\x80", ()),
        ("x".encode("utf-16"), ()),
        (b"a\0b", ()),
        (b"x", ("Content-Type: text/plain; charset=no-such-thing",)),
        ("x".encode("utf-16"), ("Content-Type: text/plain; charset=utf-16",)),
    ],
)
async def test_text_is_utf_8_or_refused_by_name(front: Front, value: bytes, lines: tuple[str, ...]) -> None:
    """Wrong bytes, surrogates, NUL and charsets that are not taken are 400 with the field."""
    body = part("prompt", value, *lines) + END
    status, code, param, _ = await refused(front, body)
    assert (status, code, param) == (400, "invalid_value", "prompt")


async def test_a_declared_utf_8_is_taken(front: Front) -> None:
    """Clients that say what they send are believed as far as it is true."""
    body = (
        part("_charset_", b"utf-16") + part("prompt", "é".encode(), 'Content-Type: text/plain; charset="UTF-8"') + END
    )
    assert (await post(front, body))[0] == 200
    assert front.fields == (("prompt", "é"),)


async def test_texts_have_a_common_limit(front: Front) -> None:
    """Many large texts are not a way around the limit of one."""
    body = b"".join(part(f"x{i}", b"a" * 128 * 1024) for i in range(9)) + END
    front.limits = replace(LIMITS, image_bytes=10**6)
    assert len(body) > SLACK_BYTES
    assert (await refused(front, body))[:2] == (413, "request_too_large")


# --- pictures that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        (b"", "invalid_image_file", "empty"),
        (b"GIF89a" + bytes(600), "unsupported_file_mimetype", "GIF"),
        (b"II*\0" + bytes(9), "unsupported_file_mimetype", "TIFF"),
        (b"%!PS-Adobe" + bytes(600), "unsupported_file_mimetype", "PostScript"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_file_mimetype", "SVG"),
        (os.urandom(2000).replace(b"\0", b"x").lower(), "invalid_image_file", "format"),
        (PNG[:-12], "invalid_image_file", "IEND"),
        (jpeg(30, 20)[:-40], "invalid_image_file", "EOI"),
        (PNG[:20], "invalid_image_file", "ends"),
        (png(2000, 1000), "image_too_large", "2000 × 1000"),
    ],
)
async def test_an_unusable_picture_is_named(front: Front, value: bytes, code: str, words: str) -> None:
    """The answer names the picture as the client counts them, and what is wrong with it."""
    body = PROMPT + image("image[]", PNG) + image("image[]", value) + image("image[]", PNG) + END
    status, found, param, message = await refused(front, body)
    assert (status, found, param) == (400, code, "image[1]")
    assert message.startswith("image 2 ")
    assert words in message


async def test_a_mask_is_named_as_a_mask(front: Front) -> None:
    """Pictures of other kinds are counted apart."""
    _, code, param, message = await refused(front, image() + image("mask", b"x") + END)
    assert (code, param) == ("invalid_image_file", "mask")
    assert message.startswith("mask ")


@pytest.mark.parametrize(
    "value", [b"", b"a.png", b"https://example.com/a.png", b"data:image/png;base64,iVBORw0KGgo=", b"iVBORw0KGgo="]
)
async def test_text_where_a_picture_belongs(front: Front, value: bytes) -> None:
    """A path, an address or base64 instead of a file is told from a broken file."""
    status, code, param, message = await refused(front, part("image", value) + END)
    assert (status, code, param) == (400, "invalid_type", "image")
    assert "expected a file, but got text" in message


async def test_too_large_pictures_are_refused_from_their_head(front: Front) -> None:
    """The pixels are known with the first bytes; the rest is not waited for."""
    front.limits = replace(LIMITS, image_bytes=10**9)
    status, answer = await ask(front.port, head(10**6), PROMPT + image(value=png(5000, 5000))[:300])
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "image_too_large", "image")
    assert front.held["memory"] == 0


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_file_over_its_limit_is_refused_before_the_rest(front: Front, chunked: bool) -> None:
    """One byte too many ends it, although more was announced."""
    start = PROMPT + image(value=PNG + bytes(LIMITS.image_bytes - len(PNG) + 1))[:-2]
    framed = b"%x\r\n%b\r\n" % (len(start), start) if chunked else start
    status, answer = await ask(front.port, head(None if chunked else LIMITS.total_bytes), framed)
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (413, "request_too_large", "image")
    assert front.held == {"memory": 0, "disk": 0}


async def test_a_chunked_body_has_the_same_total(front: Front) -> None:
    """Without a declared length the bytes are counted as they come."""
    front.limits = replace(LIMITS, images=1, image_bytes=10_000)
    body = part("a", b"b" * 100_000) * 20
    status, answer = await ask(front.port, head(None), b"%x\r\n%b\r\n" % (len(body), body))
    assert (status, answer["error"]["code"]) == (413, "request_too_large")


async def test_one_picture_too_many_is_refused_at_its_head(front: Front) -> None:
    """The fourth of three is not read."""
    status, answer = await ask(front.port, head(500_000), image() * 3 + image()[:200])
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "invalid_value", "image")


# --- time, room and departures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 1, 200])
async def test_a_stalled_body_is_given_up(front: Front, start: int) -> None:
    """Nothing for the allowed pause: 408, not to be repeated by itself, and nothing held."""
    began = asyncio.get_running_loop().time()
    status, answer = await ask(front.port, head(50_000), (PROMPT + image())[:start])
    assert (status, answer["error"]["code"]) == (408, "request_timeout")
    assert asyncio.get_running_loop().time() - began < 1
    assert front.held == {"memory": 0, "disk": 0}


async def test_a_dripping_body_is_given_up(front: Front) -> None:
    """A byte now and then is no upload, although it never pauses long."""
    began = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(head(50_000) + PROMPT)
    while asyncio.get_running_loop().time() - began < 3:
        writer.write(b"-")
        try:
            assert (await asyncio.wait_for(reader.read(100), 0.05)).startswith(b"HTTP/1.1 408")
            break
        except TimeoutError:
            continue
    assert 0.2 < asyncio.get_running_loop().time() - began < 1
    writer.transport.abort()


async def test_a_slow_but_honest_upload_arrives(front: Front) -> None:
    """Faster than the least rate is fast enough, long after the grace is over."""
    body = PROMPT + image(value=PNG + bytes(190_000 - len(PNG))).replace(bytes(64), b"IEND\xae\x42\x60\x82" * 8) + END
    pieces = [body[i : i + 20_000] for i in range(0, len(body), 20_000)]
    began = asyncio.get_running_loop().time()
    status, answer = await ask(front.port, head(len(body)), *pieces, pause=0.07)
    assert (status, answer) == (200, {})
    assert asyncio.get_running_loop().time() - began > LIMITS.pace.grace_s


async def test_waiting_for_room_is_not_the_clients_slowness(tmp_path: Path) -> None:
    """An upload that had to wait longer than the grace is read in peace, and nothing of it was read before."""
    async with front_of(tmp_path, budget=10, disk=100_000, wait=5) as front:
        assert front.spool.take("disk", 100_000)
        body = PROMPT + image() + END
        asked = asyncio.create_task(ask(front.port, head(len(body)) + body))
        await asyncio.sleep(0.5)
        assert not asked.done()
        front.spool.give("disk", 100_000)
        assert (await asked)[0] == 200


@pytest.mark.parametrize("keep_raw", [False, True])
async def test_declared_bytes_that_are_not_sent_keep_nobody_out(tmp_path: Path, keep_raw: bool) -> None:
    """Twenty announce the whole disk each and send a little; an honest upload is not even delayed."""
    async with front_of(tmp_path, budget=1000, disk=600_000, wait=5) as front:
        front.keep_raw = keep_raw
        front.limits = replace(LIMITS, pace=Pace(5, 1, 5))
        idle = []
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", front.port)
            writer.write(head(300_000) + PROMPT + image()[:500])
            idle.append(writer)
        await asyncio.sleep(0.1)
        assert sum(front.held.values()) < 20 * 2000
        async with asyncio.timeout(1):
            assert (await post(front, PROMPT + image() + END))[0] == 200
        for writer in idle:
            writer.transport.abort()
        async with asyncio.timeout(2):
            while front.cancelled < 20:
                await asyncio.sleep(0.01)


async def test_without_room_the_answer_is_503(tmp_path: Path) -> None:
    """Budget and disk exhausted: 503, for declared lengths and for growing ones."""
    async with front_of(tmp_path, budget=1000, disk=1000) as front:
        body = PROMPT + image(value=PNG + bytes(5000)) + END
        for request in (head(len(body)) + body, head(None) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)):
            status, answer = await ask(front.port, request)
            assert (status, answer["error"]["code"]) == (503, "out_of_room")
            assert sum(front.held.values()) == 0


@pytest.mark.parametrize("budget", [2_000_000, 1000])
@pytest.mark.parametrize("keep_raw", [False, True])
async def test_a_departed_client_leaves_nothing(tmp_path: Path, budget: int, keep_raw: bool) -> None:
    """Wherever the connection breaks, room and files come back and the handler ends."""
    body = PROMPT + image(value=png(300, 200, noise=True)) + image("mask") + END
    async with front_of(tmp_path, budget=budget) as front:
        front.keep_raw = keep_raw
        front.limits = replace(LIMITS, image_bytes=10**6)
        before = len(os.listdir("/proc/self/fd"))
        for percent in range(0, 100, 5):
            _, writer = await asyncio.open_connection("127.0.0.1", front.port)
            writer.write(head(len(body)) + body[: len(body) * percent // 100])
            await writer.drain()
            await asyncio.sleep(0.01)
            if percent % 2:
                writer.close()
            else:
                writer.transport.abort()
        async with asyncio.timeout(2):
            while front.cancelled < 20:
                await asyncio.sleep(0.01)
        assert front.held == {"memory": 0, "disk": 0}
        assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_body_with_broken_framing_is_told_at_once(front: Front) -> None:
    """A chunk that is none in the middle of an upload is the client's fault, not a stall."""
    first = PROMPT + image()[:300]
    began = asyncio.get_running_loop().time()
    status, answer = await ask(front.port, head(None), b"%x\r\n%b\r\n" % (len(first), first), b"zz\r\n", pause=0.02)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert asyncio.get_running_loop().time() - began < 0.15


async def test_uploads_at_once_do_not_mix(front: Front) -> None:
    """Eight connections at a time, each with its own picture, and the account is even afterwards."""
    bodies = [PROMPT + image(value=png(10 + i, 10)) + END for i in range(8)]
    answers = await asyncio.gather(*(post(front, body) for body in bodies))
    assert [status for status, _ in answers] == [200] * 8
    assert front.held == {"memory": 0, "disk": 0}
