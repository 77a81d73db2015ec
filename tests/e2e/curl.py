"""curl as a program: what it sent and what it heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.stand import KEY
from tests.fakes.installed import installed


@dataclass(frozen=True, slots=True)
class Reply:
    """`uploaded` are the bytes of the request's body that left; `continued` tells of a `100 Continue`."""

    status: int
    headers: dict[str, str]
    body: bytes
    uploaded: int
    continued: bool

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's inside, when it is one."""
        assert self.headers["content-type"].startswith("application/json")
        assert self.headers["x-request-id"].startswith("req_")
        found: dict[str, Any] = json.loads(self.body)["error"]
        assert set(found) >= {"message", "type", "param", "code"}
        return found


Curl = Callable[..., Awaitable[Reply]]


def curling(plain: str, directory: Path) -> Curl:
    """`await curl("-F", "image=@…", path=…, key=…, at=…)`; edits with the stand's key when nothing else is said."""
    command = installed("curl")

    async def run(*arguments: str, path: str = "/v1/images/edits", key: str | None = KEY, at: str = plain) -> Reply:
        heads, body = directory / "heads", directory / "body"
        known = ["-H", f"Authorization: Bearer {key}"] if key else []
        process = await asyncio.create_subprocess_exec(
            *(command, "-q", "-sS", "--noproxy", "*", "--max-time", "20", "-D", heads, "-o", body),
            *("-w", "%{http_code} %{size_upload}", *known, *arguments, at + path),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()
        status, uploaded = told.split()
        *before, last = heads.read_text().strip().split("\r\n\r\n".replace("\r", ""))
        lines = last.replace("\r", "").split("\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        found = body.read_bytes() if body.exists() else b""
        continued = any(" 100 " in head.split("\n")[0] for head in before)
        return Reply(int(status), headers, found, int(uploaded), continued)

    return run
