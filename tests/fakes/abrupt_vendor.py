"""A vendor that ends connections as it likes, on a thread of its own, so that it serves any event loop."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Speak: TypeAlias = "Callable[[Line], None]"
LATEST_S = 30.0


class Line:
    """One connection. `received` counts the bytes of all requests, heads included."""

    def __init__(self, found: socket.socket) -> None:
        self.socket, self.received, self._rest = found, 0, b""

    def read(self, count: int) -> int:
        """Read until that many bytes have come in all, or the other side ends; returns how many have."""
        while self.received < count and (data := self.socket.recv(min(65536, count - self.received))):
            self.received += len(data)
        return self.received

    def read_request(self) -> int:
        """Read one whole request; returns its length."""
        request = b""
        while b"\r\n\r\n" not in request:
            request += self.socket.recv(65536)
        whole = _whole(request)
        self.received += len(request)
        return self.read(self.received - len(request) + whole)

    def read_chunked(self) -> None:
        """Read to the last chunk of a request that consists of zeros."""
        read = b""
        while not read.endswith(b"\r\n0\r\n\r\n"):
            read = read[-16:] + self.socket.recv(65536)

    def until_arrived(self) -> None:
        """Return when a whole request waits in this side's kernel. Nothing of it is read."""
        limit, request = time.monotonic() + LATEST_S, b""
        while b"\r\n\r\n" not in request or len(request) < _whole(request):
            assert time.monotonic() < limit, "it did not arrive"
            request = self.socket.recv(2**22, socket.MSG_PEEK)
            time.sleep(0.001)

    def answer(self) -> None:
        self.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def half_close(self) -> None:
        """Say that nothing more will be said; what is said can still be heard."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@contextmanager
def abrupt_vendor(speak: Speak, *, buffer: int = 8192, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """
    Its address. `speak` has the first connection; `buffer` is how much the kernel takes before anybody reads, in bytes.
    What `speak` raises is raised on leaving.
    """
    faults: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The kernel doubles it, and no window is promised that is larger.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        listener.settimeout(LATEST_S)

        def serve() -> None:
            try:
                found, _ = listener.accept()
                found.settimeout(LATEST_S)
                with tls.wrap_socket(found, server_side=True) if tls is not None else found as wrapped:
                    speak(Line(wrapped))
            except BaseException as fault:  # noqa: BLE001 - raised again below
                faults.append(fault)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}/v1/model"
        finally:
            thread.join(LATEST_S)
    assert not thread.is_alive()
    if faults:
        raise faults[0]


def _whole(request: bytes) -> int:
    """How long the request is that begins like this, by its head."""
    head = request.partition(b"\r\n\r\n")[0]
    (length,) = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return len(head) + 4 + int(length.partition(b":")[2])
