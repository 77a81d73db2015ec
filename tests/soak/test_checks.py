"""Each check can fail."""

from __future__ import annotations

import pytest

from tests.soak.checks import ENOUGH, Asked, above, answered, balanced, crashed, grows, paid_once, reloads, settled


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
