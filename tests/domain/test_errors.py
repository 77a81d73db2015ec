"""The error tree: one code per class, and nobody is told to send again what may have been paid."""

from __future__ import annotations

import re

import pytest

from gateway.domain.errors import CATALOGUE, Blame, GatewayError, InternalError, Paid, UnsupportedCoding


def tree(root: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    return [kind for below in root.__subclasses__() for kind in (below, *tree(below))]


def make(kind: type[GatewayError]) -> GatewayError:
    """One of a kind, whatever else its own constructor wants to know."""
    error = kind.__new__(kind)
    GatewayError.__init__(error, "text", param="field", detail="private", paid=Paid.NO, retry_after_s=2)
    return error


def test_the_catalogue_is_complete() -> None:
    """Every class is in it, under a code of its own: codes are metric labels and what clients compare."""
    kinds = tree()
    assert {kind.code: kind for kind in kinds} == CATALOGUE
    assert len(kinds) == len({kind.code for kind in kinds}) == len(CATALOGUE)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in CATALOGUE)


@pytest.mark.parametrize("kind", tree())
def test_status_blame_and_hope_agree(kind: type[GatewayError]) -> None:
    """
    Clients are blamed with 4xx, everybody else with 5xx or 429; only what passes by itself is hopeful. One status of a
    client's fault is above 499: RFC 9112 wants 501 for a transfer coding that the server does not know.
    """
    of_clients = (kind.status < 500 and kind.status != 429) or kind is UnsupportedCoding
    assert of_clients == (kind.blame is Blame.CLIENT)
    assert not (kind.hopeful and kind.blame is Blame.CLIENT)
    assert kind.__doc__


def test_what_is_not_said_is_unpaid_and_private() -> None:
    """The safe defaults: unpaid, nobody's parameter, no detail; the text is the exception's own."""
    error = InternalError("text")
    assert (error.paid, error.param, error.detail, error.retry_after_s, str(error)) == (
        Paid.NO,
        None,
        None,
        None,
        "text",
    )


@pytest.mark.parametrize("kind", tree())
def test_details_stay_out_of_the_text(kind: type[GatewayError]) -> None:
    """What is for the log is not in what exceptions print."""
    error = make(kind)
    assert "private" not in str(error) + repr(error)
    assert error.text == "text"
