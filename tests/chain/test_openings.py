"""What a key opens that names models: what tells its model, and nothing else of the account behind the gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from gateway.app import Gateway
from gateway.emulator.server import Emulator
from tests.conftest import StartGateway
from tests.fakes.forms import BOUNDARY, edit_body, key_settings
from tests.fakes.openai_server import FakeOpenAi, fake_openai
from tests.fakes.raw import Heard, exchange

MODELS = ["flux-*", "gpt-*", "text-embedding-*"]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
FORM = f"multipart/form-data; boundary={BOUNDARY}"

# What is sent to each opened path, and what it names.
OPEN = {
    "/v1/chat/completions": {"model": "gpt-5", "messages": []},
    "/v1/responses": {"model": "gpt-5", "input": "hello"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hello"},
    "/v1/images/generations": {"model": "gpt-image-2", "prompt": "a hill"},
}

# Everything that OpenAI's reference lists, each with an id where it has one:
# https://developers.openai.com/api/reference
REFERENCE = """
/v1/completions /v1/edits /v1/moderations /v1/audio/speech /v1/audio/transcriptions /v1/audio/translations
/v1/audio/voices /v1/audio/voice_consents
/v1/files /v1/files/file-1 /v1/files/file-1/content /v1/uploads /v1/uploads/upload_1/parts
/v1/uploads/upload_1/complete /v1/uploads/upload_1/cancel
/v1/batches /v1/batches/batch_1 /v1/batches/batch_1/cancel
/v1/responses/resp_1 /v1/responses/resp_1/cancel /v1/responses/resp_1/input_items /v1/responses/input_tokens
/v1/responses/compact /v1/conversations /v1/conversations/conv_1 /v1/conversations/conv_1/items
/v1/conversations/conv_1/items/msg_1
/v1/chat/completions/chatcmpl-1 /v1/chat/completions/chatcmpl-1/messages
/v1/vector_stores /v1/vector_stores/vs_1 /v1/vector_stores/vs_1/search /v1/vector_stores/vs_1/files
/v1/vector_stores/vs_1/files/file-1 /v1/vector_stores/vs_1/files/file-1/content /v1/vector_stores/vs_1/file_batches
/v1/fine_tuning/jobs /v1/fine_tuning/jobs/ftjob-1 /v1/fine_tuning/jobs/ftjob-1/cancel
/v1/fine_tuning/jobs/ftjob-1/events /v1/fine_tuning/jobs/ftjob-1/checkpoints
/v1/fine_tuning/checkpoints/ft:x/permissions /v1/fine_tuning/alpha/graders/run
/v1/assistants /v1/assistants/asst_1 /v1/threads /v1/threads/thread_1 /v1/threads/thread_1/messages
/v1/threads/thread_1/runs /v1/threads/runs
/v1/containers /v1/containers/cntr_1 /v1/containers/cntr_1/files /v1/containers/cntr_1/files/cfile_1/content
/v1/evals /v1/evals/eval_1 /v1/evals/eval_1/runs /v1/videos /v1/videos/video_1 /v1/videos/video_1/content
/v1/videos/video_1/remix /v1/videos/edits /v1/videos/characters /v1/skills /v1/skills/skill_1 /v1/skills/skill_1/content
/v1/realtime /v1/realtime/sessions /v1/realtime/client_secrets /v1/realtime/calls
/v1/organization/projects /v1/organization/admin_api_keys /v1/organization/usage/completions /v1/organization/costs
/v1/models/ /v1/ /v1/something/new
"""
ELSEWHERE = REFERENCE.split()
# Other ways to write them, or to look like what is opened.
SPELLINGS = """
/openai/v1/files /openai/v1/files/file-1/content //v1/files /v1//files /v1/files/ /v1/FILES /v1/%66iles /v1/fil%65s?x
/v1/chat/completions/ /v1/chat//completions /v1/chat/completions;x /v1/chat/completions/../../files
/v1/chat/completions%2f..%2f..%2ffiles /v1/chat/completions/%2e%2e/%2e%2e/files /v1/chat%5ccompletions
/v1/chat/completions%3f/../files /v1/chat/completions%23 /v1/Chat/Completions /v1/responses%2fresp_1
/v1/responses/%20 /v1/embeddings%00 /v1/./files /v1/models/../files /v1/models%2f..%2ffiles /v1/models/gpt-5/../../files
/v1/models/gpt-5%2f..%2f..%2ffiles /v1/jobs/x%2f..%2f..%2ffiles /v1/jobs/x/y /v1/jobs/../files
/v1/images/edits/../../files /v1/files?/v1/chat/completions /v1/files#/v1/chat/completions
/openai/deployments/gpt-5/files /openai/deployments/gpt-5/images/../files /openai/deployments/gpt-5/chat/completions/x
"""
ODD = SPELLINGS.split()


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAi]:
    async with fake_openai() as fake:
        yield fake


async def gateway_to(upstream: FakeOpenAi, start: StartGateway, bfl: Emulator | None = None, **key: object) -> Gateway:
    relay = {"kind": "openai", "api_keys": ["sk-one"], "base_url": upstream.url}
    ours, free = key_settings("k", "free")
    keys = [{**ours, "models": MODELS, **key}, free]
    return await start(bfl, platforms={"openai": relay}, auth={"keys": keys})


async def send(
    gateway: Gateway, method: str, path: str, value: object = None, body: bytes = b"", key: str = "k"
) -> Heard:
    sent = json.dumps(value).encode() if value is not None else body
    kind = "application/json" if value is not None else FORM
    lines = (f"Content-Type: {kind}", f"Content-Length: {len(sent)}") if sent else ()
    return await exchange(gateway.url, f"{method} {path} HTTP/1.1", f"Authorization: Bearer {key}", *lines, body=sent)


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
async def test_what_tells_its_model_is_open(upstream: FakeOpenAi, start_gateway: StartGateway, base: str) -> None:
    """Pictures, chat, responses and embeddings of the key's models, whichever way the base is written."""
    gateway = await gateway_to(upstream, start_gateway)
    for path, value in OPEN.items():
        heard = await send(gateway, "POST", path.replace("/v1", base, 1), value)
        assert heard.status == 200, (path, heard)
    for name in ("edits", "variations"):
        heard = await send(gateway, "POST", f"{base}/images/{name}", body=edit_body(model="gpt-image-2"))
        assert heard.status == 200, (name, heard)
    assert [seen.target for seen in upstream.seen] == [*OPEN, "/v1/images/edits", "/v1/images/variations"]


async def test_the_models_stay_readable(upstream: FakeOpenAi, bfl: Emulator, start_gateway: StartGateway) -> None:
    """Applications ask for the list as a test of the connection; a job is its owner's."""
    gateway = await gateway_to(upstream, start_gateway, bfl)
    for path, status in (
        ("/v1/models", 200),
        ("/v1/models/flux-kontext-pro", 200),
        ("/openai/v1/models", 200),
        ("/v1/jobs/job_1", 404),
    ):
        for method in ("GET", "HEAD"):
            assert (await send(gateway, method, path)).status == status, (method, path)


@pytest.mark.parametrize("path", [*ELSEWHERE, *ODD])
async def test_the_rest_of_the_account_is_closed(upstream: FakeOpenAi, start_gateway: StartGateway, path: str) -> None:
    """In every method, with a body that names a model of the key's and without one."""
    gateway = await gateway_to(upstream, start_gateway)
    for method in METHODS:
        for value in (None, {"model": "gpt-5"}):
            heard = await send(gateway, method, path, value)
            assert heard.status in (400, 403, 404, 405), (method, path, heard)
    assert not upstream.seen


@pytest.mark.parametrize("method", [method for method in METHODS if method != "POST"])
@pytest.mark.parametrize("path", [*OPEN, "/v1/images/edits", "/v1/images/variations"])
async def test_what_is_stored_there_is_closed(
    upstream: FakeOpenAi, start_gateway: StartGateway, method: str, path: str
) -> None:
    """Asking for a completion is open; listing those of others, on the same path, is not."""
    gateway = await gateway_to(upstream, start_gateway)
    heard = await send(gateway, method, path)
    assert heard.status in (403, 405), heard
    assert not upstream.seen


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("GET", "HEAD")])
async def test_what_is_listed_is_not_changed(upstream: FakeOpenAi, start_gateway: StartGateway, method: str) -> None:
    """Reading a model is open; deleting it, as owners of tuned ones may, is not."""
    gateway = await gateway_to(upstream, start_gateway)
    for path in ("/v1/models", "/v1/models/gpt-5", "/v1/models/ft:gpt-5:me", "/v1/jobs/job_1"):
        heard = await send(gateway, method, path, {"model": "gpt-5"})
        assert heard.status in (403, 405), (path, heard)
    assert not upstream.seen


@pytest.mark.parametrize("path", OPEN)
async def test_the_model_is_named_and_is_the_keys(upstream: FakeOpenAi, start_gateway: StartGateway, path: str) -> None:
    """One of another name is refused; so is none, which may stand in something stored, such as a prompt."""
    gateway = await gateway_to(upstream, start_gateway, models=["gpt-5"])
    stored = {"prompt": {"id": "pmpt_1"}}
    values: list[object] = [{"model": "o9-pro"}, {**stored, "model": "o9-pro"}, {}, stored, {"model": None}, None]
    for value in values:
        heard = await send(gateway, "POST", path, value)
        assert heard.status in (400, 403, 415), (value, heard)
    assert not upstream.seen


TOOLS: dict[str, tuple[object, int]] = {
    "a function": ([{"type": "function", "name": "model", "parameters": {"properties": {"model": {}}}}], 200),
    "web search": ([{"type": "web_search"}], 200),
    "an allowed model": ([{"type": "image_generation", "model": "gpt-image-2"}], 200),
    "another model": ([{"type": "image_generation", "model": "gpt-image-9"}], 403),
    "no model": ([{"type": "image_generation"}], 403),
    "null": ([{"type": "image_generation", "model": None}], 403),
    "behind others": ([{"type": "web_search"}] * 5 + [{"model": "gpt-image-9", "type": "image_generation"}], 403),
    "of another kind": ([{"type": "later", "model": "gpt-image-9"}], 403),
    "in other letters": ([{"Type": "IMAGE_GENERATION"}], 403),
    "nested": ([{"type": "namespace", "tools": [{"type": "image_generation"}]}], 403),
}  # fmt: skip


@pytest.mark.parametrize("name", TOOLS)
async def test_tools_use_no_other_model(upstream: FakeOpenAi, start_gateway: StartGateway, name: str) -> None:
    """A response of an allowed model that draws with one which is not; by a key for everything nothing is judged."""
    tools, status = TOOLS[name]
    gateway = await gateway_to(upstream, start_gateway, models=["gpt-5", "gpt-image-2"])
    heard = await send(gateway, "POST", "/v1/responses", {"tools": tools, "model": "gpt-5"})
    assert (heard.status, len(upstream.seen)) == (status, status == 200), heard
    if status == 403:
        assert (heard.error["code"], heard.error["param"]) == ("model_not_allowed", "tools")
    heard = await send(gateway, "POST", "/v1/responses", {"tools": tools, "model": "gpt-5"}, key="free")
    assert heard.status == 200


async def test_paths_say_otherwise(upstream: FakeOpenAi, start_gateway: StartGateway) -> None:
    """They alone count then: what they name is open, and what they leave out is closed, chat included."""
    gateway = await gateway_to(upstream, start_gateway, paths=["/v1/files*", "/v1/images/*"])
    assert (await send(gateway, "GET", "/v1/files/file-1/content")).status == 200
    assert (await send(gateway, "DELETE", "/v1/files/file-1")).status == 200
    assert (await send(gateway, "POST", "/v1/images/generations", {"model": "o9"})).status == 403
    assert (await send(gateway, "POST", "/v1/chat/completions", OPEN["/v1/chat/completions"])).status == 403
    assert (await send(gateway, "GET", "/v1/models")).status == 403


async def test_a_key_without_models_opens_everything(upstream: FakeOpenAi, start_gateway: StartGateway) -> None:
    """As before: what it may use is all that the gateway has."""
    gateway = await gateway_to(upstream, start_gateway)
    for path in ("/v1/files", "/v1/vector_stores/vs_1/search", "/v1/chat/completions"):
        assert (await send(gateway, "GET", path, key="free")).status == 200
