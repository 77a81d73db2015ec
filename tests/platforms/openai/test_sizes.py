"""Sizes that OpenAI's models accept: https://developers.openai.com/api/docs/guides/image-generation"""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.size import Pixels, Ratio, read_size
from gateway.platforms.openai.sizes import LISTED, NARROWEST, WIDEST, accepted


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("gpt-image-1", "1024x1024", "1024x1024"),
        ("gpt-image-1", "16:9", "1536x1024"),
        ("gpt-image-1-mini", "9:16", "1024x1536"),
        ("gpt-image-1.5", "512x512", "1024x1024"),
        ("gpt-image-1.5-2026-01-01", "800x600", "1536x1024"),
        ("gpt-image-1", "1:9", "1024x1536"),
        ("dall-e-2", "512x512", "512x512"),
        ("dall-e-2", "300x200", "256x256"),
        ("dall-e-2", "16:9", "1024x1024"),
        ("dall-e-3", "16:9", "1792x1024"),
        ("gpt-image-2", "16:9", "1536x864"),
        ("gpt-image-2", "3:2", "1536x1024"),
        ("gpt-image-2", "1:1", "1024x1024"),
        ("gpt-image-2", "1:3", "592x1776"),
        ("gpt-image-2", "1040x1040", "1040x1040"),
        ("gpt-image-2", "1041x1041", "1040x1040"),
        ("gpt-image-2", "512x512", "1024x1024"),
        ("gpt-image-2", "8000x4500", "3840x2160"),
        ("chatgpt-image-latest", "1:4", None),
        ("chatgpt-image-latest", "4000x1000", None),
        ("somebodys-model", "500x500", "500x500"),
        (None, "500x500", "500x500"),
        (None, "1:1", "1024x1024"),
        ("gpt-image-1", "auto", "auto"),
        ("somebodys-model", "auto", "auto"),
    ],
)
def test_what_is_sent(model: str | None, asked: str, sent: str | None) -> None:
    """What fits stays; a ratio gets the usual size of its shape; anything else the nearest, shape before area."""
    assert accepted(read_size(asked), model) == sent


lengths = st.integers(1, 9999)
models = st.sampled_from(["gpt-image-2", "gpt-image-2.5", "chatgpt-image-latest"])


@given(st.builds(Pixels, lengths, lengths) | st.builds(Ratio, lengths, lengths), models)
def test_free_sizes_are_within_the_rules(size: Pixels | Ratio, model: str) -> None:
    """Multiples of 16, the long edge, the area and the shape; None only for a shape that is not accepted."""
    sent = accepted(size, model)
    ratio = size.ratio if isinstance(size, Pixels) else size
    if sent is None:
        assert not ratio.within(Ratio(10, 31), Ratio(31, 10)) or not ratio.within(NARROWEST, WIDEST)
        return
    found = read_size(sent)
    assert isinstance(found, Pixels)
    assert found.width % 16 == found.height % 16 == 0 and max(found.width, found.height) <= 3840
    assert 655_360 <= found.count <= 8_294_400 and found.ratio.within(NARROWEST, WIDEST)
    assert abs(log(found.width / found.height) - log(ratio.width / ratio.height)) < 0.1
    assert accepted(found, model) == sent


@given(st.builds(Pixels, lengths, lengths) | st.builds(Ratio, lengths, lengths), st.sampled_from(LISTED))
def test_listed_sizes_are_of_the_list(
    size: Pixels | Ratio, listed: tuple[tuple[str, ...], tuple[tuple[int, int], ...]]
) -> None:
    """Whatever is asked, the model takes what is sent; and what it takes is sent."""
    names, sizes = listed
    texts = [f"{width}x{height}" for width, height in sizes]
    assert accepted(size, names[0].replace("*", "")) in texts
    assert [accepted(Pixels(*each), names[0].replace("*", "")) for each in sizes] == texts
