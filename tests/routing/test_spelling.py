"""A path that is almost right is told the right one, and goes to nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.spelling import EDITS, GENERATIONS, PICTURES, ROOTS, hint, misspelled

BOTH = (EDITS, GENERATIONS)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/images/edits", (EDITS,)),
        ("/chat/completions", ("/v1/chat/completions",)),
        ("/models", ("/v1/models",)),
        ("/api/v1/images/edits", (EDITS,)),
        ("/v2/images/edits", (EDITS,)),
        ("/openai/images/generations", (GENERATIONS,)),
        ("/openai/deployments/gpt-image-2/images/edit", (EDITS,)),
        ("/v1/v1/images/edits", (EDITS,)),
        ("/v1/v1/chat/completions", ("/v1/chat/completions",)),
        ("/v1/openai/v1/responses", ("/v1/responses",)),
        ("/v1//v1/something/new", ("/v1/something/new",)),
        ("/v1/%76%31/files", ("/v1/files",)),
        ("/v1/images/edit", (EDITS,)),
        ("/v1/images/edits/", (EDITS,)),
        ("/v1/Images//Edits", (EDITS,)),
        ("/v1/images/edtis", (EDITS,)),
        ("/v1/image/edits", (EDITS,)),
        ("/v1/imges/edits", (EDITS,)),
        ("/v1/img/edit", (EDITS,)),
        ("/v1/edits", (EDITS,)),
        ("/v1/images/generate", (GENERATIONS,)),
        ("/v1/images/generation", (GENERATIONS,)),
        ("/v1/images/generations/x", BOTH),
        ("/v1/images", BOTH),
        ("/v1/images/upscale", BOTH),
        ("/", ()),
        ("/favicon.ico", ()),
        ("/v1/", ()),
        ("/v1/something/new", ()),
        ("/v1/messages", ()),
        ("/v1/rerank", ()),
        ("/v1/files/file-1/content", ()),
        ("/v1/videos/edits", ()),
        ("/v1/audio/generations", ()),
        *((path, ()) for path in PICTURES),
    ],
)
def test_what_was_meant(path: str, meant: tuple[str, ...]) -> None:
    """Missing and doubled bases, and whatever looks like a path of pictures; nothing for what somebody may serve."""
    assert misspelled(path) == meant


@given(st.sampled_from(sorted(ROOTS - {"images"})), st.lists(st.text("abcdefz_-0123456789", min_size=1), max_size=3))
def test_openais_other_paths_are_left_alone(root: str, rest: list[str]) -> None:
    """What begins like one of OpenAI's paths and is not about pictures is relayed, whatever follows."""
    assert misspelled("/".join(("/v1", root, *rest))) == ()


@given(st.lists(st.text(max_size=12), max_size=5))
def test_any_path_has_an_answer(words: list[str]) -> None:
    """It never fails, and a hint fits into one line."""
    assert len(hint(misspelled("/" + "/".join(words)), "/p")) < 600


def test_the_hint() -> None:
    """The operator's own prefix is in it."""
    assert hint((EDITS,), "/p") == " Did you mean /p/v1/images/edits? A base_url ends with /p/v1."
    assert hint((), "/p") == ""
