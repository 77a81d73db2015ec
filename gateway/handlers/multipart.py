"""
A multipart/form-data body cut into parts while it arrives; stricter than the standard where no client is looser.

https://www.rfc-editor.org/rfc/rfc7578, https://www.rfc-editor.org/rfc/rfc2046#section-5.1
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import hdrs
from multidict import CIMultiDictProxy
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from gateway.domain.errors import InvalidMultipart, UnsupportedMedia

HEADER_BYTES = 4096
HEADERS = 16
# What belongs to no part: parsers skip it, so somebody has to stop it.
NOISE_BYTES = 64 * 1024

_BOUNDARY = re.compile(r""";\s*boundary=(?:"([^"]*)"|([^;\s"]*))""", re.ASCII | re.IGNORECASE)
# Any mention of it, in forms that only some parsers know: https://www.rfc-editor.org/rfc/rfc2231#section-3
_BOUNDARIES = re.compile(r"""[;\s]boundary(\*[^=;]*)?\s*=""", re.ASCII | re.IGNORECASE)
_LEGAL = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_PLAIN = ("binary", "8bit", "7bit")
# A quoted text as browsers write it, and as RFC 2183 has it; and what names a part, in RFC 5987's form as well.
_QUOTED = (re.compile(r'"[^"]*"'), re.compile(r'"(?:[^"\\]|\\.)*"'))
_NAMES = re.compile(r"[;\s]name(\*[^=\s]*)?\s*=", re.IGNORECASE | re.ASCII)
# Which bytes a file's name has is nobody's business, so heads are read in a charset that has every byte; what counts in
# them is UTF-8: https://www.rfc-editor.org/rfc/rfc7578#section-5.1
_HEADS = "iso-8859-1"


@dataclass(frozen=True, slots=True)
class Part:
    """
    The head of a part. `media_type` and `charset` are what the client wrote, lower case; None when it wrote nothing.

    `filename` is for telling a file from a text, and a chosen file from none: it need not be what the client meant.
    """

    name: str
    filename: str | None
    media_type: str | None
    charset: str | None

    @property
    def is_file(self) -> bool:
        """True when the client itself says that these bytes are a file."""
        return self.filename is not None or (self.media_type or "").startswith("image/")


def read_boundary(headers: CIMultiDictProxy[str]) -> str:
    """Raises: as `boundary_in`."""
    return boundary_in(headers.get(hdrs.CONTENT_TYPE, ""))


def boundary_in(content_type: str) -> str:
    """Raises: UnsupportedMedia for another type, InvalidMultipart without one legal boundary."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise UnsupportedMedia("Unsupported Content-Type: send multipart/form-data or application/json.")
    found = _BOUNDARY.findall(content_type)
    if len(found) != 1 or _BOUNDARIES.findall(content_type) != [""]:
        # Whoever reads it next may go by the other one.
        raise InvalidMultipart(
            "The Content-Type multipart/form-data needs one boundary: leave that header to your HTTP library."
        )
    boundary: str = found[0][0] or found[0][1]
    if not _LEGAL.fullmatch(boundary):
        raise InvalidMultipart("The boundary in the Content-Type is not 1 to 70 characters of those RFC 2046 allows.")
    return boundary


class Parts:
    """Fed with the body in chunks of any size; the same body gives the same parts however it is cut."""

    def __init__(self, boundary: str, most: int) -> None:
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=HEADER_BYTES,
            max_header_count=HEADERS,
            max_segment_count=most,
            header_charset=_HEADS,
        )
        self._most = most
        self._opening = f"--{boundary}".encode()
        self._held: bytes | None = b""
        self._noise = 0

    def feed(self, chunk: bytes) -> Iterator[Part | bytes | None]:
        """
        A `Part` for each head, then its content in pieces, then None at its end.

        Raises: InvalidMultipart.
        """
        if not chunk:  # would tell the parser that the body is over
            return
        if self._held is not None:
            chunk = self._held + chunk
            if len(chunk) < len(self._opening) + 2:
                self._held = chunk
                return
            self._held = None
            if not chunk.startswith((self._opening, b"\r\n" + self._opening)):
                raise InvalidMultipart("The body does not begin with the boundary that its Content-Type names.")
        quiet = True
        try:
            for event in self._parser.parse(chunk):
                quiet = False
                yield _part(event) if isinstance(event, MultipartSegment) else event
        except ParserLimitReached as error:
            raise InvalidMultipart(
                f"The body has more than {self._most} parts, or a part more than {HEADERS} header lines "
                f"or one longer than {HEADER_BYTES} bytes."
            ) from error
        except MultipartError as error:
            raise InvalidMultipart(f"The multipart body is malformed: {error.args[0]}.") from error
        self._noise = self._noise + len(chunk) if quiet else 0
        if self._noise > NOISE_BYTES:
            raise InvalidMultipart("The body goes on behind its last boundary, or a part's headers have no end.")

    def close(self) -> None:
        """Raises: InvalidMultipart when the last boundary has not come."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise InvalidMultipart("The multipart body ends before its last boundary.") from error


def _part(segment: MultipartSegment) -> Part:
    names = [name for name, _ in segment.headerlist]
    if len(set(names)) < len(names):
        raise InvalidMultipart("A part of the body repeats a header.")
    try:
        name = (segment.name or "").encode(_HEADS).decode()
    except UnicodeDecodeError:
        raise InvalidMultipart("A part of the body has a name that is not UTF-8.") from None
    if not name or not name.isprintable():
        raise InvalidMultipart("A part of the body has no name, or one with control characters.")
    if any(_NAMES.findall(quoted.sub('""', segment.header("Content-Disposition"))) != [""] for quoted in _QUOTED):
        # Whoever reads it next may go by the other one.
        raise InvalidMultipart("A part of the body has two names, or one in a form that RFC 7578 forbids.")
    if segment.header("Content-Transfer-Encoding", "binary").strip().lower() not in _PLAIN:
        raise InvalidMultipart(f"The part '{name[:64]}' has a Content-Transfer-Encoding; send it as it is.")
    if segment.content_type and segment.content_type.startswith("multipart/"):
        raise InvalidMultipart(f"The part '{name[:64]}' is a multipart body itself; send its files one by one.")
    charset = segment.charset.lower() if segment.charset else None
    return Part(name, segment.filename, segment.content_type, charset)
