from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from gateway.domain.quantity import ByteSize, Seconds, parse_bytes, parse_seconds, spell_bytes, spell_seconds

LARGEST = 2**53


class Settings(BaseModel):
    size: ByteSize = 2**20
    wait: Annotated[Seconds, Field(gt=0)] = 1.5
    limit: ByteSize = Field(default=1024, ge=1024, description="Bytes")


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("1B", 1),
        ("20MB", 20_000_000),
        ("20 MB", 20_000_000),
        (" 2kB ", 2000),
        ("256MiB", 268_435_456),
        ("1.5GiB", 1_610_612_736),
        ("0.3KiB", 307),
        ("1TB", 10**12),
        ("1TiB", 2**40),
        (LARGEST, LARGEST),
    ],
)
def test_sizes(written: object, size: int) -> None:
    """As people write them, exactly."""
    assert parse_bytes(written) == size


@pytest.mark.parametrize(
    "written",
    [
        *(-1, 1.0, True, None, "", "MiB", "-1MiB", "1e9", "1M", "1mib", "1 000", "1,5GiB", "1MiBs", "0x10", [1]),
        *("٣MB", LARGEST + 1, "9999999999999TiB", "9" * 5000),
    ],
)
def test_what_is_no_size(written: object) -> None:
    """Refused with the units that are known."""
    with pytest.raises(ValueError, match=r"should be a size such as 256MiB.*units: B, kB, MB, GB, TB, KiB"):
        parse_bytes(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (15, 15.0),
        (0.25, 0.25),
        ("300s", 300.0),
        ("15", 15.0),
        ("15m", 900.0),
        ("1.5h", 5400.0),
        ("2 d", 172_800.0),
        ("500ms", 0.5),
        ("100ms", 0.1),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    """As people write them, without rounding on the way."""
    assert parse_seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        *(-1, -0.1, True, None, "", "s", "-1s", "1e3", "1h30m", "1:30", "1w", "1S", float("inf"), float("nan")),
        *(10**400, "9" * 15 + "d", {}),
    ],
)
def test_what_is_no_duration(written: object) -> None:
    """Refused with the units that are known."""
    with pytest.raises(ValueError, match=r"should be a duration such as 300s.*units: ms, s, m, h, d"):
        parse_seconds(written)


@given(st.integers(min_value=0, max_value=LARGEST))
def test_a_size_survives_its_spelling(size: int) -> None:
    """Written back and read again it is the same."""
    assert parse_bytes(spell_bytes(size)) == size
    assert parse_bytes(spell_bytes(size * 2**20 % LARGEST)) == size * 2**20 % LARGEST


@given(st.just(0.0) | st.floats(min_value=0.001, max_value=LARGEST))
def test_a_duration_survives_its_spelling(seconds: float) -> None:
    """To the last bit."""
    assert parse_seconds(spell_seconds(seconds)) == seconds


@pytest.mark.parametrize(
    ("size", "spelled"), [(0, "0B"), (1000, "1000B"), (1024, "1KiB"), (3 * 2**29, "1536MiB"), (2**40, "1TiB")]
)
def test_the_largest_unit_that_fits_is_used(size: int, spelled: str) -> None:
    """Never a fraction."""
    assert spell_bytes(size) == spelled


def test_as_fields() -> None:
    """Read from text, held as numbers, dumped as text, bounded like numbers."""
    settings = Settings.model_validate({"size": "2MiB", "wait": "250ms"})
    assert (settings.size, settings.wait) == (2_097_152, 0.25)
    assert settings.model_dump() == {"size": 2_097_152, "wait": 0.25, "limit": 1024}
    assert settings.model_dump_json() == '{"size":"2MiB","wait":"0.25s","limit":"1KiB"}'
    with pytest.raises(ValidationError, match="greater than 0"):
        Settings.model_validate({"wait": "0s"})
    with pytest.raises(ValidationError, match="greater than or equal to 1024"):
        Settings.model_validate({"limit": "1kB"})


def test_the_schema_takes_numbers_and_text() -> None:
    """What the loader takes, an editor takes."""
    number, text = Settings.model_json_schema()["properties"]["limit"]["anyOf"]
    assert number == {"type": "integer", "minimum": 0}
    assert text["type"] == "string"
