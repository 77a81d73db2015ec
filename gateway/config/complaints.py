"""What a model says against a document, retold with the place, what was found and what is allowed; never a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic_core import ErrorDetails

from gateway.config.document import Document, Entry
from gateway.config.problem import KeyPath, Problem, problem, spell
from gateway.config.shape import Node, Shape
from gateway.config.wording import SECTIONS, did_you_mean, found, plain_words, quote_it, variables


class Complaints:
    """
    Gathers problems about one document; several branches of a union complaining about one value become one problem.

    Args:
        names: keys that have a variable of their own, which an operator without a file is told to set.
    """

    def __init__(self, document: Document, shape: Shape, names: Mapping[KeyPath, str]) -> None:
        self._document = document
        self._shape = shape
        self._names = names
        self._problems: list[Problem] = []
        # What each wrong value should be, in the words of every branch, and what was found instead.
        self._unfit: dict[KeyPath, tuple[Entry, list[str], str]] = {}

    def problems(self) -> list[Problem]:
        unfit = (
            problem(entry.place, path, " or ".join(texts) + told) for path, (entry, texts, told) in self._unfit.items()
        )
        return [*self._problems, *unfit]

    def add(self, error: ErrorDetails) -> None:
        """
        One of pydantic's. A validator may point further down: `ctx["path"]`, relative to where it runs; or tell several
        at once: `ctx["problems"]`, pairs of such a path and a text.
        """
        kind, loc, context = error["type"], error["loc"], error.get("ctx", {})
        if "problems" in context:
            for below, text in context["problems"]:
                self._wrong(*self._locate((*loc, *below)), kind, text)
            return
        if kind == "missing":
            path, _ = self._locate(loc[:-1])
            self._missing(path, (*path, loc[-1]), "is required")
        elif kind == "extra_forbidden":
            path, nodes = self._locate(loc[:-1])
            self._unknown((*path, loc[-1]), self._shape.keys(nodes))
        elif kind in ("union_tag_not_found", "union_tag_invalid"):
            path, nodes = self._locate(loc)
            self._undecided((*path, context["discriminator"].strip("'")), self._shape.tags(nodes))
        elif loc[-1:] == ("[key]",):
            path, _ = self._locate(loc)
            self._problems.append(
                problem(self._document.entries[path].key, path, f"as a key, {plain_words(kind, error['msg'])}")
            )
        else:
            path, nodes = self._locate((*loc, *context.get("path", ())))
            self._wrong(path, nodes, kind, error["msg"])

    def add_booleans(self) -> None:
        """YAML reads `yes` as true, and pydantic takes true for 1: that number was meant by nobody."""
        for path, entry in self._document.entries.items():
            if isinstance(entry.value, bool) and path not in self._unfit:
                nodes = self._shape.at(path)
                types = self._shape.types(nodes)
                if "boolean" not in types and types & {"integer", "number"}:
                    self._wrong(path, nodes, "", "should be a number")

    def add_bare(self) -> None:
        """A list of what is allowed that may be left out, for everything, and of which only the key is there."""
        for path, place in self._document.bare.items():
            if {"array", "null"} <= self._shape.types(self._shape.at(path)):
                text = "is empty; list at least one, or remove the key"
                self._problems.append(problem(place, path, text))

    def _locate(self, loc: Iterable[str | int]) -> tuple[KeyPath, Sequence[Node]]:
        """Pydantic's locations also name union branches: those choose a schema, and are no keys."""
        path: KeyPath = ()
        nodes: Sequence[Node] = self._shape.top
        for piece in loc:
            if tagged := self._shape.tagged(nodes, piece):
                nodes = tagged
            elif (*path, piece) in self._document.entries:
                path = (*path, piece)
                nodes = self._shape.inside(nodes, piece)
        return path, nodes

    def _missing(self, parent: KeyPath, path: KeyPath, text: str) -> None:
        place = self._document.entries[parent].key
        if path in self._document.broken:
            return
        if place.line is None and path in self._names:
            needed = f"is not set; {spell(parent)} needs it" if parent else "is not set"
            self._problems.append(Problem(place.file, None, None, self._names[path], needed))
        else:
            self._problems.append(Problem(place.file, place.line, place.column, spell(path), text))

    def _unknown(self, path: KeyPath, allowed: Sequence[str]) -> None:
        text = f"unknown key{did_you_mean(str(path[-1]), allowed) or ';'} allowed: {', '.join(allowed)}"
        entries = self._document.entries
        self._problems.append(problem(entries.get(path, entries[()]).key, path, text))

    def _undecided(self, path: KeyPath, allowed: Sequence[str]) -> None:
        entry = self._document.entries.get(path)
        if entry is None:
            self._missing(path[:-1], path, f"is required; allowed: {', '.join(allowed)}")
        elif path not in self._document.broken:
            hint = "" if entry.variables else did_you_mean(str(entry.value), allowed)
            text = f"should be one of: {', '.join(allowed)}{found(entry)}{hint}"
            self._problems.append(problem(entry.place, path, text))

    def _wrong(self, path: KeyPath, nodes: Sequence[Node], kind: str, text: str) -> None:
        entry = self._document.entries[path]
        if path in self._document.broken:
            return
        if kind == "too_short" and any(broken[: len(path)] == path for broken in self._document.broken):
            return  # what is missing has been complained about
        if kind in ("value_error", "assertion_error"):
            text = self._without_values(path, text)
        text = plain_words(kind, text)
        # Text in the place of a section may be a key that lost its way.
        hidden = text in SECTIONS or self._shape.secret(nodes)
        told = found(entry, kind, hidden=hidden) + (quote_it(entry) if kind == "string_type" else "")
        _, texts, _ = self._unfit.setdefault(path, (entry, [], told))
        if text not in texts:
            texts.append(text)

    def _without_values(self, path: KeyPath, text: str) -> str:
        """A validator's own words may quote what a variable held."""
        for below, entry in self._document.entries.items():
            if below[: len(path)] == path and entry.variables and entry.value:
                text = text.replace(str(entry.value), variables(entry))
        return text
