"""
A worker process: `python -m gateway.imaging.worker MEMORY MAX_PIXELS WITHIN`, in bytes, pixels and seconds.

It reads orders from stdin and answers on stdout, in the words of `imaging.frames`, until stdin ends. It is expected to
be fed hostile pictures, and to be killed. It outlives neither the gateway nor, by much, a job.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import signal
import sys
from typing import BinaryIO

from gateway.imaging.canvas import Unusable, rework
from gateway.imaging.frames import END, FRAME_BYTES, HEAD_BYTES, READY, Fault, Order, Verdict, frame, pieces
from gateway.imaging.probe import NotAnImage, Prober

# How long after the gateway should have killed a worker it ends by itself, in seconds.
SLACK_S = 5.0


def main(arguments: list[str]) -> int:
    # The gateway ends its workers, and needs them while it drains: signals for the whole group are not for them.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    memory, max_pixels, within_s = int(arguments[0]), int(arguments[1]), float(arguments[2])
    # The event loop was asked to pass nothing else on, and uvloop passes whatever is inheritable.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that is printed by mistake gets between the frames
    _confine(memory)
    try:
        stdout.write(frame(READY))
        stdout.flush()
        while head := stdin.read(HEAD_BYTES):
            # Should the gateway die meanwhile, nobody else ends a decoder that hangs.
            signal.setitimer(signal.ITIMER_REAL, within_s + SLACK_S)
            _serve(_read(stdin, head), stdin, stdout, max_pixels)
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (BrokenPipeError, EOFError):
        return 0  # the gateway is gone
    except MemoryError:
        return errno.ENOMEM
    return 0


def _serve(order: bytes, stdin: BinaryIO, stdout: BinaryIO, max_pixels: int) -> None:
    """One job. Raises: MemoryError, after which this process is of no more use; EOFError, BrokenPipeError."""
    file, prober = io.BytesIO(), Prober(convertible=True)
    while data := _read(stdin, stdin.read(HEAD_BYTES)):
        prober.feed(data)
        file.write(data)
    verdict, made = _judge(file, prober, Order.read(order), max_pixels)
    stdout.write(verdict.pack())
    if verdict.fault is None:
        for piece in pieces(made):
            stdout.write(frame(piece))
        stdout.write(END)
    stdout.flush()


def _judge(file: io.BytesIO, prober: Prober, order: Order, max_pixels: int) -> tuple[Verdict, memoryview]:
    nothing = memoryview(b"")
    try:
        file.seek(0)
        return Verdict(), rework(file, prober.finish(), order, max_pixels)
    except NotAnImage as error:
        return Verdict(Fault.IMAGE, str(error)), nothing
    except Unusable as error:
        return Verdict(error.fault, error.text), nothing
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - on hostile files Pillow raises nearly everything there is
        cause = f"{type(error).__name__}: {error}"
        return Verdict(Fault.IMAGE, "it cannot be decoded and may be damaged", cause), nothing


def _confine(memory: int) -> None:
    with contextlib.suppress(ValueError, OSError):  # not every system limits the address space: macOS does not
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a client's picture
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _read(stdin: BinaryIO, head: bytes) -> bytes:
    """The frame behind its head. Raises: EOFError."""
    length = int.from_bytes(head, "big")
    if len(head) < HEAD_BYTES or length > FRAME_BYTES:
        raise EOFError
    data = stdin.read(length)
    if len(data) < length:
        raise EOFError
    return data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
