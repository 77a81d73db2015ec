"""
What a key opens that names models, unless its `paths` say otherwise: requests that tell in their body which model they
use, and lists that show no more than the key may use. Everything else of an OpenAI account (files, batches, stored
responses and completions, vector stores, fine-tuning, assistants, videos …) belongs to whoever owns the account.

https://developers.openai.com/api/reference
"""

from __future__ import annotations

import re

# POST to exactly these, each with a `model` in its body. Below them is what was stored.
NAMING_MODELS = frozenset(
    {
        "/v1/images/edits",
        "/v1/images/generations",
        "/v1/images/variations",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/embeddings",
    }
)
# GET: answered here, by what the key allows. `/v1/models/` without a name would be somebody else's list.
_ANSWERED_HERE = re.compile(r"/v1/models(?:/.+)?|/v1/jobs/[^/]+")


def told_by_model(method: str, path: str) -> bool:
    """True for what a key's `models` are enough to judge. `path` is OpenAI's spelling, decoded."""
    if method == "POST":
        return path in NAMING_MODELS
    return method in ("GET", "HEAD") and _ANSWERED_HERE.fullmatch(path) is not None
