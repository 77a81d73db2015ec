"""The models as one table: what each takes, what it costs, how long it takes, how big its picture is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from gateway.emulator import schemas

Sizing = Literal["bucket", "double_bucket", "pixels", "given", "as_input", "margins", "resolution"]

FOUR_IMAGES = ("input_image", "input_image_2", "input_image_3", "input_image_4")
EIGHT_IMAGES = (*FOUR_IMAGES, "input_image_5", "input_image_6", "input_image_7", "input_image_8")


@dataclass(frozen=True, slots=True)
class Model:
    """
    One endpoint.

    Args:
        name: last part of its path.
        schema: its request body.
        family: 1, 2 or 3, as in FLUX.1, FLUX.2, FLUX 3; decides the shape of answers.
        sizing: how the result's pixel size follows from the request.
        credits: price of the first megapixel.  credits_per_mp: price of each further one.
        median_s: usual time from submit to Ready, seconds.
        images: the fields that hold pictures, in order.
        progress: whether `progress` counts up while it is pending.
        min_side, max_pixels: of a picture it can work with.
    """

    name: str
    schema: type[BaseModel]
    family: Literal[1, 2, 3]
    sizing: Sizing
    credits: float
    median_s: float
    images: tuple[str, ...]
    credits_per_mp: float = 0.0
    progress: bool = False
    min_side: int = 1
    max_pixels: int = 20_000_000

    @property
    def upsamples(self) -> bool:
        """Whether it rewrites prompts unless told not to."""
        field = self.schema.model_fields.get("prompt_upsampling")
        return "disable_pup" in self.schema.model_fields or (field is not None and field.default is True)


# Prices: https://docs.bfl.ai/quick_start/pricing. Times: medians observed in 2025 and 2026.
# Pictures: https://docs.bfl.ai/flux_2/flux2_image_editing and https://docs.bfl.ai/flux_3/flux3_image.
# FLUX 3 has no published price; its number is a stand-in.
MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("flux-kontext-pro", schemas.KontextInputs, 1, "bucket", 4, 7.0, FOUR_IMAGES),
        Model("flux-kontext-max", schemas.KontextInputs, 1, "bucket", 8, 8.0, FOUR_IMAGES),
        Model("flux-2-pro", schemas.Flux2Inputs, 2, "pixels", 3, 12.0, EIGHT_IMAGES, 1.5, min_side=64),
        Model("flux-2-pro-preview", schemas.Flux2Inputs, 2, "pixels", 3, 12.0, EIGHT_IMAGES, 1.5, min_side=64),
        Model("flux-2-max", schemas.Flux2Inputs, 2, "pixels", 7, 30.0, EIGHT_IMAGES, 3, min_side=64),
        Model("flux-2-flex", schemas.FlexInputs, 2, "pixels", 5, 8.0, EIGHT_IMAGES, 5, min_side=64),
        Model("flux-2-klein-4b", schemas.KleinInputs, 2, "pixels", 1.4, 2.0, FOUR_IMAGES, 0.1, min_side=64),
        Model("flux-2-klein-9b", schemas.KleinInputs, 2, "pixels", 1.5, 3.0, FOUR_IMAGES, 0.2, min_side=64),
        Model("flux-2-klein-9b-preview", schemas.KleinInputs, 2, "pixels", 1.5, 3.0, FOUR_IMAGES, 0.2, min_side=64),
        Model("flux-pro-1.1", schemas.Pro11Inputs, 1, "given", 4, 2.4, ("image_prompt",)),
        Model("flux-pro-1.1-ultra", schemas.UltraInputs, 1, "double_bucket", 6, 11.0, ("image_prompt",)),
        Model("flux-dev", schemas.DevInputs, 1, "given", 2.5, 4.7, ("image_prompt",), progress=True),
        Model("flux-pro-1.0-fill", schemas.FillInputs, 1, "as_input", 5, 4.5, ("image",)),
        Model("flux-pro-1.0-expand", schemas.ExpandInputs, 1, "margins", 5, 10.0, ("image",)),
        Model(
            "flux-3-image",
            schemas.Flux3Inputs,
            3,
            "resolution",
            4,
            12.0,
            ("images",),
            min_side=256,
            max_pixels=16_000_000,
        ),
    )
}
