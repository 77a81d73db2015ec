"""Formats are told apart by their first bytes alone."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from gateway.imaging.formats import HEAD_BYTES, foreign, sniff

FOREIGN = {
    "GIF": [b"GIF87a\1\0\1\0", b"GIF89a\1\0\1\0"],
    "BMP": [b"BM\x46\0\0\0\0\0\0\0"],
    "TIFF": [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"],
    "PDF": [b"%PDF-1.7\n"],
    "PostScript": [b"%!PS-Adobe-3.0 EPSF-3.0\n"],
    "EPS": [b"\xc5\xd0\xd3\xc6\x1e\0\0\0"],
    "PSD": [b"8BPS\0\1\0\0"],
    "ICO": [b"\0\0\1\0\1\0\x10\x10"],
    "JPEG XL": [b"\xff\x0a\xfa\x1f", b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a"],
    "JPEG 2000": [b"\xff\x4f\xff\x51\0\x2f", b"\0\0\0\x0cjP  \x0d\x0a\x87\x0a"],
    "HEIC": [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"],
    "AVIF": [b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"],
    "MP4": [b"\0\0\0\x20ftypisom\0\0\2\0isomiso2"],
    "QuickTime": [b"\0\0\0\x14ftypqt  \0\0\0\0qt  "],
    "MVG": [b"push graphic-context\nviewbox 0 0 1 1\n"],
    "ZIP": [b"PK\x03\x04\x14\0\0\0"],
    "gzip": [b"\x1f\x8b\x08\0\0\0\0\0"],
    "a data URL": [b"data:image/png;base64,iVBORw0KGgo="],
    "SVG": [
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b'\xef\xbb\xbf\n<?xml version="1.0"?>\n<!-- drawn -->\n<svg width="1"/>',
        b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' ''>",
    ],
    "HTML": [b"<!DOCTYPE html><title>404</title>", b"\r\n<HTML><body>", b"<body>"],
    "XML": [b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'],
}


@pytest.mark.parametrize(("name", "head"), [(name, head) for name, heads in FOREIGN.items() for head in heads])
def test_known_foreign_formats_are_named(name: str, head: bytes) -> None:
    """A file of a well-known other format is called by its name and never taken for one of ours."""
    assert foreign(head) == name
    assert sniff(head) is None


@pytest.mark.parametrize(
    ("pillow", "name"),
    [
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("TIFF", "TIFF"),
        ("PDF", "PDF"),
        ("EPS", "PostScript"),
        ("ICO", "ICO"),
        ("AVIF", "AVIF"),
        ("JPEG2000", "JPEG 2000"),
    ],
)
def test_files_other_programs_write_are_named(pillow: str, name: str) -> None:
    """The names hold for whole files as another program writes them."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, pillow)
    assert foreign(stream.getvalue()[:HEAD_BYTES]) == name


@pytest.mark.parametrize(
    ("pillow", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
def test_ours_are_recognised_from_sixteen_bytes(pillow: str, media_type: str) -> None:
    """Sixteen bytes are enough for our three formats; their base64 text is named for what it is."""
    stream = io.BytesIO()
    Image.new("RGB", (3, 2)).save(stream, pillow)
    assert sniff(stream.getvalue()[:16]) == media_type
    assert foreign(stream.getvalue()[:16]) is None
    assert foreign(base64.b64encode(stream.getvalue())) == "base64 text"


@pytest.mark.parametrize("head", [b"", b"\x89PN", b"\xff\xd8", b"RIFF\x10\0\0\0WAVEfmt ", b"hello", b"<note>"])
def test_the_rest_has_no_name(head: bytes) -> None:
    """What is too short or unknown gets neither a type nor a name."""
    assert sniff(head) is None
    assert foreign(head) is None
