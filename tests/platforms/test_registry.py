"""From the configuration's `kind` to a platform; what is not configured is not imported."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

from gateway.platforms import registry
from gateway.platforms.bfl import Bfl
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.openai import OpenAi
from gateway.platforms.openai.settings import OpenAiSettings


def test_a_kind_is_a_folder() -> None:
    """Each instance under the operator's own name for it."""
    bfl = registry.build("mine", BflSettings.model_validate({"kind": "bfl", "api_key": "k"}))
    assert isinstance(bfl, Bfl)
    assert (bfl.name, bfl.account, bfl.owner) == ("mine", "mine", "black-forest-labs")
    openai = registry.build("relay", OpenAiSettings.model_validate({"kind": "openai", "api_keys": ["k"]}))
    assert isinstance(openai, OpenAi)


def test_the_folders_are_the_kinds() -> None:
    """Each has settings of that kind, and of no other."""
    assert registry.kinds() == ("bfl", "openai")
    for kind in registry.kinds():
        assert get_args(registry.settings(kind).model_fields["kind"].annotation) == (kind,)


def test_only_what_is_configured_is_imported() -> None:
    """A fresh interpreter with the registry alone knows no vendor."""
    code = (
        "import sys, gateway.platforms.registry; print([m for m in sys.modules if m.startswith('gateway.platforms.')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['gateway.platforms.account', 'gateway.platforms.contract', 'gateway.platforms.registry']"
