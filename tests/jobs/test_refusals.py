"""What was refused is known again once, for a while, and by nobody else."""

from __future__ import annotations

from gateway.jobs.refusals import MOST, REMEMBERED_S, Refusals, shape


def test_once_for_each() -> None:
    """By caller and mark, as often as it was refused; a request of which nothing is known is never taken for one."""
    refusals = Refusals(lambda: 0.0)
    for caller, mark in (("ann", "a"), ("ann", "a"), ("ann", "b"), ("bob", "a"), ("ann", None)):
        refusals.note(caller, mark)
    assert [refusals.take("ann", "a", None) for _ in range(3)] == [True, True, False]
    assert refusals.take("ann", "other", "b") and not refusals.take("ann", "other", "b")
    assert [refusals.take("bob", "a", None) for _ in range(2)] == [True, False]


def test_for_a_while() -> None:
    """Memory is bounded in time and in number; what was taken leaves no debt."""
    time = [0.0]
    refusals = Refusals(lambda: time[0])
    refusals.note("ann", "a")
    assert refusals.take("ann", "a", None)
    time[0] = REMEMBERED_S / 2
    refusals.note("ann", "a")
    time[0] = REMEMBERED_S
    assert refusals.take("ann", "a", None) and not refusals.take("ann", "a", None)
    refusals.note("ann", "b")
    time[0] = 3 * REMEMBERED_S
    assert not refusals.take("ann", "b", None)
    for number in range(3 * MOST):
        refusals.note("ann", str(number))
    assert len(refusals._told) <= MOST
    assert refusals.take("ann", str(3 * MOST - 1), None) and not refusals.take("ann", "0", None)


def test_shapes() -> None:
    """A body without a length has none: it may be any request's."""
    assert shape("images.edits", None) is None
    assert shape("images.edits", 5) != shape("images.edits", 6) != shape("images.generations", 6)


def test_refused_unread_among_others() -> None:
    """
    Whose refusal it was is known while all that have the shape are the same; where they differ, the repetition may be
    of one that was paid, and is not taken for another.
    """
    time = [0.0]
    refusals = Refusals(lambda: time[0])
    for _ in range(2):
        refusals.read("ann", "a", "edits 5")
    refusals.read("bob", "b", "edits 5")
    refusals.read("ann", "b", "edits 6")
    refusals.note("ann", "edits 5")
    assert refusals.take("ann", "a", "edits 5")
    refusals.read("ann", "b", "edits 5")
    for _ in range(2):
        refusals.note("ann", "edits 5")
    assert not refusals.take("ann", "a", "edits 5") and not refusals.take("ann", "b", "edits 5")
    refusals.note("ann", "b")
    assert refusals.take("ann", "b", "edits 5")
    time[0] = 2 * REMEMBERED_S
    refusals.read("ann", "a", "edits 5")
    refusals.note("ann", "edits 5")
    assert refusals.take("ann", "a", "edits 5")
    for number in range(3 * MOST):
        refusals.read("ann", "a", str(number))
    assert len(refusals._seen) <= MOST
