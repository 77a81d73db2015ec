"""Which format a file has, told by its first bytes; names and declared types are never believed."""

from __future__ import annotations

from importlib.util import find_spec

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
HEIC, AVIF, TIFF, BMP, GIF = "image/heic", "image/avif", "image/tiff", "image/bmp", "image/gif"

# Enough to see an <svg> behind an XML prologue; a magic number needs 16 bytes at most.
HEAD_BYTES = 512

_MAGIC = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"%PDF": "PDF",
    b"%!": "PostScript",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"8BPS": "PSD",
    b"\0\0\1\0": "ICO",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"push graphic-context": "MVG",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
    b"data:": "a data URL",
    # The magic numbers of our three formats as base64 writes them.
    b"iVBORw0KGgo": "base64 text",
    b"/9j/": "base64 text",
    b"UklGR": "base64 text",
}

# https://nokiatech.github.io/heif/technical.html, https://aomediacodec.github.io/av1-avif/#brands
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"qt  ": "QuickTime"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)


# Without the one decoder that Pillow does not bring along.
CAN_HEIC = find_spec("pillow_heif") is not None
# Of BigTIFF Pillow knows one byte order.
_CONVERTIBLE = {b"GIF87a": GIF, b"GIF89a": GIF, b"BM": BMP, **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0"), TIFF)}


def sniff(head: bytes) -> str | None:
    """The media type when the file begins like a PNG, JPEG or WebP, else None; 16 bytes are enough."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    return None


def sniff_convertible(head: bytes) -> str | None:
    """The media type when the file begins like one of the formats that can be converted; best with `HEAD_BYTES`."""
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4], "big"), len(head))
        brands = [head[at : at + 4] for at in (8, *range(16, length - 3, 4))]
        if b"avif" in brands or b"avis" in brands:
            return AVIF
        return HEIC if CAN_HEIC and any(_BRANDS.get(brand) == "HEIC" for brand in brands) else None
    for magic, media_type in _CONVERTIBLE.items():
        if head.startswith(magic):
            return media_type
    return None


def foreign(head: bytes) -> str | None:
    """The name of a format that is known but not accepted, for the error text; best with `HEAD_BYTES`."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "MP4")
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    return _markup(head.removeprefix(b"\xef\xbb\xbf").lstrip().lower())


def _markup(text: bytes) -> str | None:
    if not text.startswith(b"<"):
        return None
    if b"<svg" in text or text.startswith(b"<!doctype svg"):
        return "SVG"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    return "XML" if text.startswith(b"<?xml") else None
