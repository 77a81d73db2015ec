"""Held bodies with other values: read by the standard library, and compared byte by byte with what was meant."""

from __future__ import annotations

import email.policy
import json
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import GatewayError, InvalidJson, InvalidMultipart, UnsupportedMedia
from gateway.handlers.rewrite import Rewritten, rewritten
from tests.fakes.blob import MemoryBlob

BOUNDARY = "-x"
FORM = f'multipart/form-data; boundary="{BOUNDARY}"'
CUTS = st.lists(st.integers(0, 30), max_size=40)


async def content(blob: Rewritten, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in blob.chunks(start, stop)])


async def rewrite(body: bytes, content_type: str, cuts: list[int] | None = None, **fields: str | None) -> bytes:
    blob = await rewritten(MemoryBlob(body, cuts=cuts or ()), content_type, fields)
    made = await content(blob)
    assert len(made) == blob.length
    assert blob.media_type == content_type
    return made


# --- JSON -------------------------------------------------------------------------------------------------------------

BLANK = st.text(alphabet=" \t\r\n", max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=3)
NAMES = st.sampled_from(["model", "size", "n", "prompt", "images", "user"]) | st.text(max_size=5)


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.data(), CUTS, st.booleans())
async def test_any_object_keeps_all_its_other_bytes(
    document: dict[str, Any], draw: st.DataObject, cuts: list[int], ascii_only: bool
) -> None:
    """Replaced in place, added in front; blanks, escapes and the order of the rest stay."""
    fields = draw.draw(st.dictionaries(st.sampled_from(["model", "size"]), st.text(max_size=9), max_size=2))
    written = {name: json.dumps(value, ensure_ascii=ascii_only) for name, value in document.items()}
    blanks = [draw.draw(BLANK) for _ in range(4)]

    def assemble(values: dict[str, str], front: str = "") -> bytes:
        between = f"{blanks[0]},{blanks[1]}"
        members = between.join(f"{json.dumps(name)}{blanks[2]}:{blanks[3]}{text}" for name, text in values.items())
        return f"{blanks[0]}{{{front}{blanks[1]}{members}{blanks[2]}}}{blanks[3]}".encode()

    made = await rewrite(assemble(written), "application/json", cuts, **fields)
    assert json.loads(made) == document | fields
    added = [
        f'"{name}":{json.dumps(text, ensure_ascii=False)}' for name, text in fields.items() if name not in document
    ]
    if all(text.isprintable() for text in fields.values()):
        replaced = {name: json.dumps(fields[name], ensure_ascii=False) for name in fields if name in document}
        front = ",".join(added) + ("," if added and document else "")
        assert made == assemble(written | replaced, front)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6, unique_by=lambda each: each[0]), st.data(), CUTS)
async def test_members_taken_out_of_any_object(
    document: list[tuple[str, Any]], draw: st.DataObject, cuts: list[int]
) -> None:
    """Those in front, at the end and all of them; the others keep their bytes, and new ones come in front."""
    taken = draw.draw(st.sets(st.sampled_from(["model", "size", "n"])))
    added = draw.draw(st.sets(st.sampled_from(["a-new-one", "another"])))
    blank = draw.draw(BLANK)

    def assemble(members: list[tuple[str, Any]]) -> bytes:
        texts = (f"{blank}{json.dumps(name)}{blank}:{json.dumps(value)}" for name, value in members)
        return f"{{{','.join(texts)}}}".encode()

    left = [(name, value) for name, value in document if name not in taken]
    fields = dict.fromkeys(taken) | dict.fromkeys(added, "x")
    made = await rewrite(assemble(document), "application/json", cuts, **fields)
    assert json.loads(made) == dict(left) | dict.fromkeys(added, "x")
    if not added:
        assert made == assemble(left)


@pytest.mark.parametrize(
    ("old", "text", "new"),
    [
        ("2", "3", "3"),
        ("2", "-1.5e3", "-1.5e3"),
        ("2", "03", '"03"'),
        ("2", "auto", '"auto"'),
        ('"2"', "3", '"3"'),
        ("null", "3", "3"),
        ("null", "auto", '"auto"'),
        ("[1]", "3", '"3"'),
        (None, "3", "3"),
    ],
)
async def test_numbers_stay_numbers(old: str | None, text: str, new: str) -> None:
    """When both are; where none was, OpenAI's own types hold."""
    body = b"{}" if old is None else f'{{"n": {old} }}'.encode()
    made = await rewrite(body, "application/json; charset=utf-8", n=text)
    assert made == f'{{"n":{new}}}'.encode() if old is None else f'{{"n": {new} }}'.encode()


async def test_booleans_stay_booleans() -> None:
    """As numbers do."""
    assert await rewrite(b'{"stream":true,"x":false}', "application/json", stream="false", x="no") == (
        b'{"stream":false,"x":"no"}'
    )


async def test_only_top_level_members_are_meant() -> None:
    """A name further in is another name."""
    body = b'{"a":{"model":"x"},"b":[{"model":"y"}],"c":"\\"model\\":1"}'
    assert await rewrite(body, "application/json", model="z") == b'{"model":"z",' + body[1:]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":1,"model":2}', b'{"a":1}x'])
async def test_json_that_is_broken(body: bytes) -> None:
    """Nothing is written into what cannot be read in one way."""
    with pytest.raises(InvalidJson):
        await rewrite(body, "application/json", model="x")


# --- forms ------------------------------------------------------------------------------------------------------------


@dataclass
class Piece:
    """A part as it is written."""

    name: str
    content: bytes
    filename: str | None = None
    lines: tuple[str, ...] = ()
    tell_length: bool = False

    def written(self) -> bytes:
        file = "" if self.filename is None else f'; filename="{self.filename}"'
        lines = [*self.lines, f'Content-Disposition: form-data; name="{self.name}"{file}']
        if self.tell_length:
            lines.append(f"CONTENT-length: {len(self.content)}")
        head = "".join(f"{line}\r\n" for line in lines)
        return f"--{BOUNDARY}\r\n{head}\r\n".encode() + self.content + b"\r\n"


def assemble(parts: list[Piece], before: bytes = b"", behind: bytes = b"\r\n") -> bytes:
    return before + b"".join(part.written() for part in parts) + f"--{BOUNDARY}--".encode() + behind


# Contents that nearly are delimiters, but none that is one.
CONTENTS = (
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"--", b"x", b"\r\n-", b"\0", b"a: b\r\n\r\n"]), max_size=9
    )
    .map(b"".join)
    .filter(lambda data: f"--{BOUNDARY}".encode() not in data)
)
PARTS = st.builds(
    Piece,
    st.sampled_from(["model", "size", "prompt", "image", "image[]"]),
    CONTENTS,
    st.sampled_from([None, None, "a.png", ""]),
    st.sampled_from([(), ("Content-Type: text/plain",), ("X-A: content-length: 9",), ("X-A: b\r\n\tc",)]),
    st.booleans(),
)


@given(
    st.lists(PARTS, min_size=1, max_size=6),
    st.sampled_from([b"", b"\r\n"]),
    st.sampled_from([b"", b"\r\n", b"--", b"\r\n--" + BOUNDARY.encode() + b"--"]),
    st.dictionaries(st.sampled_from(["model", "size", "n"]), st.text(alphabet="aü:\n-", max_size=9), max_size=3),
    CUTS,
)
async def test_any_form_keeps_all_its_other_bytes(
    parts: list[Piece], before: bytes, behind: bytes, fields: dict[str, str], cuts: list[int]
) -> None:
    """Repeated names, files, odd heads and loose ends stay; a part's own length follows what is put into it."""
    replaced = [
        Piece(
            part.name,
            fields[part.name].encode() if part.filename is None and part.name in fields else part.content,
            part.filename,
            part.lines,
            part.tell_length,
        )
        for part in parts
    ]
    there = {part.name for part in parts if part.filename is None}
    added = [Piece(name, text.encode()) for name, text in fields.items() if name not in there]
    made = await rewrite(assemble(parts, before, behind), FORM, cuts, **fields)
    assert made == assemble(replaced + added, before, behind)


@given(
    st.lists(PARTS, min_size=1, max_size=6),
    st.sampled_from([b"", b"\r\n"]),
    st.sets(st.sampled_from(["model", "size"]), min_size=1),
    CUTS,
)
async def test_parts_taken_out_of_any_form(parts: list[Piece], before: bytes, taken: set[str], cuts: list[int]) -> None:
    """Wherever they stand, and as often; files of the name stay, and what is new comes last."""
    left = [part for part in parts if part.filename is not None or part.name not in taken]
    made = await rewrite(assemble(parts, before), FORM, cuts, **dict.fromkeys(taken), new="x")
    meant = assemble([*left, Piece("new", b"x")])
    assert made.removeprefix(b"\r\n") == meant


@given(
    st.lists(
        st.tuples(st.sampled_from(["model", "prompt", "image[]"]), st.text(alphabet="abc \n", max_size=9)), min_size=1
    ),
    st.text(alphabet="abc-", max_size=9),
    CUTS,
)
async def test_the_standard_library_reads_what_was_meant(
    parts: list[tuple[str, str]], model: str, cuts: list[int]
) -> None:
    """`email` finds the same names and contents in the same order."""
    pieces = [Piece(name, text.encode(), "f" if name == "image[]" else None) for name, text in parts]
    made = await rewrite(assemble(pieces), FORM, cuts, model=model)
    message = BytesParser(policy=email.policy.HTTP).parsebytes(f"Content-Type: {FORM}\r\n\r\n".encode() + made)
    found = [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in message.iter_parts()
    ]
    expected = [(name, model if name == "model" else text) for name, text in parts]
    if "model" not in dict(parts):
        expected.append(("model", model))
    assert found == [(name, text.encode()) for name, text in expected]


async def test_ranges_of_a_rewritten_body() -> None:
    """Any range of it is what slicing the whole gives, as often as wanted; the held blob is not let go."""
    raw = MemoryBlob(assemble([Piece("model", b"old"), Piece("image", bytes(range(50)), "a")]), cuts=[9, 9])
    blob = await rewritten(raw, FORM, {"model": "something else", "size": "1:1"})
    whole = await content(blob)
    for start in range(0, len(whole), 7):
        for stop in (start, start + 1, start + 40, len(whole), len(whole) + 9):
            assert await content(blob, start, stop) == whole[start:stop]
    blob.release()
    assert raw.released == 0


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        (FORM, b"", InvalidMultipart),
        (FORM, b"--other\r\n", InvalidMultipart),
        (FORM, assemble([Piece("a", b"b")])[:-6], InvalidMultipart),
        (FORM, assemble([Piece("a", b"b")]).replace(b"name=", b"nome="), InvalidMultipart),
        ("multipart/form-data", b"", InvalidMultipart),
        ("text/plain", b"", UnsupportedMedia),
        ("", b"{}", UnsupportedMedia),
    ],
)
async def test_bodies_that_are_broken(content_type: str, body: bytes, kind: type[GatewayError]) -> None:
    """Refused as when they are received."""
    with pytest.raises(kind):
        await rewrite(body, content_type, model="x")


@pytest.mark.parametrize("text", [f"--{BOUNDARY}", f"a\r\n--{BOUNDARY}--"])
async def test_a_boundary_that_stands_in_a_value(text: str) -> None:
    """The client chose it: a value of ours must not end a part of theirs."""
    with pytest.raises(InvalidMultipart, match="boundary"):
        await rewrite(assemble([Piece("model", b"x")]), FORM, model=text)
