"""Each check can fail."""

from __future__ import annotations

import pytest

from tests.soak.checks import (
    ENOUGH,
    Asked,
    Good,
    Trouble,
    above,
    answered,
    balanced,
    countable,
    crashed,
    grows,
    lost_in_truth,
    outlived,
    paid_once,
    reloads,
    served,
    settled,
)


def test_paid_once() -> None:
    """Twice at one vendor, at two vendors, a picture from nowhere, a task that nobody asked for."""
    asked = Asked(paid={"a": 1, "b": 2}, got={"a": 1}, repeated={"b"})
    assert paid_once(asked, {"a": 1, "b": 2}, {"b", "c"}) == []
    assert paid_once(asked, {"a": 2}, ()) == ["'a' was paid for 2 times, 1 were asked"]
    assert paid_once(asked, {"a": 1}, {"a"}) == ["'a' was paid for and relayed"]
    assert paid_once(asked, {}, ()) == ["'a' brought 1 pictures, 0 were paid for"]
    assert paid_once(asked, {"a": 1, "c": 1}, ()) == ["'c' was paid for 1 times, 0 were asked"]


def test_answered() -> None:
    """A client that never came, and an answer that nobody expected."""
    assert answered(Asked(answers={("edit", 200): 3}), ["edit"]) == []
    assert answered(Asked(answers={("edit", 200): 3}), ["edit", "mask"]) == ["no client ever did 'mask'"]
    assert answered(Asked(answers={("edit", 200): 3}, surprises=["500"]), ["edit"]) == ["500"]


def test_growth() -> None:
    """A leak shows through the waves of the load; warming up does not count, and few samples say nothing."""
    waves = [100.0 + 50 * (index % 5) for index in range(ENOUGH)]
    assert grows("memory", waves, ratio=0.05, slack=0) == []
    assert grows("memory", [0.0] * 20 + waves, ratio=0.05, slack=0) == []
    leaking = [value + index for index, value in enumerate(waves)]
    (told,) = grows("memory", leaking, ratio=0.05, slack=0)
    assert told.startswith("memory grew from 120 to 14")
    assert grows("memory", leaking, ratio=0.05, slack=30) == []
    assert grows("memory", leaking[:30], ratio=0.05, slack=0) == []


def test_above() -> None:
    """The highest counts."""
    assert above("held", [1, 5, 2], 5) == []
    assert above("held", [1, 6, 2], 5) == ["held reached 6, past 5"]


def test_settled() -> None:
    """What is named has to be back; a gauge that is missing is an error of the check."""
    assert settled({"queue": 0, "other": 9}, {"queue": 0}) == []
    assert settled({"queue": 1}, {"queue": 0}) == ["queue is 1 at the end, not 0"]
    with pytest.raises(KeyError):
        settled({}, {"queue": 0})


def test_reloads() -> None:
    """A gateway that never read the file again, or did not take the last one."""
    assert reloads([1, 0, 1], 1) == []
    assert reloads([1, 1, 1], 1) == ["reloads were told as [1], the last as 1"]
    assert reloads([1, 0, 1], 0) == ["reloads were told as [0, 1], the last as 0"]


@pytest.mark.parametrize("line", ["Traceback (most recent call last)", "Task exception was never retrieved"])
def test_crashed(line: str) -> None:
    """Both words are found anywhere in a line."""
    assert crashed('{"event": "request"}\n') == []
    assert crashed(f'ok\n{{"exception": "{line}"}}\n') == [f'the log says {{"exception": "{line}"}}']


def test_balanced() -> None:
    """Too little is never right, too much only where it is explained."""
    assert balanced("credits", 10, 10) == balanced("credits", 12, 10, more=2) == []
    assert balanced("credits", 9, 10, more=5)
    assert balanced("credits", 13, 10, more=2)


EMPTY, LOSSY = Trouble("empty", 10.0, 20.0, serves=False), Trouble("lossy", 40.0, 50.0, serves=True)
BEFORE, SHORTLY, LATE = Good("a", 1, 9, "200"), Good("b", 21, 22, "503 x"), Good("c", 30, 31, "503 x")
MEANWHILE, STRUCK = Good("d", 42, 43, "503 x"), Good("e", 51, 52, "502 x")


def test_countable() -> None:
    """What nobody could serve does not count, nor what a fault struck; everything else does."""
    good = [BEFORE, SHORTLY, LATE, MEANWHILE, STRUCK, Good("f", 9, 11, "503 x"), Good("g", 12, 13, "503 x")]
    assert countable(good, [EMPTY, LOSSY], {"e"}, 2.0) == [BEFORE, LATE, MEANWHILE]
    assert countable(good, [EMPTY, LOSSY], (), 0.5) == [BEFORE, SHORTLY, LATE, MEANWHILE, STRUCK]


def test_served() -> None:
    """A share, and what the others were told."""
    many = [BEFORE] * ENOUGH
    assert served([LATE], 0.9) == served(many, 1.0) == served([*many, LATE], 0.9) == []
    assert served([*many, LATE], 1.0) == ["1 of 61 good requests were not served: {'503 x': 1}"]


def test_outlived() -> None:
    """The last refusal before anybody is served, or the next trouble; what was struck says nothing."""
    assert outlived([BEFORE, SHORTLY, MEANWHILE, STRUCK], [EMPTY, LOSSY], {"e"}) == [(EMPTY, 1.0), (LOSSY, 0.0)]
    assert outlived([LATE, SHORTLY, STRUCK], [EMPTY, LOSSY], ()) == [(EMPTY, 10.0), (LOSSY, 1.0)]
    assert outlived([LATE, SHORTLY, Good("f", 23, 24, "200")], [EMPTY], ()) == [(EMPTY, 1.0)]


def test_lost_in_truth() -> None:
    """Only the vendor's own loss excuses it."""
    assert lost_in_truth(Asked(lost={"a"}), {"a": 1}) == []
    assert lost_in_truth(Asked(lost={"a", "b"}), {"a": 1}) == ["'b' was told that its answer is lost, and it was not"]
