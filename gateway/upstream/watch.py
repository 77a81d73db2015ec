"""Looking after a stream now and then, at no cost per chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import StreamReader


class Watch:
    """
    While it is entered, asks every `every_s` seconds what is wrong, and hands the first answer to the stream's reader.

    Needed because aiohttp tells a reader neither that nothing comes any more nor that chunks have stopped making sense:
    it closes the connection then, and the reader waits for ever.
    """

    def __init__(self, stream: StreamReader, every_s: float, wrong: Callable[[], Exception | None]) -> None:
        self._stream, self._every_s, self._wrong = stream, every_s, wrong
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        self._next = self._loop.call_later(self._every_s, self._look)

    def __exit__(self, *_: object) -> None:
        self._next.cancel()

    def _look(self) -> None:
        if (error := self._wrong()) is not None:
            self._stream.set_exception(error)
        else:
            self.__enter__()
