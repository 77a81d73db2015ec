"""Log lines behind a pipe: all of them in order while it is read, none that the program waits for when it is not."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.telemetry import logs
from gateway.telemetry.writer import LineWriter
from tests.fakes.logbook import logbook
from tests.fakes.program import GATEWAY, environment, greeting

Pipe = tuple[int, int]
LINE = "x" * 999 + "\n"
MANY = 1000  # of them are far more than a pipe holds
FREE: dict[str, Any] = {"GATEWAY_PORT": "0", "GATEWAY_ADMIN_PORT": "0"}


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Where to read, where to write."""
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:  # the test has closed it
            continue


def drained(reader: int) -> list[str]:
    """Every line until the other end is closed."""
    with open(reader, encoding="utf-8", closefd=False) as stream:
        return stream.read().splitlines()


class Reading(threading.Thread):
    """Somebody who reads, from now on."""

    def __init__(self, reader: int) -> None:
        super().__init__(daemon=True)
        self._reader, self.lines = reader, list[str]()
        self.start()

    def run(self) -> None:
        self.lines = drained(self._reader)

    def all(self) -> list[str]:
        self.join(10)
        assert not self.is_alive()
        return self.lines


def test_every_line_in_order(pipe: Pipe) -> None:
    """From several threads, more than the pipe holds, odd characters too; leaving waits for the last."""
    reading = Reading(pipe[0])
    with LineWriter(pipe[1], close_within=10) as writer:
        threads = [
            threading.Thread(target=lambda who=who: [writer.write(f"{who} {n} \udcff€\n") for n in range(2000)])
            for who in "ab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.close(pipe[1])
    lines = reading.all()
    for who in "ab":
        assert [line for line in lines if line[0] == who] == [f"{who} {n} \\udcff€" for n in range(2000)]


@pytest.mark.parametrize("bound", [{"lines": 50}, {"size": 50_000}], ids=str)
def test_what_finds_no_room_is_counted(pipe: Pipe, bound: dict[str, int]) -> None:
    """Nobody reads: memory stays within the bound. Then somebody does, and one line says how many are missing."""
    with logbook(), LineWriter(pipe[1], close_within=10, **bound) as writer:
        logs.configure([], readable=False, stream=writer)
        for _ in range(MANY):
            writer.write(LINE)
        reading = Reading(pipe[0])
    os.close(pipe[1])
    lines = reading.all()
    kept = [line for line in lines if line == LINE.strip()]
    told = [json.loads(line) for line in lines if line != LINE.strip()]
    assert {line["event"] for line in told} == {"log lines dropped"}
    assert sum(line["count"] for line in told) == MANY - len(kept)
    # The pipe holds 64 KiB and the thread as much again.
    assert 50 <= len(kept) < 50 + 2 * 66


def test_a_stalled_reader_does_not_keep_it(pipe: Pipe) -> None:
    """Leaving ends in time."""
    began = time.monotonic()
    with LineWriter(pipe[1], close_within=0.05) as writer:
        for _ in range(MANY):
            writer.write(LINE)
    assert time.monotonic() - began < 60
    os.close(pipe[0])
    writer._thread.join(10)  # before its descriptor's number is another test's


def test_a_reader_that_left_costs_lines_only(pipe: Pipe) -> None:
    """No error reaches who logs, and the thread goes on: it tells as soon as somebody reads again."""
    ours, theirs = socket.socketpair()
    with logbook(), ours, LineWriter(ours.fileno(), close_within=10) as writer:
        logs.configure([], readable=False, stream=writer)
        theirs.close()
        writer.write("lost\n")
        while not writer._dropped:
            time.sleep(0.001)
        os.dup2(pipe[1], ours.fileno())
        structlog.get_logger("a").info("heard")
    os.close(pipe[1])
    heard, told = map(json.loads, drained(pipe[0]))
    assert (heard["event"], told["event"], told["count"]) == ("heard", "log lines dropped", 1)


def test_both_kinds_of_loggers_write_to_it(pipe: Pipe) -> None:
    """structlog's and the standard library's, in the order of the calls."""
    with logbook(), LineWriter(pipe[1], close_within=10) as writer:
        logs.configure([], readable=False, stream=writer)
        structlog.get_logger("a").info("one")
        logging.getLogger("b").warning("two")
    os.close(pipe[1])
    assert [json.loads(line)["event"] for line in drained(pipe[0])] == ["one", "two"]


def test_a_descriptor_that_does_not_block(pipe: Pipe) -> None:
    """Another process may have made it so: not a line is lost for that."""
    os.set_blocking(pipe[1], False)
    with LineWriter(pipe[1], close_within=10) as writer:
        for _ in range(MANY):
            writer.write(LINE)
        reading = Reading(pipe[0])
    os.close(pipe[1])
    assert reading.all() == [LINE.strip()] * MANY


def test_a_gateway_whose_log_nobody_reads(tmp_path: Path, pipe: Pipe) -> None:
    """It answers on both listeners all the same, and ends when it is told to."""
    os.set_blocking(pipe[1], False)
    try:
        while True:
            os.write(pipe[1], b"full\n" * 100)
    except BlockingIOError:
        os.set_blocking(pipe[1], True)
    with subprocess.Popen(
        [*GATEWAY, "serve", "--emulator"],
        env=environment(tmp_path, **FREE),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=pipe[1],
        text=True,
    ) as process:
        try:
            told = greeting(process)
            public = told["gateway"].removesuffix("/v1") + "/healthz"
            for url in [public] * 300 + [told["metrics"]]:
                with urllib.request.urlopen(url, timeout=300) as answer:
                    assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0
        finally:
            process.kill()
