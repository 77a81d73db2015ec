"""What configured platforms offer to routing."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.offers import offer, offers
from gateway.platforms.contract import Model
from gateway.routing.facts import Kind
from gateway.routing.offer import JobOffer, Menu, RelayOffer
from tests.fakes.relay_front import platform
from tests.fakes.vendor import Vendor

MODELS = {
    "both": Model("both", 1, 1, 1, 1.0, 1.0, generates=True),
    "edits": Model("edits", 1, 1, 1, 1.0, 1.0),
    "text": Model("text", 0, 0, 0, 1.0, 1.0, edits=False, generates=True),
}


class Toy(Vendor):
    models = MODELS
    aliases: Mapping[str, str] = {"e": "edits", "t": "text"}
    default_model = "edits"
    defaults: Mapping[str, str] = {"seed": "1"}


def test_a_menu_for_each_kind() -> None:
    """Models that can do it, with their aliases; the platform's default for that kind, else the first that can."""
    made = offer(Toy())
    assert isinstance(made, JobOffer)
    edits = Menu("edits", {"both": "both", "edits": "edits", "e": "edits"})
    assert made.menus == {
        Kind.EDIT: edits,
        Kind.GENERATION: Menu("both", {"both": "both", "text": "text", "t": "text"}),
    }
    assert made.terms.defaults == {"seed": "1"}

    class Painter(Toy):
        default_generation = "text"

    painter = offer(Painter())
    assert isinstance(painter, JobOffer)
    assert (painter.menus[Kind.EDIT], painter.menus[Kind.GENERATION].default) == (edits, "text")


def test_no_menu_without_a_model() -> None:
    """A platform that only edits is not asked for generations."""
    made = offer(Vendor())
    assert isinstance(made, JobOffer)
    assert set(made.menus) == {Kind.EDIT}


def test_a_relay() -> None:
    """What it is known for, and what the operator says about its model."""
    relay = platform("http://x", models=["a"], aliases={"b": "a"}, image_model="p", image_model_fallback="f")
    assert offers({"openai": relay}) == {"openai": RelayOffer("openai", {"a": "a", "b": "a"}, "p", "f")}
