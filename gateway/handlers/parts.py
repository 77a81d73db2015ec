"""One part of an upload while it grows: text up to a limit, or a picture whose bytes tell what it is."""

from __future__ import annotations

from typing import NoReturn, Protocol

from gateway.domain.errors import ImageTooLarge, InvalidField, InvalidImage, InvalidType, TooLarge, UnsupportedImage
from gateway.handlers.charsets import codec
from gateway.handlers.multipart import Part
from gateway.imaging.formats import HEAD_BYTES, foreign
from gateway.imaging.probe import NotAnImage, Prober
from gateway.stores.blobs import BlobWriter, SpooledBlob


class PictureLimits(Protocol):
    """What one picture may weigh."""

    @property
    def image_bytes(self) -> int: ...
    @property
    def image_pixels(self) -> int: ...
    @property
    def convertible(self) -> bool: ...


class TextPart:
    """A text field of at most `most` bytes; `charset` is that of the form, for a part that names none."""

    def __init__(self, part: Part, most: int, charset: str | None = None) -> None:
        self.name, self._most = part.name, most
        self._param = part.name[:64]
        self._value = bytearray()
        self._is_file = part.is_file
        self._codec = codec(part.charset or charset)
        if self._codec is None:
            raise InvalidField(f"'{self._param}' has a charset that is not taken. Use UTF-8.", param=self._param)

    @property
    def length(self) -> int:
        return len(self._value)

    async def write(self, chunk: bytes) -> None:
        self._value += chunk
        if len(self._value) > self._most:
            raise TooLarge(f"'{self._param}' is larger than {self._most} bytes.", param=self._param)

    def finish(self) -> str:
        """Raises: InvalidField when it is not text, InvalidType when it came as a file and is none."""
        assert self._codec is not None
        try:
            text = self._value.decode(self._codec)
        except UnicodeDecodeError:
            if self._is_file:
                text = f"Invalid type for '{self._param}': expected text, but got a file instead."
                raise InvalidType(text, param=self._param) from None
            raise InvalidField(f"'{self._param}' is not text in {self._codec}.", param=self._param) from None
        if "\0" in text:
            raise InvalidField(f"'{self._param}' contains a NUL character.", param=self._param)
        return text

    def discard(self) -> None:
        self._value.clear()


class PicturePart:
    """
    A picture, sniffed and measured on its way into the spool.

    `param` is the client's name for it, `called` what error texts call it; `declared` is True when the client itself
    says that these bytes are a file.
    """

    def __init__(
        self, name: str, param: str, called: str, writer: BlobWriter, limits: PictureLimits, *, declared: bool = True
    ) -> None:
        self.name, self.param = name, param
        self._called, self._declared = called, declared
        self._writer, self._limits = writer, limits
        self._prober = Prober(convertible=limits.convertible)
        self._head = b""
        self._measured = False

    @classmethod
    def of(cls, part: Part, kind: str, count: int, writer: BlobWriter, limits: PictureLimits) -> PicturePart:
        """The `count`th picture of its kind (`image`, `mask`, …) in a form."""
        # Its own number, where the client gave it one: the order in which pictures arrive need not be theirs.
        param = (part.name if part.name[-2:-1].isdigit() else kind if count == 1 else f"{kind}[{count - 1}]")[:64]
        called = f"image {count}" if kind == "image" else param
        return cls(part.name, param, called, writer, limits, declared=part.is_file)

    async def write(self, chunk: bytes) -> None:
        """Raises: TooLarge, ImageTooLarge, UnsupportedImage, InvalidImage, InvalidType, OutOfRoom."""
        if self._writer.length + len(chunk) > self._limits.image_bytes:
            raise TooLarge(
                f"{self._called} is larger than the {self._limits.image_bytes} bytes allowed.", param=self.param
            )
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[:HEAD_BYTES]
        self._prober.feed(chunk)
        if self._prober.fault is not None:
            self._refuse(self._prober.fault)
        if not self._measured:
            self._measure()
        await self._writer.write(chunk)

    async def finish(self) -> SpooledBlob:
        """The picture, complete and known. Raises: the same."""
        try:
            found = self._prober.finish()
        except NotAnImage as fault:
            self._refuse(fault)
        self._measure()
        return await self._writer.finish(found.media_type, found.pixels, found.orientation)

    def discard(self) -> None:
        self._writer.discard()

    def _measure(self) -> None:
        if (found := self._prober.result) is None:
            return
        self._measured = True
        if found.width * found.height > self._limits.image_pixels:
            raise ImageTooLarge(
                f"{self._called} has {found.width} × {found.height} pixels; {self._limits.image_pixels} are allowed.",
                param=self.param,
            )

    def _refuse(self, fault: NotAnImage) -> NoReturn:
        known = foreign(self._head) if self._prober.media_type is None else None
        if not self._declared and self._prober.media_type is None and known in (None, "a data URL", "base64 text"):
            raise InvalidType(
                f"Invalid type for '{self.param}': expected a file, but got text instead.", param=self.param
            )
        if known:
            raise UnsupportedImage(
                f"{self._called} is not usable: the file is {known}. Supported formats are png, jpeg and webp.",
                param=self.param,
            )
        raise InvalidImage(f"{self._called} is not usable: {fault}.", param=self.param)
