"""Black Forest Labs' models as a table."""

from __future__ import annotations

from gateway.platforms.contract import Model

MIB, MEGA = 1024 * 1024, 1_000_000

# Input limits: https://docs.bfl.ai/kontext/kontext_image_editing (20 MB or 20 MP per picture; four reference pictures).
# Active tasks, 24 per account and 6 for kontext-max: https://docs.bfl.ai/quick_start/introduction
# Medians are wall-clock times that users of the hosted models saw in September 2026; the pace corrects them.
KONTEXT = {
    model.name: model
    for model in (
        Model("flux-kontext-pro", 4, 20 * MIB, 20 * MEGA, median_s=7.0, sigma=0.25),
        Model("flux-kontext-max", 4, 20 * MIB, 20 * MEGA, median_s=8.0, sigma=0.25, ceiling=6),
    )
}

# https://docs.bfl.ai/kontext/kontext_image_editing: 3:7 to 7:3, the same bounds as the schema's 9:21 to 21:9.
NARROWEST, WIDEST = (3, 7), (7, 3)

# https://docs.bfl.ai/kontext/kontext_image_editing: 0 to 2 where a picture is edited; the schema's 6 is for text alone.
TOLERANCE_HIGHEST = 2
