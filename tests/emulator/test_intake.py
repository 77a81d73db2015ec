"""Validation errors have the shapes FastAPI gives pydantic's, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client

PROMPT = {"prompt": "a"}


async def errors(client: Client, body: object, model: str = "flux-kontext-pro") -> list[dict[str, Any]]:
    response = await client.post(body, model=model)
    assert response.status == 422
    found: list[dict[str, Any]] = (await response.json())["detail"]
    return found


async def test_an_empty_object_lacks_its_prompt(client: Client) -> None:
    """The missing field is named, with the whole body as its input."""
    assert await errors(client, {}) == [
        {"type": "missing", "loc": ["body", "prompt"], "msg": "Field required", "input": {}}
    ]
    assert client.bfl.counts.accepted == 0
    assert client.bfl.counts.refused == {"422": 1}


async def test_a_number_out_of_range_names_its_limit(client: Client) -> None:
    """The limit is in the text and in `ctx`."""
    assert await errors(client, PROMPT | {"safety_tolerance": 7}) == [
        {
            "type": "less_than_equal",
            "loc": ["body", "safety_tolerance"],
            "msg": "Input should be less than or equal to 6",
            "input": 7,
            "ctx": {"le": 6},
        }
    ]


async def test_a_word_outside_its_set_lists_the_set(client: Client) -> None:
    """An unknown output format."""
    assert await errors(client, PROMPT | {"output_format": "gif"}) == [
        {
            "type": "enum",
            "loc": ["body", "output_format"],
            "msg": "Input should be 'jpeg', 'png' or 'webp'",
            "input": "gif",
            "ctx": {"expected": "'jpeg', 'png' or 'webp'"},
        }
    ]


@pytest.mark.parametrize("ratio", ["22:9", "9:22", "1:0", "wide", "16x9", ""])
async def test_a_ratio_outside_its_range_is_refused(client: Client, ratio: str) -> None:
    """Only 21:9 to 9:21 pass; an exception in `ctx` becomes an empty object."""
    (error,) = await errors(client, PROMPT | {"aspect_ratio": ratio})
    assert (error["type"], error["loc"], error["ctx"]) == ("value_error", ["body", "aspect_ratio"], {"error": {}})


@pytest.mark.parametrize("ratio", ["21:9", "9:21", "7:3", "3:7", "1:1", "1920:1080"])
async def test_a_ratio_in_range_passes(client: Client, ratio: str) -> None:
    """Both ends are included."""
    assert (await client.post(PROMPT | {"aspect_ratio": ratio})).status == 200


async def test_flux_3_refuses_unknown_fields(client: Client) -> None:
    """Where the vendor is strict, so is this: extra_forbidden, nothing accepted."""
    (error,) = await errors(client, PROMPT | {"width": 512}, model="flux-3-image")
    assert error == {
        "type": "extra_forbidden",
        "loc": ["body", "width"],
        "msg": "Extra inputs are not permitted",
        "input": 512,
    }


async def test_several_errors_come_together(client: Client) -> None:
    """All problems at once."""
    found = await errors(client, {"input_image": 1, "prompt_upsampling": "perhaps"})
    named = {error["loc"][-1] for error in found}
    assert named == {"prompt", "input_image", "prompt_upsampling"}


@pytest.mark.parametrize(
    ("raw", "content_type", "kind"),
    [
        (b"", "application/json", "missing"),
        (b'{"prompt":', "application/json", "json_invalid"),
        (b"[1]", "application/json", "model_attributes_type"),
        (b'{"prompt":"a"}', "text/plain", "model_attributes_type"),
    ],
)
async def test_what_is_no_json_object(client: Client, raw: bytes, content_type: str, kind: str) -> None:
    """Empty, broken, no object, or not declared as JSON."""
    headers = {"x-key": "test-key-1", "Content-Type": content_type}
    url = f"{client.bfl.api_url}/v1/flux-kontext-pro"
    async with client.session.post(url, data=raw, headers=headers) as response:
        assert response.status == 422
        (error,) = (await response.json())["detail"]
    assert (error["type"], error["loc"][0]) == (kind, "body")


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        ("flux-2-pro", {"safety_tolerance": 6}, "safety_tolerance"),
        ("flux-2-pro", {"width": 32}, "width"),
        ("flux-2-flex", {"guidance": 11}, "guidance"),
        ("flux-2-klein-9b", {"height": 63}, "height"),
        ("flux-pro-1.1", {"width": 1000}, "width"),
        ("flux-dev", {"steps": 51}, "steps"),
        ("flux-pro-1.1-ultra", {"image_prompt_strength": 1.5}, "image_prompt_strength"),
        ("flux-pro-1.0-fill", {}, "image"),
        ("flux-pro-1.0-expand", {"image": "x", "top": 2049}, "top"),
        ("flux-3-image", {"prompt": " "}, "prompt"),
        ("flux-kontext-max", {"webhook_url": "nowhere"}, "webhook_url"),
        ("flux-kontext-max", {"user": ""}, "user"),
    ],
)
async def test_each_model_has_its_own_limits(client: Client, model: str, body: dict[str, Any], field: str) -> None:
    """One broken rule per schema names the field that broke it."""
    found = await errors(client, PROMPT | body, model=model)
    assert [error["loc"][:2] for error in found] == [["body", field]]
