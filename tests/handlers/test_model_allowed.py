"""A key that names models opens no other one, however a request spells what it wants."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from tests.conftest import StartGateway
from tests.fakes.forms import BOUNDARY, edit_body, key_settings
from tests.fakes.openai_server import FakeOpenAi, fake_openai
from tests.fakes.raw import Heard, exchange

ALLOWED, OTHER = "gpt-image-1-mini", "gpt-image-1"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
JSON = "application/json"
CHAT, EDITS, GENERATIONS = "/v1/chat/completions", "/v1/images/edits", "/v1/images/generations"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai() as fake:
        yield fake


async def gateway_to(upstream: FakeOpenAi, start: StartGateway, **more: object) -> Gateway:
    """One key for one model, and a relay."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    keys = [{**key_settings("k")[0], "models": [ALLOWED]}]
    return await start(platforms={"openai": relay}, auth={"keys": keys}, **more)


async def post(gateway: Gateway, path: str, body: bytes, *lines: str | bytes) -> Heard:
    head = (f"POST {path} HTTP/1.1", "Authorization: Bearer k", f"Content-Length: {len(body)}")
    return await exchange(gateway.url, *head, *lines, body=body)


def twice(first: str, second: str, head: str = 'name="model"') -> bytes:
    """A form with a `model`, and behind it another part."""
    again = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{second}\r\n".encode()
    mark = f"--{BOUNDARY}--\r\n".encode()
    return edit_body(model=first).removesuffix(mark) + again + mark


async def test_what_is_allowed_passes(upstream: FakeOpenAi, start_gateway: StartGateway) -> None:
    """Otherwise nothing here would tell anything."""
    gateway = await gateway_to(upstream, start_gateway)
    for path in (CHAT, GENERATIONS):
        assert (
            await post(gateway, path, json.dumps({"model": ALLOWED}).encode(), f"Content-Type: {JSON}")
        ).status == 200
    assert (await post(gateway, EDITS, edit_body(model=ALLOWED), f"Content-Type: {FORM}")).status == 200
    azure = f"/openai/deployments/{ALLOWED}/images/edits?api-version=1"
    assert (await post(gateway, azure, edit_body(), f"Content-Type: {FORM}")).status == 200
    assert len(upstream.seen) == 4


SMUGGLED: dict[str, tuple[str, bytes, tuple[str, ...]]] = {}
for path in (CHAT, GENERATIONS):
    for name, text in {
        "plain": f'{{"model": "{OTHER}"}}',
        "twice": f'{{"model": "{ALLOWED}", "model": "{OTHER}"}}',
        "twice by escape": f'{{"model": "{ALLOWED}", "mod\\u0065l": "{OTHER}"}}',
        "other case": f'{{"model": "{ALLOWED}", "Model": "{OTHER}"}}',
        "other case alone": f'{{"MODEL": "{OTHER}"}}',
        "mark": f'\ufeff{{"model": "{OTHER}"}}',
        "trailing": f'{{"model": "{OTHER}"}} x',
        "nan": f'{{"model": "{OTHER}", "x": NaN}}',
        "wide": json.dumps({f"m{index}": 1 for index in range(300)} | {"model": OTHER}),
        "deep": '{"a": ' + "[" * 100 + "]" * 100 + f', "model": "{OTHER}"}}',
    }.items():
        SMUGGLED[f"{path} {name}"] = (path, text.encode(), (f"Content-Type: {JSON}",))
    body = f'{{"model": "{OTHER}"}}'
    in_utf_7 = f'{{"model": "{ALLOWED}", "+AG0-odel": "{OTHER}"}}'.encode()
    SMUGGLED[f"{path} UTF-7"] = (path, in_utf_7, (f"Content-Type: {JSON}; charset=utf-7",))
    SMUGGLED[f"{path} utf-16"] = (path, body.encode("utf-16"), (f"Content-Type: {JSON}; charset=utf-16",))
    for type_ in ("text/plain", "application/vnd.api+json", "application/x-www-form-urlencoded", "x"):
        SMUGGLED[f"{path} as {type_}"] = (path, body.encode(), (f"Content-Type: {type_}",))
    SMUGGLED[f"{path} without a type"] = (path, body.encode(), ())
    SMUGGLED[f"{path} two types"] = (path, body.encode(), (f"Content-Type: {JSON}", "Content-Type: text/plain"))
    SMUGGLED[f"{path} type unnamed by Connection"] = (
        path,
        body.encode(),
        ("Content-Type: text/plain", "Connection: content-type"),
    )
    SMUGGLED[f"{path} zipped"] = (path, body.encode(), (f"Content-Type: {JSON}", "Content-Encoding: gzip"))
for path in (EDITS, CHAT, "/v1/audio/transcriptions"):
    for name, sent in {
        "plain": edit_body(model=OTHER),
        "twice": twice(ALLOWED, OTHER),
        "twice reversed": twice(OTHER, ALLOWED),
        "with a file's name": twice(ALLOWED, OTHER, 'name="model"; filename="m"'),
        "other case": twice(ALLOWED, OTHER, 'name="Model"'),
        "extended name": twice(ALLOWED, OTHER, "name=\"x\"; name*=utf-8''model"),
        "two names": twice(ALLOWED, OTHER, 'name="x"; name="model"'),
        "two names reversed": twice(ALLOWED, OTHER, 'name="model"; name="x"'),
        "as a list": twice(ALLOWED, OTHER, 'name="model[]"'),
        "as the first of a list": twice(ALLOWED, OTHER, 'name="model[0]"'),
        "with a space": twice(ALLOWED, OTHER, 'name="model "'),
        "escaped": twice(ALLOWED, OTHER, 'name="mod%65l"'),
    }.items():
        SMUGGLED[f"{path} form {name}"] = (path, sent, (f"Content-Type: {FORM}",))
    # Two bodies in one: what follows `x` is a text of the form that follows the boundary.
    again = f'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n{OTHER}\r\n--x--'
    nested = edit_body(model=ALLOWED, prompt=f"\r\n{again}")
    for other in ("boundary*=utf-8''x", "boundary*0=x", "BOUNDARY =x", 'x=y;boundary="x"'):
        SMUGGLED[f"{path} form {other}"] = (path, nested, (f"Content-Type: {FORM}; {other}",))
    sent = twice(ALLOWED, OTHER, 'name="+AG0-odel"')
    SMUGGLED[f"{path} form in UTF-7"] = (path, sent, (f"Content-Type: {FORM}; charset=utf-7",))
for path in (f"/openai/deployments/{ALLOWED}/images/edits", f"/openai/deployments/{ALLOWED}%2Fx/images/edits"):
    SMUGGLED[f"{path} and another in the form"] = (path, edit_body(model=OTHER), (f"Content-Type: {FORM}",))
    SMUGGLED[f"{path} and another in JSON"] = (
        path,
        f'{{"model": "{OTHER}"}}'.encode(),
        (f"Content-Type: {JSON}",),
    )
    SMUGGLED[f"{path} and none in the form"] = (path, edit_body(model=""), (f"Content-Type: {FORM}",))


for name, text in {
    "fallback": f'{{"model": "{ALLOWED}", "fallbacks": ["{OTHER}"]}}',
    "fallback in full": f'{{"model": "{ALLOWED}", "fallbacks": [{{"model": "{OTHER}"}}]}}',
    "alternative": f'{{"model": "{ALLOWED}", "models": ["{ALLOWED}", "{OTHER}"]}}',
    "session": f'{{"session": {{"type": "realtime", "model": "{OTHER}"}}}}',
    "transcription": f'{{"session": {{"audio": {{"input": {{"transcription": {{"model": "{OTHER}"}}}}}}}}}}',
}.items():
    for path in (CHAT, "/v1/realtime/client_secrets"):
        SMUGGLED[f"{path} {name}"] = (path, text.encode(), (f"Content-Type: {JSON}",))


@pytest.mark.parametrize("smuggled", SMUGGLED)
async def test_no_other_model(upstream: FakeOpenAi, start_gateway: StartGateway, smuggled: str) -> None:
    """Refused, or sent with nothing but the allowed model in it."""
    gateway = await gateway_to(upstream, start_gateway)
    heard = await post(gateway, *SMUGGLED[smuggled][:2], *SMUGGLED[smuggled][2])
    if upstream.seen:
        body = bytes(upstream.seen[0].body)
        assert b"/models" not in body
        marks = body.count(OTHER.encode()) - body.count(ALLOWED.encode())
        assert heard.status == 200 and marks == 0 and ALLOWED.encode() in body, (upstream.seen[0].headers, body[-300:])
    else:
        assert 400 <= heard.status < 500, heard


@pytest.mark.parametrize("written", [{}, {"model": OTHER}, {"model": ""}])
async def test_deployment_in_the_path_is_the_model(
    upstream: FakeOpenAi, start_gateway: StartGateway, written: dict[str, str]
) -> None:
    """Azure's spelling, with a key for everything: OpenAI gets the model in the body, and no other one."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    gateway = await start_gateway(platforms={"openai": relay}, auth={"keys": key_settings("k")})
    heard = await post(
        gateway, f"/openai/deployments/{ALLOWED}/images/edits", edit_body(**written), f"Content-Type: {FORM}"
    )
    assert heard.status == 200
    assert bytes(upstream.seen[0].body).count(b'name="model"\r\n\r\n' + ALLOWED.encode() + b"\r\n") == 1
    assert bytes(upstream.seen[0].body).count(b'name="model"') == 1


@pytest.mark.parametrize("odd", ["a%0d%0aX-Evil:%20yes", "a%0a--b", "%F0%9F%98%80", "a%00", "%22", "a%2c%20b=sent"])
async def test_deployment_gets_into_no_header(upstream: FakeOpenAi, start_gateway: StartGateway, odd: str) -> None:
    """What stands in the path is the client's own word: it is sent as a value and told nowhere else."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    gateway = await start_gateway(platforms={"openai": relay}, auth={"keys": key_settings("k")})
    heard = await post(gateway, f"/openai/deployments/{odd}/images/edits", edit_body(), f"Content-Type: {FORM}")
    assert heard.status in (200, 400, 404), heard
    assert "X-Evil" not in heard.headers
    assert "model=" not in heard.headers.get("x-gateway-translation", "")


@pytest.mark.parametrize("name", ["model", "quality", "user"])
@pytest.mark.parametrize("head", ['name="{}"', 'name="{}"; filename="a"'])
async def test_what_a_rule_settles_comes_once(
    upstream: FakeOpenAi, start_gateway: StartGateway, name: str, head: str
) -> None:
    """A second value behind the one that agrees with the rule would be the one that counts elsewhere."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    to = {"platform": "openai", "model": ALLOWED, "pins": {"quality": "low"}, "overrides": {"user": "us"}}
    rule = {"name": "r", "match": {"kind": "edit"}, "to": [to]}
    gateway = await start_gateway(platforms={"openai": relay}, routes={"rules": [rule]})
    agreed = {"model": ALLOWED, "quality": "low", "user": "us"}
    sent = twice(ALLOWED, "more", head.format(name)) if name == "model" else None
    if sent is None:
        mark = f"--{BOUNDARY}--\r\n".encode()
        again = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head.format(name)}\r\n\r\nmore\r\n".encode()
        sent = edit_body(**agreed).removesuffix(mark) + again + mark
    assert (await post(gateway, EDITS, edit_body(**agreed), f"Content-Type: {FORM}")).status == 200
    heard = await post(gateway, EDITS, sent, f"Content-Type: {FORM}")
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "duplicate_parameter", name)
    assert len(upstream.seen) == 1


ODD = (
    "/v1/images/edits/", "/v1//images/edits", "/v1/images//edits", "/v1/images%2Fedits", "/v1/images%252fedits",
    "/v1/Images/Edits", "/v1/images/edits;a=b", "/v1/images/edits%20", "/v1/images%5cedits", "/v1/images/edits%2f",
    "/openai/v1/images/edits/", "/v1/images/%2565dits", "/openai/v1//images//generations", "/v1/images/edits/?a",
)  # fmt: skip


@pytest.mark.parametrize("path", ODD)
async def test_pictures_have_one_path(
    bfl: Emulator, upstream: FakeOpenAi, start_gateway: StartGateway, path: str
) -> None:
    """Edits go to one platform here; a path that another server takes for theirs leads to no other one."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    gateway = await start_gateway(bfl, platforms={"openai": relay}, routes={"edits": ["bfl"], "generations": ["bfl"]})
    heard = await post(gateway, path, edit_body(model=OTHER), f"Content-Type: {FORM}")
    assert (heard.status, heard.error["code"], upstream.seen) == (404, "not_found", [])


@pytest.mark.parametrize(
    ("models", "status"), [(["flux-kontext-pro"], 403), (["flux-kontext-pro", "flux-pro-1.0-fill"], 200), (None, 200)]
)
async def test_a_mask_leads_to_no_other_model(
    bfl: Emulator, start_gateway: StartGateway, models: list[str] | None, status: int
) -> None:
    """`mask: fill` is what the route allows; the key has to allow the model as well."""
    keys = [{**key_settings("k")[0], "models": models}]
    gateway = await start_gateway(bfl, auth={"keys": keys}, routes={"mask": "fill"})
    file = io.BytesIO()
    Image.new("RGBA", (64, 48), (0, 0, 0, 0)).save(file, "PNG")
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="mask"; filename="m.png"\r\n\r\n'.encode()
    sent = head + file.getvalue() + b"\r\n" + edit_body(model="flux-kontext-pro")
    heard = await post(gateway, EDITS, sent, f"Content-Type: {FORM}")
    assert heard.status == status, heard
    assert bfl.counts.accepted == (status == 200)


@pytest.mark.parametrize("name", ["model", "Model", "mod%65l", "model%20"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_other_model_in_the_query(
    upstream: FakeOpenAi, start_gateway: StartGateway, method: str, name: str
) -> None:
    """Where the address names the model, as that of a realtime connection does."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    keys = [{**key_settings("k")[0], "models": [ALLOWED], "paths": ["/v1/realtime", EDITS]}]
    gateway = await start_gateway(platforms={"openai": relay}, auth={"keys": keys})
    path, body = ("/v1/realtime", b"") if method == "GET" else (EDITS, edit_body(model=ALLOWED))
    for model, status in ((OTHER, 403), (ALLOWED, 200)):
        head = (f"{method} {path}?a=b&{name}={model} HTTP/1.1", "Authorization: Bearer k", f"Content-Type: {FORM}")
        heard = await exchange(gateway.url, *head, f"Content-Length: {len(body)}", body=body)
        assert heard.status == status
    assert len(upstream.seen) == 1


async def test_many_values_hide_nothing(upstream: FakeOpenAi, start_gateway: StartGateway) -> None:
    """Embeddings of as many tokens as OpenAI takes are read to their model, which stands behind them."""
    gateway = await gateway_to(upstream, start_gateway)
    for model, status in ((ALLOWED, 200), (OTHER, 403)):
        body = b'{"input": [' + b",".join([b"100257"] * 300_000) + b'], "model": "' + model.encode() + b'"}'
        heard = await post(gateway, "/v1/embeddings", body, f"Content-Type: {JSON}")
        assert heard.status == status
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/a%2Fimages%2Fgenerations/images/edits",
        "/openai/deployments/a%252Fimages%252Fgenerations/images/edits",
        "/openai/deployments/a%2Fimages%2Fgenerations%2F../images/edits",
        "/v1/images/generations/../edits",
        "/v1/images/generations%2F..%2Fedits",
        "/v1/images/generations/..;/edits",
    ],
)
async def test_an_escape_leads_to_no_other_path(upstream: FakeOpenAi, start_gateway: StartGateway, path: str) -> None:
    """A key for generations makes no edits: a path is judged as it is served."""
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    keys = [{**key_settings("k")[0], "paths": ["/v1/images/generations*"]}]
    gateway = await start_gateway(platforms={"openai": relay}, auth={"keys": keys})
    heard = await post(gateway, path, edit_body(model=OTHER), f"Content-Type: {FORM}")
    assert heard.status in (400, 403, 404) and not upstream.seen


@pytest.mark.parametrize(("type_", "code"), [(JSON, "invalid_json"), (FORM, "invalid_multipart")])
async def test_no_body_is_told_as_what_it_claims_to_be(
    upstream: FakeOpenAi, start_gateway: StartGateway, type_: str, code: str
) -> None:
    """Also where it would be held for a relay."""
    gateway = await gateway_to(upstream, start_gateway)
    heard = await post(gateway, GENERATIONS, b"", f"Content-Type: {type_}")
    assert (heard.status, heard.error["code"]) == (400, code)
