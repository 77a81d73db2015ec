"""A load generator on bare protocols: it costs little, and an answer that is not the expected one ends the bench."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from tests.bench.processes import BenchFailed

ANSWER_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`first_s` and `seconds` until the first and the last byte of the body, counted from the first one sent."""

    status: int
    body: bytes
    first_s: float
    seconds: float


Make = Callable[[], Sequence[bytes]]
Check = Callable[[Answer], None]


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection that is kept: one request after the other, answers with a length or in chunks."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def ask(self, request: Sequence[bytes]) -> Answer:
        self._answer = asyncio.get_running_loop().create_future()
        self._head, self._parts, self._got, self._expected = b"", list[bytes](), 0, -1
        self._first = 0.0
        self._asked = time.monotonic()
        self._transport.writelines(request)
        async with asyncio.timeout(ANSWER_LIMIT_S):
            return await self._answer

    def data_received(self, data: bytes) -> None:
        if self._expected < 0:
            self._head += data
            if (end := self._head.find(b"\r\n\r\n") + 4) < 4:
                return
            self._head, data = self._head[:end], self._head[end:]
            fields = self._head.lower()
            at = fields.find(b"content-length:")
            self._expected = int(fields[at + 15 : fields.index(b"\r\n", at)]) if at >= 0 else 2**63
        if data:
            self._first = self._first or time.monotonic()
            self._parts.append(data)
            self._got += len(data)
        if self._got >= self._expected or (self._expected == 2**63 and data.endswith(b"0\r\n\r\n")):
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchFailed("a connection was closed before its answer was whole"))

    def close(self) -> None:
        self._transport.close()

    def _end(self) -> None:
        assert self._answer is not None
        status, now = int(self._head[9:12]), time.monotonic()
        answer = Answer(status, b"".join(self._parts), (self._first or now) - self._asked, now - self._asked)
        if not self._answer.done():
            self._answer.set_result(answer)


async def loop(port: int, make: Make, check: Check, *, at_once: int, seconds: float = 0.0) -> list[Answer]:
    """
    `at_once` clients, each sending its next request when the last is answered, until `seconds` are over; at least one
    each. Bodies are checked and let go.

    Raises: BenchFailed for anything but the right answer.
    """
    answers: list[Answer] = []
    until = time.monotonic() + seconds

    async def client() -> None:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
        try:
            while True:
                answer = await connection.ask(make())
                check(answer)
                answers.append(Answer(answer.status, b"", answer.first_s, answer.seconds))
                if time.monotonic() >= until:
                    return
        finally:
            connection.close()

    await asyncio.gather(*(client() for _ in range(at_once)))
    return answers
