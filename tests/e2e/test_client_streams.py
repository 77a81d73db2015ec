"""`stream=True`: events that the official clients understand, one per picture, and failures that raise."""

from __future__ import annotations

from tests.e2e.client import Client
from tests.e2e.conftest import Truth, shown


async def test_one_event_per_picture(sdk: Client, prompt: str, truth: Truth) -> None:
    """`n=2` is two completed events with whole pictures; partial ones may be asked for and do not come."""
    answer = await sdk.edit(prompt, stream=True, partial_images=2, n=2, size="1024x1024")
    assert [event["type"] for event in answer["events"]] == ["image_edit.completed"] * 2
    for event in answer["events"]:
        assert shown(event).size == (1024, 1024)
        assert (event["size"], event["output_format"]) == ("1024x1024", "png")
        assert event["created_at"] > 1_700_000_000
    assert await truth.accepted(prompt) == 2


async def test_a_fault_before_the_stream(sdk: Client, prompt: str, truth: Truth) -> None:
    """What is wrong before the platform has accepted anything is an ordinary error with its own status."""
    error = (await sdk.edit(prompt, stream=True, size="1x9"))["error"]
    assert (error["class"], error["param"]) == ("BadRequestError", "size")
    assert await truth.accepted(prompt) == 0


async def test_a_fault_within_the_stream(sdk: Client, prompt: str, truth: Truth) -> None:
    """After the start a failure is an event that the client raises as an APIError, with its code, once."""
    prompt += "[[fault:task_error=out of memory]]"
    error = (await sdk.edit(prompt, stream=True))["error"]
    assert (error["class"], error["code"], error["type"]) == ("APIError", "platform_error", "server_error")
    assert await truth.accepted(prompt) == 1


async def test_a_refusal_within_the_stream(sdk: Client, prompt: str, truth: Truth) -> None:
    """A moderated picture ends the stream with the code that applications look for."""
    prompt += "[[fault:content_moderated=Violence]]"
    error = (await sdk.edit(prompt, stream=True))["error"]
    assert (error["class"], error["code"]) == ("APIError", "moderation_blocked")
    assert "rejected by the safety system" in error["text"]
    assert await truth.accepted(prompt) == 1


async def test_one_of_two_is_refused(sdk: Client, prompt: str, truth: Truth) -> None:
    """A finished picture is not lost because its sibling was refused: it arrives, streamed or not."""
    for stream in (True, False):
        await truth.script("content_moderated")
        answer = await sdk.edit(f"{prompt} {stream}", n=2, stream=stream or None)
        assert [shown(item).format for item in answer["events" if stream else "pictures"]] == ["PNG"]
        assert await truth.accepted(f"{prompt} {stream}") == 2
