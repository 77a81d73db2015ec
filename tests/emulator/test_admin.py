"""The admin interface: the same truth and the same script for other processes."""

from __future__ import annotations

from typing import Any

from .conftest import KEY, Client, Photo


async def call(client: Client, method: str, name: str, **rest: Any) -> tuple[int, Any]:
    url = f"{client.bfl.api_url}/_emulator/{name}"
    async with client.session.request(method, url, **rest) as response:
        return response.status, await response.json()


async def test_counts_and_tasks_are_told(client: Client, photo: Photo) -> None:
    """Numbers as in the process; tasks with their fields, pictures as digests; itself uncounted."""
    await client.submit("a", input_image=photo(), seed=5)
    status, counts = await call(client, "GET", "counts")
    assert (status, counts["accepted"], counts["active"]) == (200, 1, 1)
    assert counts["requests"] == {"api": 1}
    (_, (task,)) = await call(client, "GET", "tasks")
    assert (task["model"], task["seed"], task["active"]) == ("flux-kontext-pro", 5, True)
    assert task["fields"]["prompt"] == "a"
    assert task["fields"]["input_image"].startswith("sha256:")
    assert client.bfl.tasks == [task]


async def test_faults_can_be_armed(client: Client) -> None:
    """`times` is one unless told; unknown names are refused."""
    assert (await call(client, "POST", "script", json={"fault": "submit_500"}))[0] == 200
    assert [(await client.post({"prompt": "a"})).status for _ in range(2)] == [500, 200]
    await call(client, "POST", "script", json={"fault": "submit_429", "times": 2, "value": "9"})
    answers = [await client.post({"prompt": "a"}) for _ in range(3)]
    assert [answer.status for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "9"
    assert (await call(client, "POST", "script", json={"fault": "nonsense"}))[0] == 404
    assert "submit_500" in (await call(client, "GET", "faults"))[1]


async def test_reset_forgets(client: Client) -> None:
    """Tasks, counts, credits and armed faults."""
    accepted = await client.submit("a")
    client.bfl.script("submit_500", times=None)
    assert (await call(client, "POST", "reset"))[0] == 200
    assert client.bfl.counts.accepted == 0
    assert client.bfl.tasks == []
    assert (await client.poll(accepted)).status == 404
    assert (await client.post({"prompt": "a"})).status == 200


async def test_credits_and_keys(client: Client, photo: Photo) -> None:
    """An account is emptied and topped up, a key refused everywhere; `reset` forgets both."""
    accepted = await client.submit("a", input_image=photo())
    await call(client, "POST", "credits", json={"credits": 0})
    assert (await client.post({"prompt": "a"})).status == 402
    await call(client, "POST", "credits", json={"credits": 100})
    assert (await client.post({"prompt": "a"})).status == 200
    await call(client, "POST", "revoke", json={"key": KEY})
    assert (await client.post({"prompt": "a"})).status == 403
    async with client.session.get(accepted["polling_url"], headers={"x-key": KEY}) as poll:
        assert poll.status == 403
    await call(client, "POST", "reset")
    assert (await client.post({"prompt": "a"})).status == 200


async def test_a_share_of_the_calls(client: Client) -> None:
    """Some of many, none of them, or all."""
    for share, least, most in ((0.0, 0, 0), (0.5, 10, 50), (1.0, 60, 60)):
        await call(client, "POST", "reset")
        await call(client, "POST", "script", json={"fault": "submit_502", "times": None, "share": share})
        answers = [await client.post({"prompt": "a"}) for _ in range(60)]
        assert least <= sum(answer.status == 502 for answer in answers) <= most


async def test_calm_ends_the_script(client: Client, photo: Photo) -> None:
    """What was struck is told by prompt, what was charged whatever is topped up; tasks keep what they carry."""
    client.bfl.script("submit_500", times=None)
    assert (await client.post({"prompt": "a"})).status == 500
    await call(client, "POST", "calm")
    accepted = await client.submit("b [[fault:task_error]]", input_image=photo())
    await call(client, "POST", "credits", json={"credits": 100})
    assert (await client.finish(accepted))["status"] == "Error"
    _, counts = await call(client, "GET", "counts")
    assert (counts["struck_by_prompt"], counts["charged"]) == ({"a": 1}, 4.0)
