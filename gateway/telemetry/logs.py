"""
Structured logs: JSON, or readable on a terminal. No prompts, keys, picture bytes or signed links.

Secrets known to the process are replaced wherever they appear, as the last step before writing.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO, cast
from urllib.parse import quote

import orjson
import structlog

from gateway.telemetry.writer import LineWriter

LONGEST = 2048
# Links may be signed: their query goes.
QUERY = re.compile(r"(https?://[^\s?\"'<>]{1,2000})\?[^\s\"'<>]*")
BEARER = re.compile(r"(?i)(\bbearer\s+|\bx-key[\"']?\s*[:=]\s*[\"']?|[?&]sig(?:nature)?=)[^\s,;\"']+")
BEARER_WORDS = ("bearer", "x-key", "sig")  # one of them is in whatever BEARER matches
HIDDEN = "***"
# A stranger's escape sequence must not reach a terminal; line ends and tabs belong to tracebacks.
CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\ufffd")


class Redactor:
    """Takes known secrets, query strings of links and overlong text out of every value."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A secret of a few characters would tear holes into innocent words.
        known = {s for s in secrets if len(s) >= 6}
        self._secrets = sorted(known | {quote(s, safe="") for s in known}, key=len, reverse=True)

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: self._clean(value) for key, value in event.items()}

    def text(self, text: str) -> str:
        # Nearly every text is clean, and looking for a word costs a fraction of what a pattern does.
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        if "://" in text:
            text = QUERY.sub(rf"\1?{HIDDEN}", text)
        folded = text.casefold()
        if any(word in folded for word in BEARER_WORDS):
            text = BEARER.sub(rf"\1{HIDDEN}", text)
        if not text.isprintable():
            # A stray byte in a header comes as a lone surrogate, which no stream takes.
            text = text.translate(CONTROLS).encode("utf-8", "backslashreplace").decode()
        # Of a traceback both ends count.
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"

    def _clean(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self._clean(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self._clean(inner) for inner in value]
            case bool() | int() | float() | None:
                return value
        return self.text(str(value))


def configure(
    secrets: Iterable[str],
    *,
    readable: bool | None = None,
    stream: TextIO | LineWriter = sys.stderr,
    level: int = logging.INFO,
) -> None:
    """
    Set up structlog and the standard library's loggers. `readable` defaults to whether `stream` is a terminal; `level`
    is the least that is written of the gateway's own.
    """
    readable = stream.isatty() if readable is None else readable
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redactor(secrets),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str).decode())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),  # of which it uses write and flush
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
