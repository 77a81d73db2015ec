"""Black Forest Labs' models as a table. https://api.bfl.ai/openapi.json has the fields and their ranges."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.edit import OutputFormat
from gateway.domain.size import Pixels
from gateway.platforms.bfl.kinds import MEGAPIXEL, Flux, Grid, Naming, Price, Sizing
from gateway.platforms.bfl.options import Decimal, Option, Truth, Whole, Word

MIB, MEGA = 1024 * 1024, 1_000_000

# https://docs.bfl.ai/kontext/kontext_image_editing: 3:7 to 7:3, the same bounds as the schema's 9:21 to 21:9.
NARROWEST, WIDEST = (3, 7), (7, 3)

# The schema has no bounds; what does not fit 64 bits comes back as another number.
SEED_HIGHEST = 2**63 - 1
SEED: dict[str, Option] = {"seed": Whole(0, SEED_HIGHEST)}
UPSAMPLING: dict[str, Option] = {"prompt_upsampling": Truth()}

SQUARE = Pixels(1024, 1024)

# Medians are wall-clock times that users of the hosted models saw in autumn 2026; the pace corrects them.
# Active tasks, 24 per account and 6 for kontext-max: https://docs.bfl.ai/quick_start/introduction
# Prices: https://docs.bfl.ai/quick_start/pricing

# https://docs.bfl.ai/kontext/kontext_image_editing: 20 MB or 20 MP per picture; four reference pictures; a tolerance of
# 0 to 2 where a picture is edited, the schema's 6 is for text alone.
KONTEXT_PRO = Flux(
    "flux-kontext-pro",
    4,
    20 * MIB,
    20 * MEGA,
    median_s=7.0,
    sigma=0.25,
    generates=True,
    sizing=Sizing.RATIO,
    tolerance=2,
    tolerance_from_text=6,
    options=SEED | UPSAMPLING,
    price=Price(4),
    default_size=SQUARE,
    format=OutputFormat.PNG,
)
KONTEXT_MAX = replace(KONTEXT_PRO, name="flux-kontext-max", median_s=8.0, ceiling=6, price=Price(8))

# https://docs.bfl.ai/flux_2/flux2_image_editing: up to eight pictures by the API, from 64 x 64; results in multiples of
# 16, 4 MP at most. Prompts are rewritten unless `disable_pup` is set.
FLUX_2_PRO = Flux(
    "flux-2-pro",
    8,
    20 * MIB,
    20 * MEGA,
    median_s=12.0,
    sigma=0.25,
    generates=True,
    sizing=Grid(step=16, lowest=64, highest=4 * MEGAPIXEL // 64, most=4 * MEGAPIXEL),
    tolerance=5,
    tolerance_from_text=5,
    options=SEED | {"disable_pup": Truth()},
    price=Price(3, further=1.5, read=1.5),
    default_size=SQUARE,
    min_side=64,
)
FLUX_2_MAX = replace(FLUX_2_PRO, name="flux-2-max", median_s=36.0, sigma=0.3, price=Price(7, further=3, read=3))
FLUX_2_FLEX = replace(
    FLUX_2_PRO,
    name="flux-2-flex",
    median_s=8.0,
    options=SEED | UPSAMPLING | {"guidance": Decimal(1.5, 10), "steps": Whole(1, 50)},
    price=Price(5, further=5, read=5),
)
KLEIN_4B = replace(
    FLUX_2_PRO,
    name="flux-2-klein-4b",
    max_images=4,
    median_s=2.5,
    options=SEED,
    price=Price(1.4, further=0.1, read=0.1),
)
KLEIN_9B = replace(KLEIN_4B, name="flux-2-klein-9b", median_s=3.5, price=Price(1.5, further=0.2, read=0.2))

# https://docs.bfl.ai/flux_models/flux_1_1_pro: width and height in multiples of 32, 1024 x 768 unless asked otherwise.
PRO_1_1 = Flux(
    "flux-pro-1.1",
    0,
    20 * MIB,
    20 * MEGA,
    median_s=2.4,
    sigma=0.25,
    edits=False,
    generates=True,
    sizing=Grid(step=32, lowest=256, highest=1440, most=1440 * 1440),
    tolerance=6,
    tolerance_from_text=6,
    options=SEED | UPSAMPLING,
    price=Price(4),
    default_size=Pixels(1024, 768),
)
# https://docs.bfl.ai/flux_models/flux_dev
DEV = replace(
    PRO_1_1,
    name="flux-dev",
    median_s=4.7,
    options=SEED | UPSAMPLING | {"steps": Whole(1, 50), "guidance": Decimal(1.5, 5)},
    price=Price(2.5),
)
# https://docs.bfl.ai/flux_models/flux_1_1_pro_ultra_raw: 4 MP by ratio, 16:9 unless asked otherwise.
ULTRA = replace(
    PRO_1_1,
    name="flux-pro-1.1-ultra",
    median_s=12.0,
    sizing=Sizing.RATIO,
    options=SEED | UPSAMPLING | {"raw": Truth()},
    price=Price(6),
    default_size=Pixels(2784, 1504),
)

# https://docs.bfl.ai/flux_tools/flux_1_fill: one picture and its mask, white where it is painted, both as base64.
FILL = Flux(
    "flux-pro-1.0-fill",
    1,
    20 * MIB,
    20 * MEGA,
    median_s=4.5,
    sigma=0.25,
    masks=True,
    sizing=Sizing.INPUT,
    tolerance=6,
    tolerance_from_text=6,
    options=SEED | UPSAMPLING | {"steps": Whole(15, 50), "guidance": Decimal(1.5, 100)},
    price=Price(5),
    default_size=SQUARE,
    naming=Naming.SINGLE,
)

# https://docs.bfl.ai/flux_3/flux3_image: ten pictures as an array, each 20 000 000 characters of base64, 16 MP and 256
# pixels a side; nothing but PNG, no seed, and every unknown field is refused. No price is published.
FLUX_3 = Flux(
    "flux-3-image",
    10,
    15_000_000,
    16 * MEGA,
    median_s=12.0,
    sigma=0.3,
    generates=True,
    sizing=Sizing.PRESET,
    tolerance=4,
    tolerance_from_text=4,
    options={"resolution": Word(("768sq", "1k", "1.5k", "2k", "4k")), "grounding": Truth()},
    price=None,
    default_size=SQUARE,
    naming=Naming.ARRAY,
    format=OutputFormat.PNG,
    strict=True,
    min_side=256,
)

MODELS = {
    model.name: model
    for model in (
        KONTEXT_PRO,
        KONTEXT_MAX,
        FLUX_2_PRO,
        replace(FLUX_2_PRO, name="flux-2-pro-preview"),
        FLUX_2_MAX,
        FLUX_2_FLEX,
        KLEIN_4B,
        KLEIN_9B,
        replace(KLEIN_9B, name="flux-2-klein-9b-preview"),
        FLUX_3,
        FILL,
        PRO_1_1,
        ULTRA,
        DEV,
    )
}
