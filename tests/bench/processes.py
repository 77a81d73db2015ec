"""Processes under measurement: one core each side, and what the kernel says about their time and memory. Linux only."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))
# What is measured has one core for itself; vendors and load share the other.
MEASURED_CORE, LOAD_CORE = _CORES[0], _CORES[-1]
START_LIMIT_S = 30.0


class BenchFailed(Exception):
    """A number would have been measured of something that did not work."""


class Process:
    """`python -m ARGUMENTS` on one core. `started_s` is the time to its first answer on `port`, when it has one."""

    def __init__(self, arguments: Sequence[str], log: Path, *, core: int, port: int | None = None) -> None:
        self._arguments, self._log, self._core, self.port = arguments, log, core, port
        self.started_s = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_installed(self._log.parent),
            )
        os.sched_setaffinity(self._process.pid, {self._core})
        if self.port is not None:
            while not await _healthy(self.port):
                self._check(started)
                await asyncio.sleep(0.002)
            self.started_s = time.monotonic() - started
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    async def said(self) -> str:
        """The first whole line it printed."""
        started = time.monotonic()
        while b"\n" not in (text := self._log.read_bytes()):
            self._check(started)
            await asyncio.sleep(0.01)
        return text.partition(b"\n")[0].decode()

    def cpu_s(self) -> float:
        """User and system time so far, in seconds; counted in steps of 10 ms."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        return self._status("VmRSS")

    def peak_rss_mb(self) -> float:
        """Since the last `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        # https://docs.kernel.org/filesystems/proc.html: 5 resets the peak resident set size.
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> float:
        line = next(line for line in self._proc("status").splitlines() if line.startswith(name + ":"))
        return int(line.split()[1]) * 1024 / 1e6

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{self._process.pid}/{name}").read_text()

    def _check(self, started: float) -> None:
        if self._process.poll() is not None or time.monotonic() - started > START_LIMIT_S:
            raise BenchFailed(f"{' '.join(self._arguments)} did not start:\n{self._log.read_text()[-2000:]}")


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Seconds of one core since boot: `busy` doing anything, `stolen` by the hypervisor, `total` of all."""

    busy: float
    stolen: float
    total: float

    @classmethod
    def read(cls, core: int) -> CoreTime:
        lines = Path("/proc/stat").read_text().splitlines()
        fields = next(line for line in lines if line.startswith(f"cpu{core} ")).split()[1:9]
        user, nice, system, idle, iowait, irq, softirq, steal = (int(field) / TICKS for field in fields)
        busy = user + nice + system + irq + softirq
        return cls(busy, steal, busy + steal + idle + iowait)


def _installed(folder: Path) -> dict[str, str]:
    """An environment in which modules are compiled once, as an installer does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _healthy(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    try:
        return (await reader.read(65536)).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False
    finally:
        writer.close()
