"""Paths that nobody serves, and what was probably meant by them: mostly they come of a wrong `base_url`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import dropwhile
from urllib.parse import unquote

_SLASHES = re.compile(r"[/\\]+")
# How often an escape may be escaped itself before nobody undoes it any more.
ESCAPED = 3
_BASES = frozenset({"v1", "openai"})
# The first words of OpenAI's paths: https://developers.openai.com/api/reference
ROOTS = frozenset({
    "assistants", "audio", "batches", "chat", "completions", "containers", "conversations", "embeddings", "evals",
    "files", "fine_tuning", "images", "jobs", "models", "moderations", "organization", "realtime", "responses",
    "skills", "threads", "uploads", "vector_stores", "videos",
})  # fmt: skip
EDITS, GENERATIONS, VARIATIONS = (f"/v1/images/{word}" for word in ("edits", "generations", "variations"))
PICTURES = (EDITS, GENERATIONS, VARIATIONS)
_MEANT = {
    "edit": EDITS, "edits": EDITS, "editing": EDITS,
    "generation": GENERATIONS, "generations": GENERATIONS, "generate": GENERATIONS, "create": GENERATIONS,
    "variation": VARIATIONS, "variations": VARIATIONS,
}  # fmt: skip
_ALIKE = 0.8


def misspelled(path: str) -> tuple[str, ...]:
    """
    What may have been meant by a path at which nothing is served, whoever asks; none for one that may be served, and
    for one that is like nothing known. `path` is decoded, without the gateway's own prefix.

    A doubled `/v1`, and whatever looks like OpenAI's paths for pictures without being one of them: what came with it
    was meant for the gateway, so that no other server gets it.
    """
    if path in PICTURES:
        return ()
    words = _words(path)
    if words[:1] != ["v1"] or len(words) < 2:
        return () if path.startswith("/v1/") else _rooted(words)
    if words[1] not in _BASES:
        return _pictures(words[1:])
    rest = list(dropwhile(_BASES.__contains__, words))
    return _rooted(rest) or ("/".join(("/v1", *rest)),)


def _pictures(words: list[str]) -> tuple[str, ...]:
    """Of a path below `/v1`."""
    first, last = words[0], words[-1]
    if first in _MEANT and len(words) == 1:
        return (_MEANT[first],)
    if first != "images" and (first in ROOTS or not _like_pictures(first, last)):
        return ()
    found = _MEANT.get(last) or next((_MEANT[word] for word in get_close_matches(last, _MEANT, 1, _ALIKE)), None)
    return (found,) if found else (EDITS, GENERATIONS)


def _like_pictures(first: str, last: str) -> bool:
    return last in ("edit", "edits") or bool(get_close_matches(first, ["images"], 1, _ALIKE))


def _rooted(words: list[str]) -> tuple[str, ...]:
    """From the first word on that one of OpenAI's paths begins with."""
    for index, word in enumerate(words):
        if pictures := _pictures(words[index:]):
            return pictures
        if word in ROOTS:
            return ("/".join(("/v1", *words[index:])),)
    return ()


def _words(path: str) -> list[str]:
    """As a server might read it that undoes escapes, doubled slashes, parameters and capitals."""
    for _ in range(ESCAPED):
        path = unquote(path)
    return [word for text in _SLASHES.split(path.partition(";")[0].lower()) if (word := text.strip())]


def hint(meant: tuple[str, ...], prefix: str) -> str:
    """A sentence for whoever configures a client; empty when nothing is known."""
    if not meant:
        return ""
    return f" Did you mean {' or '.join(f'{prefix}{path[:200]}' for path in meant)}? A base_url ends with {prefix}/v1."
