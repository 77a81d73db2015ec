"""What a route chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class MaskPolicy(StrEnum):
    """What happens to a mask that the chosen model cannot take."""

    REFUSE = "refuse"
    FILL = "fill"


class OversizePolicy(StrEnum):
    """What happens to a picture with more pixels, or bytes, than the model takes."""

    REFUSE = "refuse"
    DOWNSCALE = "downscale"


class ConvertPolicy(StrEnum):
    """What a picture in another format than vendors take becomes."""

    REFUSE = "refuse"
    PNG = "png"
    JPEG = "jpeg"


class SizePolicy(StrEnum):
    """Which size an answered picture has: the one that the model makes of what was asked, or exactly that."""

    MODEL = "model"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What a route says about the fields of a request, by the client's names.

    `defaults` are used where the client sent none; `overrides` replace what it sent; `pins` are values other than which
    it may not send. `rule` is the name of the rule that chose the target.
    """

    defaults: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    mask: MaskPolicy = MaskPolicy.REFUSE
    oversize: OversizePolicy = OversizePolicy.REFUSE
    convert: ConvertPolicy = ConvertPolicy.REFUSE
    size_policy: SizePolicy = SizePolicy.MODEL
    rule: str = ""


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class JobTarget:
    """A platform instance and one of its models: the request is translated and worked as a paid job."""

    platform: str
    model: str
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """
    A platform instance that speaks OpenAI itself: the request is streamed there and back.

    `model` is sent in place of the client's; None leaves it as it is.
    """

    platform: str
    model: str | None = None
    terms: Terms = NO_TERMS


Target = JobTarget | RelayTarget
