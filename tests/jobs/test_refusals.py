"""What was refused is known again once, for a while, and by nobody else."""

from __future__ import annotations

from gateway.jobs.refusals import MOST, MOST_ALIKE, REMEMBERED_S, Refusals


def test_once_for_each() -> None:
    """By caller and fingerprint, as often as it was refused."""
    refusals = Refusals(lambda: 0.0)
    for caller, fingerprint in (("ann", "a"), ("ann", "a"), ("ann", "b"), ("bob", "a")):
        refusals.note(caller, fingerprint)
    assert [refusals.take("ann", "a") for _ in range(3)] == [True, True, False]
    assert not refusals.take("ann", "other") and refusals.take("ann", "b")
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
        refusals.note("bob", "same")
    assert len(refusals._told) <= MOST and len(refusals._told["bob", "same"]) <= MOST_ALIKE
    assert refusals.take("ann", str(3 * MOST - 1)) and not refusals.take("ann", "0")
