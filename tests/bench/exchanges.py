"""What is sent, and what has to come back: an answer that differs by a byte is a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import orjson
import pybase64

from gateway.emulator.bench import canned_png
from tests.bench.load import Answer
from tests.bench.processes import BenchFailed

KEY = "gw-bench-key-that-opens-this-gateway"
BOUNDARY = "bench-boundary-4f1c"
EVENTS = 20

_B64 = b'"b64_json":'
_numbers = count(10**9)
_picture = lru_cache(canned_png)


@dataclass(frozen=True, slots=True)
class Edit:
    """Edits of one picture of `sent` bytes, each with a prompt of its own, answered with one of `got` bytes."""

    model: str
    picture: bytes
    expected: bytes

    @classmethod
    def of(cls, model: str, *, sent: int, got: int) -> Edit:
        return cls(model, _picture(sent), pybase64.b64encode(_picture(got)))

    def make(self) -> Sequence[bytes]:
        # As many fields as an SDK sends.
        fields = {"prompt": f"make it blue, please, number {next(_numbers)}", "model": self.model, "size": "auto"}
        parts = "".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        picture = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image[]"; filename="picture.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        front, back = (parts + picture).encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
        length = len(front) + len(self.picture) + len(back)
        head = _head("/v1/images/edits", f"multipart/form-data; boundary={BOUNDARY}", length)
        return (head + front, self.picture, back)

    def check(self, answer: Answer) -> None:
        start = answer.body.find(b'"', answer.body.find(_B64) + len(_B64)) + 1
        end = start + len(self.expected)
        if answer.status != 200 or answer.body[start:end] != self.expected:
            raise BenchFailed(f"not the picture: {answer.status} {answer.body[:500]!r}")
        orjson.loads(answer.body[:start] + answer.body[end:])


@dataclass(frozen=True, slots=True)
class Echo:
    """A relayed upload of some bytes, answered with as many."""

    data: bytes

    def make(self) -> Sequence[bytes]:
        return (_head(f"/v1/echo/{len(self.data)}", "application/octet-stream", len(self.data)), self.data)

    def check(self, answer: Answer) -> None:
        if answer.status != 200 or answer.body != self.data:
            raise BenchFailed(f"not what was relayed: {answer.status} {answer.body[:200]!r}")


@dataclass(frozen=True, slots=True)
class Chat:
    """A relayed stream of events."""

    def make(self) -> Sequence[bytes]:
        body = b'{"model":"gpt-6","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
        return (_head("/v1/chat/completions", "application/json", len(body)) + body,)

    def check(self, answer: Answer) -> None:
        if answer.status != 200 or answer.body.count(b"data: ") != EVENTS:
            raise BenchFailed(f"not the events: {answer.status} {answer.body[:200]!r}")


Request = Edit | Echo | Chat


def echo_bytes(length: int) -> bytes:
    """What the fake OpenAI answers to an echo of this length, and what is sent to it."""
    return (b"0123456789abcdef" * (length // 16 + 1))[:length]


def _head(path: str, content_type: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nAccept: */*\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
