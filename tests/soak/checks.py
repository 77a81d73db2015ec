"""What has to be true of a gateway that was under load, each as a function from what was seen to what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

# Fewer say nothing about a slope.
ENOUGH = 60
CRASHES = ("Traceback", "never retrieved", "never awaited", "unclosed", "submission crashed", "books are wrong")


@dataclass(frozen=True, slots=True)
class Sample:
    """
    The process at one moment of the load; `held` counts picture bytes in memory, `reloaded` is 1 when the last
    configuration was good. It took so long to be told, in seconds of the wall. Submissions wait and run.
    """

    rss: float
    descriptors: float
    threads: float
    children: float
    tasks: float
    held: float
    reloaded: float
    took_s: float = 0.0
    waiting: float = 0.0
    running: float = 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One at the vendor, in seconds of the wall. `serves`: good requests are served while it lasts."""

    name: str
    began: float
    ended: float
    serves: bool


@dataclass(frozen=True, slots=True)
class Good:
    """A request that nothing was wrong with, of a client that only the vendor serves; in seconds of the wall."""

    prompt: str
    begun: float
    ended: float
    told: str

    @property
    def served(self) -> bool:
        return self.told == "200"

    def during(self, trouble: Trouble, more_s: float = 0.0) -> bool:
        return self.begun < trouble.ended + more_s and self.ended > trouble.began


@dataclass(slots=True)
class Asked:
    """
    What clients have asked and been told. `paid` is by prompt the most tasks that may have been paid for, `got` the
    pictures that a client received, `repeated` the prompts that were sent more than once, `lost` those whose answer is
    said to be lost. `answers` are the statuses by behaviour, `surprises` those that no client expected.
    """

    paid: dict[str, int] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    got: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    good: list[Good] = field(default_factory=list)
    answers: dict[tuple[str, int], int] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)


def paid_once(asked: Asked, accepted: Mapping[str, int], relayed: Collection[str]) -> list[str]:
    """
    No prompt was paid for more often than it was asked, and every picture was paid for. What went on to the relay had
    been paid for nowhere; a repetition of it may be taken by the first platform again.
    """
    wrong = [
        f"{prompt!r} was paid for {count} times, {asked.paid.get(prompt, 0)} were asked"
        for prompt, count in accepted.items()
        if count > asked.paid.get(prompt, 0)
    ]
    once = accepted.keys() - asked.repeated
    wrong += [f"{prompt!r} was paid for and relayed" for prompt in relayed if prompt in once]
    return wrong + [
        f"{prompt!r} brought {got} pictures, {accepted.get(prompt, 0)} were paid for"
        for prompt, got in asked.got.items()
        if got > accepted.get(prompt, 0)
    ]


def answered(asked: Asked, behaviours: Sequence[str]) -> list[str]:
    """Every kind of client came, and nobody heard what it should not."""
    return asked.surprises[:20] + [f"no client ever did {name!r}" for name in sorted(missing(asked, behaviours))]


def missing(asked: Asked, behaviours: Sequence[str]) -> set[str]:
    """The kinds of clients that have not come yet."""
    return set(behaviours) - {who for who, _ in asked.answers}


def lost_in_truth(asked: Asked, struck: Collection[str]) -> list[str]:
    """Nobody is told that an answer is lost which was not."""
    return [f"{prompt!r} was told that its answer is lost, and it was not" for prompt in asked.lost - set(struck)]


def countable(
    good: Sequence[Good], troubles: Sequence[Trouble], struck: Collection[str], within_s: float
) -> list[Good]:
    """Those that no fault struck, and that the vendor could serve: also `within_s` after it could again."""
    deaf = [trouble for trouble in troubles if not trouble.serves]
    hit = set(struck)
    return [one for one in good if one.prompt not in hit and not any(one.during(each, within_s) for each in deaf)]


def served(good: Sequence[Good], least: float) -> list[str]:
    """So large a part of them got what it asked for."""
    refused = Counter(one.told for one in good if not one.served)
    if len(good) < ENOUGH or refused.total() <= (1 - least) * len(good):
        return []
    return [f"{refused.total()} of {len(good)} good requests were not served: {dict(refused)}"]


def outlived(good: Sequence[Good], troubles: Sequence[Trouble], struck: Collection[str]) -> list[tuple[Trouble, float]]:
    """For how long after each, and before the next, requests went on to begin that were refused: in seconds."""
    hit, found = set(struck), list[tuple[Trouble, float]]()
    for trouble, after in zip(troubles, [*troubles[1:], None], strict=True):
        late = 0.0
        for one in sorted(good, key=lambda one: one.begun):
            if one.begun < trouble.ended or one.prompt in hit or (after is not None and one.ended > after.began):
                continue
            if one.served:
                break
            late = one.begun - trouble.ended
        found.append((trouble, late))
    return found


def grows(name: str, values: Sequence[float], *, ratio: float, slack: float) -> list[str]:
    """
    The lowest value of the last third against that of the middle one: what comes and goes with the load does not count,
    what stays does. The first third is for warming up.
    """
    if len(values) < ENOUGH:
        return []
    third = len(values) // 3
    before, after = min(values[third : 2 * third]), min(values[2 * third :])
    limit = before * (1 + ratio) + slack
    return [f"{name} grew from {before:.0f} to {after:.0f}, past {limit:.0f}"] if after > limit else []


def above(name: str, values: Sequence[float], limit: float) -> list[str]:
    return [f"{name} reached {max(values):.0f}, past {limit:.0f}"] if max(values) > limit else []


def settled(gauges: Mapping[str, float], limits: Mapping[str, float]) -> list[str]:
    """Everything that counts what is under way is back where it was."""
    over = {name: most for name, most in limits.items() if gauges[name] > most}
    return [f"{name} is {gauges[name]:.0f} at the end, not {most:.0f}" for name, most in over.items()]


def reloads(seen: Sequence[float], last: float) -> list[str]:
    """Good and bad files were noticed, and the last one was good."""
    return [f"reloads were told as {sorted(set(seen))}, the last as {last:g}"] * (set(seen) != {0, 1} or last != 1)


def crashed(log: str) -> list[str]:
    """The log tells of no bug and of nothing left open."""
    return [f"the log says {line[:300]}" for line in log.splitlines() if any(word in line for word in CRASHES)][:5]


def balanced(name: str, ours: float, theirs: float, *, more: float = 0.0) -> list[str]:
    """Our books against the vendor's; ours may be `more`, for what may have been charged and was not."""
    if theirs - 1e-6 <= ours <= theirs + more + 1e-6:
        return []
    return [f"{name}: the gateway counted {ours:g}, the vendor {theirs:g}, and at most {more:g} more are explained"]
