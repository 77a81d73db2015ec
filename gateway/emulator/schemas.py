"""Request bodies as the vendor publishes them, written out once: https://api.bfl.ai/openapi.json."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, StringConstraints


class OutputFormat(Enum):
    """Encodings of a result; webp was added in 2026."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


Resolution = Literal["768sq", "1k", "1.5k", "2k", "4k"]
Flux3Ratio = Literal[
    "auto", "21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4", "1:1", "4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21"
]  # fmt: skip


def _within_ratio(text: str) -> str:
    """A ratio `W:H` between 21:9 and 9:21, ends included; anything else is a ValueError."""
    left, _, right = text.partition(":")
    if not (left.isdecimal() and right.isdecimal() and int(left) and int(right)):
        raise ValueError("Aspect ratio must be in the format 'width:height'")
    if not 9 * int(right) <= 21 * int(left) or not 9 * int(left) <= 21 * int(right):
        raise ValueError("Aspect ratio must be between 21:9 and 9:21")
    return text


def _not_blank(text: str) -> str:
    """A prompt with something to read in it; FLUX 3 refuses blank ones."""
    if not text.strip():
        raise ValueError("prompt must not be blank")
    return text


Ratio = Annotated[str, AfterValidator(_within_ratio)]
Tolerance5 = Annotated[int, Field(ge=0, le=5)]
Tolerance6 = Annotated[int, Field(ge=0, le=6)]
Pixels64 = Annotated[int, Field(ge=64)]
PixelsBy32 = Annotated[int, Field(ge=256, le=1440, multiple_of=32)]
Margin = Annotated[int, Field(ge=0, le=2048)]


class Inputs(BaseModel):
    """What every FLUX.1 and FLUX.2 endpoint takes; unknown fields vanish without a word there."""

    model_config = ConfigDict(extra="ignore")

    seed: int | None = None
    output_format: OutputFormat | None = OutputFormat.JPEG
    webhook_url: HttpUrl | None = None
    webhook_secret: str | None = None
    user: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None


class KontextInputs(Inputs):
    """`/v1/flux-kontext-pro` and `-max`."""

    prompt: str
    input_image: str | None = None
    input_image_2: str | None = None
    input_image_3: str | None = None
    input_image_4: str | None = None
    aspect_ratio: Ratio | None = None
    output_format: OutputFormat | None = OutputFormat.PNG
    prompt_upsampling: bool = False
    safety_tolerance: Tolerance6 = 2


class KleinInputs(Inputs):
    """`/v1/flux-2-klein-*`; also the common part of the other FLUX.2 endpoints."""

    prompt: str
    input_image: str | None = None
    input_image_2: str | None = None
    input_image_3: str | None = None
    input_image_4: str | None = None
    width: Pixels64 | None = 0
    height: Pixels64 | None = 0
    safety_tolerance: Tolerance5 = 2


class Flux2Inputs(KleinInputs):
    """`/v1/flux-2-pro`, `-pro-preview`, `-max`."""

    input_image_5: str | None = None
    input_image_6: str | None = None
    input_image_7: str | None = None
    input_image_8: str | None = None
    disable_pup: bool = False


class FlexInputs(KleinInputs):
    """`/v1/flux-2-flex`."""

    input_image_5: str | None = None
    input_image_6: str | None = None
    input_image_7: str | None = None
    input_image_8: str | None = None
    input_image_blob_path: str | None = None
    prompt_upsampling: bool | None = True
    guidance: Annotated[float, Field(ge=1.5, le=10)] | None = 5.0
    steps: Annotated[int, Field(ge=1, le=50)] | None = 50


class Pro11Inputs(Inputs):
    """`/v1/flux-pro-1.1`."""

    prompt: str | None = ""
    image_prompt: str | None = None
    width: PixelsBy32 = 1024
    height: PixelsBy32 = 768
    prompt_upsampling: bool = False
    safety_tolerance: Tolerance6 = 2


class DevInputs(Pro11Inputs):
    """`/v1/flux-dev`."""

    prompt: str = ""
    steps: Annotated[int, Field(ge=1, le=50)] | None = 28
    guidance: Annotated[float, Field(ge=1.5, le=5)] | None = 3.0


class UltraInputs(Inputs):
    """`/v1/flux-pro-1.1-ultra`."""

    prompt: str | None = ""
    prompt_upsampling: bool = False
    aspect_ratio: Ratio = "16:9"
    safety_tolerance: Tolerance6 = 2
    raw: bool = False
    image_prompt: str | None = None
    image_prompt_strength: Annotated[float, Field(ge=0, le=1)] = 0.1


class FillInputs(Inputs):
    """`/v1/flux-pro-1.0-fill`: white in the mask, or transparent in the image, is painted."""

    image: str
    mask: str | None = None
    prompt: str | None = ""
    steps: Annotated[int, Field(ge=15, le=50)] | None = 50
    prompt_upsampling: bool | None = False
    guidance: Annotated[float, Field(ge=1.5, le=100)] | None = 60
    safety_tolerance: Tolerance6 = 2


class ExpandInputs(Inputs):
    """`/v1/flux-pro-1.0-expand`."""

    image: str
    top: Margin | None = 0
    bottom: Margin | None = 0
    left: Margin | None = 0
    right: Margin | None = 0
    prompt: str | None = ""
    steps: Annotated[int, Field(ge=15, le=50)] | None = 50
    prompt_upsampling: bool | None = False
    guidance: Annotated[float, Field(ge=1.5, le=100)] | None = 60
    safety_tolerance: Tolerance6 = 2


class Flux3Inputs(BaseModel):
    """`/v1/flux-3-image`: strict, an unknown field is refused."""

    model_config = ConfigDict(extra="forbid")

    prompt: Annotated[str, AfterValidator(_not_blank)]
    images: Annotated[
        list[Annotated[str, StringConstraints(max_length=20_000_000)]] | None,
        Field(min_length=1, max_length=10),
    ] = None
    aspect_ratio: Flux3Ratio = "auto"
    resolution: Resolution = "1k"
    safety_tolerance: Annotated[int, Field(ge=0, le=4)] = 2
    grounding: bool = True
