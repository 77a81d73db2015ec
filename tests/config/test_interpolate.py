from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.interpolate import interpolate

ENVIRON = {"A": "1", "EMPTY": "", "BLANK": " \n", "LOOP": "${A}", "_x9": "u"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("${_x9}", "u"),
        ("<${A}${A}>", "<11>"),
        ("${NONE:-d}", "d"),
        ("${A:-d}", "1"),
        ("${EMPTY:-d}", "d"),
        ("${BLANK:-d}", "d"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b $A}", "a:-b $A"),
        ("${NONE:-a\nb}", "a\nb"),
        ("${LOOP}", "${A}"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ $$ {A} }", "$A $ $$ {A} }"),
    ],
)
def test_filled(text: str, filled: str) -> None:
    """Values and defaults go in once; everything else stays."""
    result = interpolate(text, ENVIRON)
    assert (result.text, result.faults) == (filled, ())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("${NONE}", "environment variable NONE is not set"),
        ("${EMPTY}", "environment variable EMPTY is set but empty"),
        ("${BLANK}", "environment variable BLANK is set but empty"),
        ("${}", "write ${NAME}"),
        ("${1A}", "write ${NAME}"),
        ("${A B}", "write ${NAME}"),
        ("${A-d}", "write ${NAME}"),
        ("${A:?no}", "write ${NAME}"),
        ("${A", "write ${NAME}"),
        ("${A:-${A}}", "write ${NAME}"),
        ("${É}", "write ${NAME}"),
    ],
)
def test_faulty(text: str, fault: str) -> None:
    """Each misuse says what to write."""
    [told] = interpolate(text, ENVIRON).faults
    assert told.startswith(fault)


def test_every_missing_variable_is_named_once() -> None:
    """Two holes, two faults; the same hole twice, one."""
    result = interpolate("${X}${Y}${X}", {})
    assert result.names == ("X", "Y")
    assert len(result.faults) == 2


@given(st.text())
def test_a_value_is_never_looked_at_again(value: str) -> None:
    """Whatever a variable holds arrives as it is."""
    expected = value if value.strip() else "d"
    assert interpolate("<${V:-d}>", {"V": value}).text == f"<{expected}>"


@given(st.text())
def test_an_escaped_text_comes_back(text: str) -> None:
    """Writing `$${` for `${` keeps any text as it was."""
    result = interpolate(text.replace("${", "$${"), {})
    assert (result.text, result.faults) == (text, ())
