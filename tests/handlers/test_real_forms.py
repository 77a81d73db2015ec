"""Forms as real programs send them, byte for byte, through a whole gateway: judged by what the standards say."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.dialects.openai.members import KINDS
from gateway.emulator.server import Emulator
from tests.conftest import StartGateway
from tests.fakes.forms import key_settings
from tests.fakes.openai_server import FakeOpenAi, answer, fake_openai
from tests.fakes.pictures import picture
from tests.fakes.raw import Heard, exchange

PNG, JPEG = picture(), picture(80, 60, form="JPEG", seed=2)
EDITS = "/v1/images/edits"


def part(head: bytes, data: bytes) -> bytes:
    return b"Content-Disposition: form-data; " + head + b"\r\n\r\n" + data


def form(*parts: bytes) -> bytes:
    return b"".join(b"--X\r\n" + each + b"\r\n" for each in parts) + b"--X--\r\n"


def text(name: str, value: bytes | str, *lines: bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return part(b"\r\n".join((f'name="{name}"'.encode(), *lines)), data)


def file(name: str, data: bytes = PNG, filename: bytes = b"a.png") -> bytes:
    return part(b'name="%b"; filename="%b"\r\nContent-Type: application/octet-stream' % (name.encode(), filename), data)


PROMPT, IMAGE = text("prompt", "make it blue"), file("image")


async def post(
    gateway: Gateway, body: bytes, *lines: str, path: str = EDITS, kind: str = "multipart/form-data; boundary=X"
) -> Heard:
    head = (f"POST {path} HTTP/1.1", f"Content-Type: {kind}", f"Content-Length: {len(body)}")
    return await exchange(gateway.url, *head, *lines, body=body)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sent(bfl: Emulator) -> dict[str, Any]:
    """The fields of the one task that the vendor got."""
    (task,) = bfl.tasks
    fields = task["fields"]
    assert isinstance(fields, dict)
    return {name: value for name, value in fields.items() if value is not None}


def prompts(bfl: Emulator) -> list[Any]:
    tasks: list[Any] = bfl.tasks
    return [task["fields"]["prompt"] for task in tasks]


@dataclass
class Both:
    """A gateway in front of both platforms."""

    gateway: Gateway
    openai: FakeOpenAi

    @property
    def relayed(self) -> list[str]:
        return [seen.digest for seen in self.openai.seen]


@asynccontextmanager
async def both(start: StartGateway, bfl: Emulator, *edits: str, **more: Any) -> AsyncIterator[Both]:
    async with fake_openai(answer({"data": []})) as openai:
        relay = {"kind": "openai", "api_keys": ["sk-of-the-tests"], "base_url": openai.url}
        routes = {"edits": list(edits or ("bfl", "openai"))}
        yield Both(await start(bfl, platforms={"openai": relay}, **{"routes": routes, **more}), openai)


# --- what only a relay can take ---------------------------------------------------------------------------------------

MODEL = text("model", "gpt-image-2")
STRANGE = {
    "a part without a disposition": form(MODEL, IMAGE, b"Content-Type: text/plain\r\n\r\nx", PROMPT),
    "a name that is not UTF-8": form(MODEL, IMAGE, part(b'name="caf\xe9"', b"x"), PROMPT),
    "two names": form(MODEL, IMAGE, part(b'name="a"; name="b"', b"x"), PROMPT),
    "a part in base64": form(MODEL, IMAGE, text("note", "eA==", b"Content-Transfer-Encoding: base64"), PROMPT),
    "no last boundary": form(MODEL, IMAGE, PROMPT)[:-4],
    "more parts than are followed": form(MODEL, *[text("x", "1")] * 300, IMAGE, PROMPT),
    "a wrong length of a part": form(MODEL, IMAGE, text("x", "1", b"Content-Length: 2"), PROMPT),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_a_form_that_is_hard_to_read_is_for_the_relay_to_judge(
    bfl: Emulator, start_gateway: StartGateway, name: str
) -> None:
    """What was learned before the fault leads it there, byte for byte."""
    async with both(start_gateway, bfl) as each:
        heard = await post(each.gateway, STRANGE[name])
        assert (heard.status, heard.headers["x-gateway-platform"]) == (200, "openai")
        assert each.relayed == [hashlib.sha256(STRANGE[name]).hexdigest()]
    assert bfl.counts.submits_seen == 0


@pytest.mark.parametrize("name", STRANGE)
async def test_a_form_that_is_hard_to_read_is_refused_where_it_has_to_be_read(
    bfl: Emulator, start_gateway: StartGateway, name: str
) -> None:
    """By a model of BFL's."""
    async with both(start_gateway, bfl) as each:
        heard = await post(each.gateway, STRANGE[name].replace(b"gpt-image-2", b"flux-kontext-pro"))
        assert (heard.status, heard.error["code"]) == (400, "invalid_multipart")
        assert each.relayed == []
    assert bfl.counts.submits_seen == 0


@pytest.mark.parametrize("name", STRANGE)
async def test_a_form_that_is_hard_to_read_opens_no_model(
    bfl: Emulator, start_gateway: StartGateway, name: str
) -> None:
    """A key that names models gets nothing where another model may stand behind the fault."""
    keys = [{**key_settings("sk-narrow")[0], "models": ["gpt-*"]}]
    async with both(start_gateway, bfl, auth={"keys": keys}) as each:
        heard = await post(each.gateway, STRANGE[name], "Authorization: Bearer sk-narrow")
        assert (heard.status, heard.error["code"]) == (403, "model_not_allowed")
        assert each.relayed == []


@pytest.mark.parametrize("said", [{"pins": {"background": "opaque"}}, {"overrides": {"quality": "low"}}])
async def test_a_form_that_is_hard_to_read_evades_no_route(
    bfl: Emulator, start_gateway: StartGateway, said: dict[str, Any]
) -> None:
    """What a rule settles would be open behind the fault, even where it was sent as it is settled."""
    body = form(MODEL, text("background", "opaque"), text("quality", "low"), IMAGE, PROMPT)[:-4]
    rules = [{"name": "all", "to": [{"platform": "openai", **said}]}]
    async with both(start_gateway, bfl, routes={"rules": rules}) as each:
        heard = await post(each.gateway, body)
        assert (heard.status, heard.error["code"]) == (400, "invalid_multipart")
        assert each.relayed == []


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=X; boundary=Y"])
@pytest.mark.parametrize(("edits", "status"), [(("bfl", "openai"), 400), (("openai", "bfl"), 200)])
async def test_a_form_without_a_legal_boundary_goes_to_a_relay_alone(
    bfl: Emulator, start_gateway: StartGateway, kind: str, edits: tuple[str, ...], status: int
) -> None:
    """Nothing is known of it, so the first platform decides."""
    async with both(start_gateway, bfl, *edits) as each:
        heard = await post(each.gateway, form(IMAGE, PROMPT), kind=kind)
        assert heard.status == status, heard.rest
        assert len(each.relayed) == (status == 200)
    assert bfl.counts.submits_seen == 0


# --- names and charsets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "filename", [b"caf\xe9.png", b"\xff\xfe", b"\x85\xa0.png", "写真.png".encode("shift-jis"), b"\\"]
)
async def test_the_name_of_a_file_is_nobodys_business(
    bfl: Emulator, start_gateway: StartGateway, filename: bytes
) -> None:
    """In whichever charset it is: https://www.rfc-editor.org/rfc/rfc7578#section-4.2"""
    gateway = await start_gateway(bfl)
    heard = await post(gateway, form(file("image", filename=filename), PROMPT))
    assert heard.status == 200, heard.rest
    assert sent(bfl)["input_image"] == digest(PNG)


@pytest.mark.parametrize(
    ("charset", "value", "meant"),
    [
        (b"ISO-8859-1", b"make it blue", "make it blue"),
        (b"iso_8859-1", b"caf\xe9 \x85", "café \x85"),
        (b"latin1", b"caf\xe9", "café"),
        (b'"ISO-8859-15"', b"5 \xa4", "5 €"),
        (b"windows-1252", b"5 \x80", "5 €"),
        (b"Shift_JIS", "写真".encode("shift-jis"), "写真"),
        (b"us-ascii", b"blue", "blue"),
        (b"US-ASCII", "é".encode(), "é"),
        (b"UTF-8", "é".encode(), "é"),
    ],
)
async def test_text_in_a_charset_with_one_meaning(
    bfl: Emulator, start_gateway: StartGateway, charset: bytes, value: bytes, meant: str
) -> None:
    """As the part itself says, or the form for all of its parts; Apache HttpClient 4 says ISO-8859-1 of everything."""
    gateway = await start_gateway(bfl)
    own = text("prompt", value, b"Content-Type: text/plain; charset=" + charset, b"Content-Transfer-Encoding: 8bit")
    common = form(text("_charset_", charset.strip(b'"')), text("prompt", value), IMAGE)
    for body in (form(IMAGE, own), common):
        heard = await post(gateway, body)
        assert heard.status == 200, heard.rest
    assert prompts(bfl) == [meant, meant]


@pytest.mark.parametrize(
    ("charset", "value"),
    [
        (b"utf-16", b"a cat"),
        (b"utf-7", b"a cat"),
        (b"no-such-thing", b"a cat"),
        (b"idna", b"a cat"),
        (b"iso-2022-jp", b"a cat"),
        (b"windows-1252", b"\x81"),
        (b"Shift_JIS", b"\x81"),
        (b"utf-8", b"caf\xe9"),
    ],
)
async def test_text_whose_meaning_is_in_doubt(
    bfl: Emulator, start_gateway: StartGateway, charset: bytes, value: bytes
) -> None:
    """400 with the field."""
    gateway = await start_gateway(bfl)
    own = text("prompt", value, b"Content-Type: text/plain; charset=" + charset)
    for body in (form(IMAGE, own), form(text("_charset_", charset), text("prompt", value), IMAGE)):
        heard = await post(gateway, body)
        assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "invalid_value", "prompt")
    assert bfl.counts.submits_seen == 0


# --- files that are none, and texts that came as files ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["mask", "image[]", "image", "markup", "attachment", "quality"])
@pytest.mark.parametrize("edits", [("bfl",), ("bfl", "openai")])
async def test_a_file_that_was_not_chosen(
    bfl: Emulator, start_gateway: StartGateway, name: str, edits: tuple[str, ...]
) -> None:
    """An unused input of a web form is absent: https://html.spec.whatwg.org/#constructing-the-form-data-set"""
    async with both(start_gateway, bfl, *edits) as each:
        heard = await post(each.gateway, form(file(name, b"", b""), IMAGE, file(name, b"", b""), PROMPT))
    assert heard.status == 200, heard.rest
    assert sent(bfl)["input_image"] == digest(PNG)


async def test_a_file_that_is_empty(bfl: Emulator, start_gateway: StartGateway) -> None:
    """With a name it was chosen, and bytes without a name are a file."""
    gateway = await start_gateway(bfl)
    heard = await post(gateway, form(IMAGE, file("mask", b"", b"a.png"), PROMPT))
    assert (heard.error["code"], heard.error["param"]) == ("invalid_image_file", "mask")
    heard = await post(gateway, form(file("image", b"", b""), PROMPT))
    assert (heard.error["code"], heard.error["param"]) == ("missing_required_parameter", "image")
    heard = await post(gateway, form(file("image", PNG, b""), PROMPT))
    assert heard.status == 200, heard.rest
    assert sent(bfl)["input_image"] == digest(PNG)


@pytest.mark.parametrize("kind", [b"text/plain", b"application/octet-stream", b"application/json", b"image/png"])
async def test_a_text_that_came_as_a_file(bfl: Emulator, start_gateway: StartGateway, kind: bytes) -> None:
    """`FormData` sends every Blob so, a known field or one of the model's own."""

    def blob(name: bytes, value: bytes) -> bytes:
        return part(b'name="%b"; filename="blob"\r\nContent-Type: %b' % (name, kind), value)

    gateway = await start_gateway(bfl)
    heard = await post(gateway, form(IMAGE, blob(b"prompt", b"make it blue"), blob(b"n", b"1"), blob(b"seed", b"7")))
    assert heard.status == 200, heard.rest
    fields = sent(bfl)
    assert (fields["prompt"], fields["seed"]) == ("make it blue", 7)


@pytest.mark.parametrize("name", ["prompt", "size", "n"])
async def test_a_picture_where_a_text_belongs(bfl: Emulator, start_gateway: StartGateway, name: str) -> None:
    """Told as what it is."""
    gateway = await start_gateway(bfl)
    heard = await post(gateway, form(IMAGE, file(name), *([PROMPT] if name != "prompt" else [])))
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "invalid_type", name)
    assert "expected text, but got a file" in heard.error["message"]


@pytest.mark.parametrize("content", [PNG, b"", b"%PDF-1.7", b"\0\0\0\x18ftypheic", b"anything"])
@pytest.mark.parametrize("name", ["file", "reference", "Image", "image1"])
async def test_a_file_under_another_name(bfl: Emulator, start_gateway: StartGateway, name: str, content: bytes) -> None:
    """It is its name that is wrong, whatever is in it."""
    gateway = await start_gateway(bfl)
    heard = await post(gateway, form(IMAGE, file(name, content), PROMPT))
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "unsupported_parameter", name)
    assert heard.error["message"] == f"'{name}' came as a file; files are image, mask and markup."


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [".0", ".000"])
@pytest.mark.parametrize("edits", [("bfl",), ("bfl", "openai")])
async def test_whole_numbers_of_programs_that_have_only_floating_point(
    bfl: Emulator, start_gateway: StartGateway, zeros: str, edits: tuple[str, ...]
) -> None:
    """JSON's 2.0 is 2, for a standard field, the model's own, and the rules."""
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    told = "".join(
        f', "{name}": {value}{zeros}' for name, value in {"n": 2, "output_compression": 90, "seed": 42}.items()
    )
    body = f'{{"prompt": "make it blue", "image": "{url}"{told}}}'.encode()
    rules = [{"name": "two", "match": {"n": "2"}, "to": ["bfl/flux-kontext-max"]}]
    async with both(start_gateway, bfl, routes={"edits": list(edits), "rules": rules}) as each:
        heard = await post(each.gateway, body, kind="application/json")
    assert heard.status == 200, heard.rest
    tasks: list[Any] = bfl.tasks
    assert sorted(task["fields"]["seed"] for task in tasks) == [42, 43]
    assert {task["model"] for task in tasks} == {"flux-kontext-max"}


@pytest.mark.parametrize("number", ["2.5", "2e1", "1.00000001", "-1.0", "0.0"])
async def test_numbers_that_are_not_whole(bfl: Emulator, start_gateway: StartGateway, number: str) -> None:
    """Refused, not rounded."""
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    gateway = await start_gateway(bfl)
    body = f'{{"prompt": "make it blue", "image": "{url}", "n": {number}}}'.encode()
    heard = await post(gateway, body, kind="application/json")
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "invalid_value", "n")


# --- every field is accounted for -------------------------------------------------------------------------------------

EMPTY = sorted(KINDS.keys() - {"prompt"} | {"seed", "anything"})


@pytest.mark.parametrize("as_json", [False, True])
async def test_empty_texts_are_absent_and_reported(bfl: Emulator, start_gateway: StartGateway, as_json: bool) -> None:
    """All optional fields at once; what is no name of ours is counted."""
    gateway = await start_gateway(bfl)
    if as_json:
        url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        document = {"prompt": "make it blue", "images": [{"image_url": url}], **dict.fromkeys(EMPTY, "")}
        heard = await post(gateway, json.dumps(document).encode(), kind="application/json")
    else:
        empty = [text(name, "") for name in (*EMPTY, "mask")]
        heard = await post(gateway, form(IMAGE, *empty, PROMPT))
    assert heard.status == 200, heard.rest
    told = heard.headers["x-gateway-translation"].split(", ")
    assert "unknown=ignored(2 empty)" in told
    reported = {name for name in EMPTY if f"{name}=ignored(empty)" in told}
    assert reported == KINDS.keys() - {"prompt"}
    assert ("mask=ignored(empty)" in told) is not as_json
    assert sent(bfl) == {"prompt": "make it blue", "input_image": digest(PNG), "output_format": "png"}


async def test_a_route_settles_what_came_without_a_value(bfl: Emulator, start_gateway: StartGateway) -> None:
    """An empty field is as good as none for a default or a pin, for a relay as well; else its bytes stay."""
    body = form(MODEL, text("quality", ""), text("background", ""), text("user", ""), IMAGE, PROMPT)
    said = {"defaults": {"quality": "low"}, "pins": {"background": "opaque"}}
    rules = [{"name": "all", "to": [{"platform": "openai", **said}]}]
    async with both(start_gateway, bfl, routes={"rules": rules}) as each:
        heard = await post(each.gateway, body)
        assert heard.status == 200, heard.rest
        (seen,) = each.openai.seen
    settled = form(MODEL, text("quality", "low"), text("background", "opaque"), text("user", ""), IMAGE, PROMPT)
    assert bytes(seen.body) == settled


async def test_a_field_that_a_platform_forgets_is_refused(
    bfl: Emulator, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine accounts for what was asked, whatever a platform's author has overlooked; nothing is paid."""
    monkeypatch.setattr("gateway.platforms.bfl.fields.IGNORED", ())
    gateway = await start_gateway(bfl)
    heard = await post(gateway, form(IMAGE, PROMPT, text("style", "vivid")))
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "unsupported_parameter", "style")
    assert bfl.counts.submits_seen == 0


async def test_numbered_pictures_reach_the_vendor_in_their_order(bfl: Emulator, start_gateway: StartGateway) -> None:
    """A prompt for FLUX.2 says which is which: "the hat of image 2"."""
    gateway = await start_gateway(bfl)
    model = text("model", "flux-2-pro")
    big, small = picture(96, 64), picture(80, 64, seed=3)
    heard = await post(gateway, form(model, file("image[1]", small), file("image[0]", big), PROMPT))
    assert heard.status == 200, heard.rest
    fields = sent(bfl)
    assert (fields["input_image"], fields["input_image_2"]) == (digest(big), digest(small))
    heard = await post(gateway, form(model, file("image[1]", b"x"), file("image[0]", big), PROMPT))
    assert heard.error["param"] == "image[1]"


# --- pictures that came with a generation -----------------------------------------------------------------------------

GENERATIONS = "/v1/images/generations"


def with_picture(model: str, *, as_json: bool, stream: bool = False) -> tuple[bytes, str]:
    """A body and its type: of the JSON that many programs send, or a form."""
    if as_json:
        url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        document = {"model": model, "prompt": "make it blue", "image": [url], "stream": stream}
        return json.dumps(document).encode(), "application/json"
    parts = (text("model", model), text("stream", str(stream)), IMAGE, PROMPT)
    return form(*parts), "multipart/form-data; boundary=X"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("generations", [("bfl",), ("bfl", "openai")])
async def test_a_generation_with_a_picture_is_an_edit(
    bfl: Emulator, start_gateway: StartGateway, as_json: bool, generations: tuple[str, ...]
) -> None:
    """Where the model edits, and the answer says so; a stream keeps the names of the path it was asked on."""
    body, kind = with_picture("flux-kontext-pro", as_json=as_json)
    streamed, _ = with_picture("flux-kontext-pro", as_json=as_json, stream=True)
    async with both(start_gateway, bfl, routes={"generations": list(generations)}) as each:
        heard = await post(each.gateway, body, path=GENERATIONS, kind=kind)
        assert heard.status == 200, heard.rest
        assert heard.headers["x-gateway-translation"] == "request=converted(edit)"
        assert sent(bfl)["input_image"] == digest(PNG)
        heard = await post(each.gateway, streamed, path=GENERATIONS, kind=kind)
        assert b"event: image_generation.completed" in heard.rest
    assert bfl.counts.accepted == 2


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("models", [["*"], ["flux-pro-1.1"]])
async def test_a_generation_with_a_picture_for_a_model_that_does_not_edit(
    bfl: Emulator, start_gateway: StartGateway, as_json: bool, models: list[str]
) -> None:
    """The refusal names the path that takes pictures, whichever form it came in, and however many models are there."""
    gateway = await start_gateway(bfl, auth={"keys": [{**key_settings("sk-one")[0], "models": models}]})
    body, kind = with_picture("flux-pro-1.1", as_json=as_json)
    heard = await post(gateway, body, "Authorization: Bearer sk-one", path=GENERATIONS, kind=kind)
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "unsupported_parameter", "image")
    assert EDITS in heard.error["message"]
    assert bfl.counts.submits_seen == 0


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_generation_with_a_picture_for_a_relay(
    bfl: Emulator, start_gateway: StartGateway, as_json: bool
) -> None:
    """Its platform's to judge, byte for byte."""
    body, kind = with_picture("gpt-image-2", as_json=as_json)
    async with both(start_gateway, bfl, routes={"generations": ["bfl", "openai"]}) as each:
        heard = await post(each.gateway, body, path=GENERATIONS, kind=kind)
        assert heard.status == 200, heard.rest
        assert each.relayed == [hashlib.sha256(body).hexdigest()]


async def test_a_generation_as_a_form(bfl: Emulator, start_gateway: StartGateway) -> None:
    """Without a picture it stays one."""
    gateway = await start_gateway(bfl)
    heard = await post(gateway, form(text("prompt", "a fox"), file("image", b"", b"")), path=GENERATIONS)
    assert heard.status == 200, heard.rest
    assert "x-gateway-translation" not in heard.headers
    assert sent(bfl) == {"prompt": "a fox", "output_format": "png"}


# --- heads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip, chunked", "foo, chunked", "identity, chunked"])
@pytest.mark.parametrize("edits", [("bfl",), ("bfl", "openai"), ("openai",)])
@pytest.mark.parametrize("path", [EDITS, "/v1/chat/completions"])
async def test_a_transfer_coding_that_is_not_understood(
    bfl: Emulator, start_gateway: StartGateway, coding: str, edits: tuple[str, ...], path: str
) -> None:
    """501, as https://www.rfc-editor.org/rfc/rfc9112#section-6.1 says; nothing is sent on under another name."""
    body = form(IMAGE, PROMPT)
    async with both(start_gateway, bfl, *edits) as each:
        heard = await exchange(
            each.gateway.url,
            f"POST {path} HTTP/1.1",
            "Content-Type: multipart/form-data; boundary=X",
            f"Transfer-Encoding: {coding}",
            body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        )
        assert (heard.status, heard.error["code"]) == (501, "unsupported_transfer_encoding")
        assert heard.headers["x-should-retry"] == "false"
        assert each.relayed == []
    assert bfl.counts.submits_seen == 0


@pytest.mark.parametrize(("listen", "status"), [({}, 431), ({"header_line": 32768}, 200)])
async def test_a_long_cookie(bfl: Emulator, start_gateway: StartGateway, listen: dict[str, int], status: int) -> None:
    """A single sign-on may set cookies of any length; the operator says how long a line may be."""
    gateway = await start_gateway(bfl, listen={"port": 0, **listen})
    heard = await post(gateway, form(IMAGE, PROMPT), f"Cookie: sso={'a' * 20_000}")
    assert heard.status == status, heard.rest
