"""
A changed configuration, put in place while the gateway runs: on SIGHUP, and when the file becomes another one.

It is validated first. A file with problems changes nothing; they are told in the log, and in a metric.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from gateway.app import Gateway
from gateway.config.problem import ConfigError
from gateway.config.schema import Config
from gateway.config.watch import Watched

log = structlog.get_logger("gateway.config")

LOOK_EVERY_S = 2.0


class Reloader:
    """
    Args:
        read: the configuration as it is now; blocks, and is called in a thread.  Raises: ConfigError.
        learn: told of every configuration before it counts, so that its secrets stay out of the log.
    """

    def __init__(self, gateway: Gateway, read: Callable[[], Config], learn: Callable[[Config], None]) -> None:
        self._gateway, self._read, self._learn = gateway, read, learn
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[object]] = set()

    def soon(self, why: str) -> None:
        """Begin `now` without waiting for its end."""
        self._own(self.now(why))

    def watch(self, file: Watched, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look after the file until `close`. What it became since `file` was made is a change as well."""
        self._own(self._watch(file, sleep))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def now(self, why: str) -> bool:
        """Read, check and put in place; False when there were problems. Never raises for what is in the file."""
        async with self._turn:
            try:
                config = await asyncio.to_thread(self._read)
                self._learn(config)
                waiting = self._gateway.reload(config)
            except ConfigError as error:
                self._gateway.metrics.reloaded(good=False, wall_s=0)
                for problem in error.problems:
                    log.error("configuration not taken", why=why, problem=str(problem))
                return False
            except Exception:
                # A bug, or a machine in trouble. Whoever watches goes on: the next file may be better.
                self._gateway.metrics.reloaded(good=False, wall_s=0)
                log.exception("configuration not taken", why=why)
                return False
            log.info("configuration taken", why=why, needs_restart=list(waiting))
            return True

    async def _watch(self, watched: Watched, sleep: Callable[[float], Awaitable[None]]) -> None:
        while True:
            await sleep(LOOK_EVERY_S)
            if await asyncio.to_thread(watched.changed):
                await self.now("file changed")

    def _own(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
