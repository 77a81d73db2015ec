"""
The official Python SDK as a process: a line of JSON in is a call, a line of JSON out is what its user got.

It runs in any environment that has `openai`, so it imports nothing else. See `tests/e2e/driver.py` for the lines.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import openai

# The SDK's own waits between resends run as fast as the clock of the gateway that it talks to.
SPEED = float(os.environ.get("CLOCK_SPEED", "1"))
_sleep, _async_sleep = time.sleep, anyio.sleep


def _hurry() -> None:
    time.sleep = lambda seconds: _sleep(float(seconds) / SPEED)
    anyio.sleep = lambda delay: _async_sleep(delay / SPEED)


def picture(how: str, paths: list[str], stack: ExitStack) -> Any:
    """What a user passes as `image`: one thing, or a list for `list` and for `files`."""
    match how:
        case "bytes":
            return Path(paths[0]).read_bytes()
        case "bytesio":
            return io.BytesIO(Path(paths[0]).read_bytes())
        case "file":
            return stack.enter_context(Path(paths[0]).open("rb"))
        case "path":
            return Path(paths[0])
        case "named":
            return ("a picture.bin", Path(paths[0]).read_bytes(), "application/x-unknown")
        case "list":
            return [Path(path).read_bytes() for path in paths]
        case "files":
            return [stack.enter_context(Path(path).open("rb")) for path in paths]
    raise ValueError(how)


def arguments(call: dict[str, Any], stack: ExitStack) -> dict[str, Any]:
    told: dict[str, Any] = dict(call["params"])
    if call["how"] is not None:
        told["image"] = picture(call["how"], call["pictures"], stack)
    if call.get("mask"):
        told["mask"] = Path(call["mask"]).read_bytes()
    for name, argument in (("extra", "extra_body"), ("headers", "extra_headers")):
        if call.get(name):
            told[argument] = call[name]
    return told


def client_options(call: dict[str, Any]) -> dict[str, Any]:
    told = dict(call["client"])
    where = "azure_endpoint" if told.pop("azure", False) else "base_url"
    return {where: call["base_url"], "api_key": call["key"], **told}


def images(answer: Any) -> dict[str, Any]:
    return {
        "pictures": [{"b64_json": one.b64_json, "url": one.url} for one in answer.data],
        "created": answer.created,
        "size": answer.size,
        "output_format": answer.output_format,
        "usage": answer.usage is not None,
        "request_id": answer._request_id,
    }


def event(one: Any) -> dict[str, Any]:
    names = ("type", "b64_json", "size", "output_format", "created_at")
    return {name: getattr(one, name, None) for name in names}


def heads(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def run(call: dict[str, Any]) -> dict[str, Any]:
    kind = openai.AzureOpenAI if call["client"].get("azure") else openai.OpenAI
    with ExitStack() as stack:
        client = stack.enter_context(kind(**client_options(call)))
        match call["call"]:
            case "edit" | "generate" as name if call["params"].get("stream"):
                return {"events": [event(one) for one in getattr(client.images, name)(**arguments(call, stack))]}
            case "edit" | "generate" as name if call.get("raw"):
                answer = getattr(client.images.with_raw_response, name)(**arguments(call, stack))
                return {"heads": heads(answer), **images(answer.parse())}
            case "edit" | "generate" as name:
                return images(getattr(client.images, name)(**arguments(call, stack)))
            case "post":
                return {"answer": client.post(call["path"], body=call["body"], cast_to=dict[str, Any])}
            case "models":
                return {"models": [one.id for one in client.models.list()]}
            case "model":
                return {"models": [client.models.retrieve(call["model"]).id]}
    raise ValueError(call["call"])


async def run_async(call: dict[str, Any]) -> dict[str, Any]:
    kind = openai.AsyncAzureOpenAI if call["client"].get("azure") else openai.AsyncOpenAI
    with ExitStack() as stack:
        async with kind(**client_options(call)) as client:
            match call["call"]:
                case "edit" | "generate" as name if call["params"].get("stream"):
                    stream = await getattr(client.images, name)(**arguments(call, stack))
                    return {"events": [event(one) async for one in stream]}
                case "edit" | "generate" as name if call.get("raw"):
                    answer = await getattr(client.images.with_raw_response, name)(**arguments(call, stack))
                    return {"heads": heads(answer), **images(answer.parse())}
                case "edit" | "generate" as name:
                    return images(await getattr(client.images, name)(**arguments(call, stack)))
                case "post":
                    return {"answer": await client.post(call["path"], body=call["body"], cast_to=dict[str, Any])}
                case "models":
                    return {"models": [one.id async for one in client.models.list()]}
                case "model":
                    return {"models": [(await client.models.retrieve(call["model"])).id]}
    raise ValueError(call["call"])


def is_expected(error: Exception) -> bool:
    """The SDK's own exceptions, and the HTTP library's, which pass through it while a stream is read."""
    return isinstance(error, openai.OpenAIError) or type(error).__module__.startswith("httpx")


def failure(error: Exception) -> dict[str, Any]:
    body = getattr(error, "body", None)
    answer = getattr(error, "response", None)
    return {
        "error": {
            "class": type(error).__name__,
            "text": str(error),
            **{name: getattr(error, name, None) for name in ("code", "param", "type", "request_id")},
            "status": getattr(error, "status_code", None),
            "body": body if isinstance(body, dict) else None,
            "heads": heads(answer) if answer is not None else {},
        }
    }


def main(lines: Iterator[str]) -> None:
    _hurry()
    print(json.dumps({"version": openai.__version__}), flush=True)
    for line in lines:
        call = json.loads(line)
        try:
            answer = asyncio.run(run_async(call)) if call["mode"] == "async" else run(call)
        except Exception as error:  # noqa: BLE001 - the test that asked shows it
            answer = failure(error) if is_expected(error) else {"crash": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(iter(sys.stdin.readline, ""))
