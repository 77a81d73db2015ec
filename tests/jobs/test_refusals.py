"""What was refused is known again once, for a while, and by nobody else."""

from __future__ import annotations

from gateway.jobs.refusals import MOST, REMEMBERED_S, Refusals, shape


def test_once_for_each() -> None:
    """By caller and mark, as often as it was refused; a request of which nothing is known is never taken for one."""
    refusals = Refusals(lambda: 0.0)
    for caller, mark in (("ann", "a"), ("ann", "a"), ("ann", "b"), ("bob", "a"), ("ann", None)):
        refusals.note(caller, mark)
    assert [refusals.take("ann", "a", None) for _ in range(3)] == [True, True, False]
    assert refusals.take("ann", None, "other", "b") and not refusals.take("ann", None)
    assert [refusals.take("bob", "a") for _ in range(2)] == [True, False]


def test_for_a_while() -> None:
    """Memory is bounded in time and in number; what was taken leaves no debt."""
    time = [0.0]
    refusals = Refusals(lambda: time[0])
    refusals.note("ann", "a")
    assert refusals.take("ann", "a")
    time[0] = REMEMBERED_S / 2
    refusals.note("ann", "a")
    time[0] = REMEMBERED_S
    assert refusals.take("ann", "a") and not refusals.take("ann", "a")
    refusals.note("ann", "b")
    time[0] = 3 * REMEMBERED_S
    assert not refusals.take("ann", "b")
    for number in range(3 * MOST):
        refusals.note("ann", str(number))
    assert len(refusals._told) <= MOST
    assert refusals.take("ann", str(3 * MOST - 1)) and not refusals.take("ann", "0")


def test_shapes() -> None:
    """A body without a length has none: it may be any request's."""
    assert shape("images.edits", None) is None
    assert shape("images.edits", 5) != shape("images.edits", 6) != shape("images.generations", 6)
