"""Real pictures of every kind, whole, cut, in any chunks, with strangers among them."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.imaging.probe import NotAnImage, Probe, Prober, Truncated

FORMATS = ("PNG", "JPEG", "WEBP")
FILM = b"\0\0\0\x18ftypmp42" + random.Random(1).randbytes(300_000)


def noise(mode: str, width: int = 37, height: int = 23) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert(mode)


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def frames(file_format: str) -> bytes:
    return saved(noise("RGB"), file_format, save_all=True, append_images=[noise("RGB"), noise("RGB")])


def interlaced_png() -> bytes:
    data = bytearray(saved(Image.new("L", (1, 1)), "PNG"))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def orientation(value: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def late_exif(png: bytes) -> bytes:
    """The eXIf chunk behind the pixels, where it may stand as well."""
    start = png.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(png[start : start + 4], "big")
    iend = png.index(b"IEND") - 4
    return png[:start] + png[end:iend] + png[start:end] + png[iend:]


def big_endian(value: int) -> bytes:
    """Written high byte first, as some cameras do, behind another entry and with the directory further back."""
    entries = struct.pack(">HHIHH", 0x0100, 3, 1, 9, 0) + struct.pack(">HHIHH", 0x0112, 3, 1, value, 0)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 20) + bytes(12) + struct.pack(">H", 2) + entries + bytes(4)


PICTURES = {
    "png 1 bit": saved(noise("1"), "PNG"),
    "png grey": saved(noise("L"), "PNG"),
    "png grey alpha": saved(noise("LA"), "PNG"),
    "png 16 bit": saved(Image.new("I;16", (37, 23), 40_000), "PNG"),
    "png palette": saved(noise("P"), "PNG", transparency=3),
    "png rgb": saved(noise("RGB"), "PNG"),
    "png rgba": saved(noise("RGBA"), "PNG", icc_profile=bytes(3000), exif=orientation()),
    "png interlaced": interlaced_png(),
    "png turned behind its pixels": late_exif(saved(noise("RGB"), "PNG", exif=orientation(8))),
    "png animated": frames("PNG"),
    "png one pixel": saved(Image.new("RGB", (1, 1)), "PNG"),
    "jpeg baseline": saved(noise("RGB"), "JPEG"),
    "jpeg grey": saved(noise("L"), "JPEG"),
    "jpeg cmyk": saved(noise("CMYK"), "JPEG"),
    "jpeg progressive": saved(noise("RGB", 97, 61), "JPEG", progressive=True, optimize=True),
    "jpeg restarts": saved(noise("RGB", 97, 61), "JPEG", restart_marker_blocks=2),
    "jpeg poor": saved(noise("RGB"), "JPEG", quality=1, comment=b"\xff\xd9" * 20),
    "jpeg turned": saved(noise("RGB"), "JPEG", exif=orientation(5), icc_profile=bytes(99)),
    "jpeg turned big-endian": saved(noise("RGB"), "JPEG", exif=big_endian(3)),
    "jpeg one pixel": saved(Image.new("RGB", (1, 1)), "JPEG"),
    "webp lossy": saved(noise("RGB"), "WEBP"),
    "webp lossy alpha": saved(noise("RGBA"), "WEBP"),
    "webp lossless": saved(noise("RGB"), "WEBP", lossless=True),
    "webp lossless alpha": saved(noise("RGBA"), "WEBP", lossless=True),
    "webp metadata": saved(noise("RGB"), "WEBP", icc_profile=b"profile", exif=orientation()),
    "webp animated": frames("WEBP"),
    "webp one pixel": saved(Image.new("RGB", (1, 1)), "WEBP", lossless=True),
}
LARGE = {
    "jpeg 2 MB profile": saved(noise("RGB"), "JPEG", icc_profile=random.Random(2).randbytes(2_000_000)),
    "jpeg thumbnail": saved(noise("RGB", 400, 300), "JPEG", exif=b"Exif\0\0" + PICTURES["jpeg baseline"] * 12),
    "jpeg large": saved(noise("RGB", 700, 500), "JPEG", quality=95),
    "png large": saved(noise("RGB", 400, 300), "PNG"),
    "webp large": saved(noise("RGB", 700, 500), "WEBP", quality=95),
}
EVERY = PICTURES | LARGE


def probe(data: bytes, cuts: Iterable[int] = ()) -> Probe:
    prober, start = Prober(), 0
    for cut in sorted(cut % (len(data) + 1) for cut in cuts):
        prober.feed(data[start:cut])
        start = cut
    prober.feed(data[start:])
    return prober.finish()


def pillow(data: bytes) -> Probe:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        kind = "JPEG" if image.format == "MPO" else image.format
        image.load()  # what stands behind the pixels is read with them
        exif = Image.Exif()
        with contextlib.suppress(SyntaxError):
            exif.load(image.info.get("exif", b""))
        return Probe(f"image/{kind}".lower(), *image.size, exif.get(0x0112, 1))


@pytest.mark.parametrize("name", EVERY)
def test_every_kind_of_picture_tells_its_size(name: str) -> None:
    """Format, width, height as stored, and the orientation in its EXIF, are those a decoder finds."""
    assert probe(EVERY[name]) == pillow(EVERY[name])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_crumbs_are_as_good_as_the_whole(name: str, kind: Callable[[bytes], bytes]) -> None:
    """One byte at a time, of any bytes-like kind, gives the same answer."""
    data, prober = EVERY[name], Prober()
    for at in range(min(len(data), 20_000)):
        prober.feed(kind(data[at : at + 1]))
    prober.feed(kind(data[20_000:]))
    assert prober.finish() == pillow(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(EVERY)), st.lists(st.integers(0, 3_000_000), max_size=8))
def test_chunking_changes_nothing(name: str, cuts: list[int]) -> None:
    """Wherever the network cuts the stream, the answer is that of the whole."""
    assert probe(EVERY[name], cuts) == pillow(EVERY[name])


@pytest.mark.parametrize("name", PICTURES)
def test_no_shortened_picture_passes(name: str) -> None:
    """Cut at any byte whatever, a picture is refused, and called cut short once its format is known."""
    data = PICTURES[name]
    for length in range(len(data)):
        with pytest.raises(Truncated if length >= 12 else NotAnImage) as caught:
            probe(data[:length])
        assert str(caught.value).startswith("the file ")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(LARGE)), st.integers(12, 3_000_000), st.lists(st.integers(0, 3_000_000), max_size=4))
def test_no_shortened_large_picture_passes(name: str, length: int, cuts: list[int]) -> None:
    """The same for large ones, in any chunks; an embedded thumbnail's end mark deceives nobody."""
    data = LARGE[name]
    with pytest.raises(Truncated):
        probe(data[: length % (len(data) - 12) + 12][:-1], cuts)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("png rgb", "the file ends before its last chunk (IEND)"),
        ("jpeg baseline", "the file ends before its end mark (EOI)"),
        ("webp lossy", "the file is shorter than its RIFF header says"),
    ],
)
def test_the_reason_names_what_is_missing(name: str, reason: str) -> None:
    """The client reads in plain words which end is missing."""
    with pytest.raises(Truncated) as caught:
        probe(PICTURES[name][:-3])
    assert str(caught.value) == reason


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("trailer", [b"\0", b"<html><script>alert(1)</script></html>" * 100, b"PK\x05\x06" + bytes(18)])
def test_a_trailer_is_let_be(name: str, trailer: bytes) -> None:
    """Bytes of another program behind the end, a polyglot's too, do not make a picture incomplete."""
    assert probe(EVERY[name] + trailer) == pillow(EVERY[name])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("length", [65_000, 66_000, 1_500_000])
def test_a_trailer_may_be_longer_than_any_window(name: str, length: int) -> None:
    """Padding, a film, a maker's notes: the end was seen when it passed."""
    assert probe(EVERY[name] + bytes(length)) == pillow(EVERY[name])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(EVERY)),
    st.integers(0, 3_000_000),
    st.sampled_from([b"", bytes(70_000), FILM[:70_000], b"\xff" * 70_000]),
    st.lists(st.integers(0, 3_000_000), max_size=8),
    st.lists(st.integers(0, 40), max_size=40),
)
def test_any_split_has_the_same_outcome(
    name: str, length: int, trailer: bytes, cuts: list[int], near: list[int]
) -> None:
    """Whole, cut short or with something behind it: chunks of any size, some of them beside the end, change nothing."""
    data = EVERY[name]
    data = data[: max(1, len(data) - length)] if length % 2 else data + trailer

    def outcome(cuts: Iterable[int]) -> Probe | str:
        try:
            return probe(data, cuts)
        except NotAnImage as fault:
            return f"{type(fault).__name__} {fault}"

    assert outcome([*cuts, *(len(EVERY[name]) - 20 + place for place in near)]) == outcome([])


@pytest.mark.parametrize("name", [name for name in EVERY if name.startswith("jpeg")])
def test_motion_photos_are_complete(name: str) -> None:
    """A film of any length behind a photograph, as telephones append it, is not taken for its scan."""
    assert probe(EVERY[name] + FILM) == pillow(EVERY[name])


def test_two_pictures_in_one_file_are_the_first() -> None:
    """A multi-picture JPEG is its first picture."""
    data = saved(noise("RGB"), "MPO", save_all=True, append_images=[noise("RGB", 9, 9)])
    assert probe(data) == Probe("image/jpeg", 37, 23)


@pytest.mark.parametrize("name", ["jpeg large", "png large"])
def test_blank_space_is_no_end(name: str) -> None:
    """A download that was cut and padded with zeros is found out."""
    data = LARGE[name]
    with pytest.raises(Truncated):
        probe(data[: len(data) // 2] + bytes(len(data) // 2))


@pytest.mark.parametrize("name", LARGE)
def test_the_size_is_known_before_the_rest_arrives(name: str) -> None:
    """The caller can refuse too many pixels while the upload has only begun."""
    data, prober = LARGE[name], Prober()
    prober.feed(data[: data.rfind(b"\xff\xda") + 100 if name.startswith("jpeg") else 100])
    assert prober.result == pillow(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x89PN", "the file is of an unknown format, not PNG, JPEG or WebP"),
        (b"<!doctype html><title>Not found</title>", "the file is HTML, not PNG, JPEG or WebP"),
        (saved(noise("P"), "GIF"), "the file is GIF, not PNG, JPEG or WebP"),
        (saved(noise("RGB"), "AVIF"), "the file is AVIF, not PNG, JPEG or WebP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(900), "the file is PostScript, not PNG, JPEG or WebP"),
        (bytes(2000), "the file is of an unknown format, not PNG, JPEG or WebP"),
    ],
)
def test_strangers_are_called_by_their_name(data: bytes, reason: str) -> None:
    """What is not a picture of ours is refused with its name, at any chunking."""
    for cuts in ([], [1], list(range(len(data)))):
        with pytest.raises(NotAnImage) as caught:
            probe(data, cuts)
        assert str(caught.value) == reason


def test_a_stranger_is_known_before_the_rest_arrives() -> None:
    """Half a kilobyte is enough to give up; nothing of the rest is kept."""
    prober = Prober()
    prober.feed(b"%PDF-1.7\n" + bytes(600))
    assert str(prober.fault) == "the file is PDF, not PNG, JPEG or WebP"
    prober.feed(LARGE["png large"])
    with pytest.raises(NotAnImage):
        prober.finish()


def test_compressed_metadata_is_never_inflated() -> None:
    """Bombs in a PNG's metadata cost nothing: they are passed over."""
    packed = zlib.compress(bytes(70_000_000), 9)
    data = PICTURES["png rgb"]
    bombs = b"".join(
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        for body in (b"iCCPx\0\0" + packed, b"zTXtx\0\0" + packed, b"iTXtx\0\1\0\0\0" + packed)
    )
    data = data[:33] + bombs + data[33:]
    cuts = list(range(0, len(data), 4096))
    tracemalloc.start()
    assert probe(data, cuts) == Probe("image/png", 37, 23)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000


@pytest.mark.parametrize("size", [33, 5000, 65_536])
def test_memory_stays_bounded(size: int) -> None:
    """However long the picture, nothing of it is held."""
    data = LARGE["jpeg 2 MB profile"][:-2]
    scan = bytes(size)
    prober = Prober()
    tracemalloc.start()
    for at in range(0, len(data), size):
        prober.feed(data[at : at + size])
    for _ in range(3_000_000 // size):
        prober.feed(scan)
    prober.feed(b"\xff\xd9")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert prober.finish().width == 37
    assert peak < 20_000 + 2 * size


MAGIC = (b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBP", b"RIFF\x40\0\0\0WEBPVP8")


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(MAGIC), st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=5))
@example(b"\xff\xd8\xff", b"\xff" * 1999, [])
def test_random_bytes_raise_only_what_is_declared(magic: bytes, rest: bytes, cuts: list[int]) -> None:
    """No bytes whatever make the prober fail in another way than it says."""
    with contextlib.suppress(NotAnImage):
        found = probe(magic + rest, cuts)
        assert found.width > 0 and found.height > 0


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(sorted(PICTURES)),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_damaged_pictures_are_refused_or_read_as_a_decoder_does(name: str, damage: list[tuple[int, int]]) -> None:
    """Whatever bytes are hit, the size is never another than the one a decoder would find."""
    data = bytearray(PICTURES[name])
    for at, value in damage:
        data[at % len(data)] = value
    with contextlib.suppress(NotAnImage):
        found = probe(bytes(data))
        with contextlib.suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning):
            assert (found.width, found.height) == Image.open(io.BytesIO(data), formats=FORMATS).size
