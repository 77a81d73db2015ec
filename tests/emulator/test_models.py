"""The table of models holds together with the schemas."""

from __future__ import annotations

import pytest

from gateway.emulator.models import MODELS, Model

from .conftest import Client, Photo


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_picture_fields_exist_in_the_schema(model: Model) -> None:
    """Every field said to hold a picture is one the vendor knows."""
    assert set(model.images) <= set(model.schema.model_fields)


@pytest.mark.parametrize("name", MODELS)
async def test_every_model_makes_a_picture(client: Client, photo: Photo, name: str) -> None:
    """Submit, poll, download for each, an input picture where one is required."""
    required = {"image": photo(320, 256)} if "image" in MODELS[name].images else {}
    picture = await client.picture("make it blue", model=name, **required)
    picture.load()
    assert picture.width >= 256
