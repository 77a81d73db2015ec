"""
A client library in a process of its own, driven by lines of JSON, so that one table of cases serves all of them.

A call is `{mode, base_url, key, call, how, pictures, mask, params, extra, headers, client, raw}`: `call` is edit,
generate, post, models or model, `how` is the form in which the files of `pictures` are handed over, `client` holds the
client's own options. The answer is what the library's user got: `pictures`, `events`, `answer` or `models`, and `heads`
where it was asked for; or `error`, with the fields of the raised exception.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e import environments
from tests.e2e.stand import CLOCK_SPEED

HERE = Path(__file__).parent
PYTHON = str(HERE / "drivers" / "openai_python.py")


@dataclass(frozen=True, slots=True)
class Library:
    """
    Which library, and how.

    Args:
        version: the release that has to answer; only its beginning for the project's own environment.
        mode: `async` for the asynchronous client of a Python SDK.
        forms: the ways to hand over pictures that its users have.
    """

    process: str
    version: str
    mode: str = "sync"
    forms: tuple[str, ...] = ("bytes", "bytesio", "file", "path", "named", "list", "files")


_NODE_FORMS = ("bytes", "file", "chunked", "list", "files")
SDKS = {
    "python-3": Library("python-3", "3."),
    "python-3-async": Library("python-3", "3.", "async"),
    "python-1": Library("python-1", "1.109.1"),
    "python-1-async": Library("python-1", "1.109.1", "async"),
    "node-6": Library("node-6", "6.49.0", forms=_NODE_FORMS),
}
# For tests that take long: each release and each of the retry loops once.
SOME = ("python-3", "python-1-async", "node-6")
AI_SDK = Library("ai-sdk", "6.", forms=("list",))


def command(process: str) -> list[str]:
    """How to start it. Raises: environments.Missing."""
    match process:
        case "python-3":
            return [sys.executable, PYTHON]
        case "python-1":
            return [str(environments.openai_1()), PYTHON]
        case "node-6":
            return [environments.node(), str(HERE / "node" / "openai_node.mjs")]
        case "ai-sdk":
            return [environments.node(), str(HERE / "node" / "ai_sdk.mjs")]
    raise KeyError(process)


class Driver:
    """One running process. `version` is the library's own word."""

    def __init__(self, process: str) -> None:
        # No settings of the caller's own account or proxy reach the library.
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        self._process = subprocess.Popen(
            command(process),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept | {"CLOCK_SPEED": str(CLOCK_SPEED), "NODE_NO_WARNINGS": "1"},
        )
        self.version: str = self._read()["version"]

    async def ask(self, call: dict[str, Any]) -> dict[str, Any]:
        """The answer to one call; a crash of the driver itself fails the test."""
        answer = await asyncio.to_thread(self._ask, call)
        assert "crash" not in answer, answer["crash"]
        return answer

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, call: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the driver ended with {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer
