"""How long a wait will be, counted in rounds: rather too long than too short."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def rounds(model: str, load: Mapping[str, int], allowed: int, width: Callable[[str], int]) -> int:
    """
    In which round the last of `model` runs, the present one being 1; `load` counts all submissions by model, `width`
    tells how many of a model can run side by side, `allowed` how many of all.

    In each round either the whole account is busy or the model is at its own ceiling, so the last one is in by round r
    when own / width + others / allowed ≤ r. A model with a ceiling takes no more than that in each round, however many
    of it wait.
    """

    def others(rounds: int) -> int:
        return sum(min(load[other], width(other) * rounds) for other in load if other != model)

    own, side, found = load[model], width(model), 1
    if own <= side and own + others(1) <= allowed:
        return 1
    while (needed := -(-(own * allowed + others(found) * side) // (side * allowed))) > found:
        found = needed
    return found
