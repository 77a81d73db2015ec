"""A checked submission becomes a task: ceilings, price, seed, size, ending, and the picture begun."""

from __future__ import annotations

import asyncio
import math

from gateway.emulator import pictures
from gateway.emulator.faults import Armed
from gateway.emulator.inputs import CORRUPTED, BadInput
from gateway.emulator.intake import Submission
from gateway.emulator.models import Model
from gateway.emulator.pictures import Order
from gateway.emulator.sizes import MEGAPIXEL, Size, result_size
from gateway.emulator.tasks import Charge, Ending, Task
from gateway.emulator.world import World

# Twice as long as the gateway gives a task its slot for.
LONG_S = 1800.0


class TooManyActive(Exception):
    """A ceiling on unfinished tasks is reached; its text is the public one."""


def accept(world: World, model: Model, submission: Submission, account: str) -> Task:
    """
    Begin a task. Nothing awaits in here, so ceilings hold exactly.

    Raises:
        TooManyActive: the account has as many unfinished tasks as it may.
    """
    now = world.now
    _check_ceilings(world, model, account, now)
    sizes = tuple(source.size for source in submission.sources)
    size = result_size(model, submission.fields, sizes)
    asked = submission.fields.get("seed")
    seed = world.new_seed() if asked is None else int(asked)
    riding = world.faults.riding(submission.prompt)
    planned = next((ending for armed in riding if (ending := _planned(armed))), None)
    order = Order(
        prompt=submission.prompt,
        seed=seed,
        size=size,
        output_format=submission.fields.get("output_format") or _default_format(model),
        sources=submission.sources,
        mask=submission.mask,
        corner=_corner(submission) if model.sizing == "margins" else None,
    )
    duration = world.task_time(model.name, model.median_s) + sum(_longer(world, armed) for armed in riding)
    task = Task(
        id=world.new_id(),
        model=model,
        account=account,
        prompt=submission.prompt,
        seed=seed,
        output_format=order.output_format,
        size=size,
        fields=submission.sent,
        charge=price(model, sizes, size),
        started=now,
        ends=now + duration,
        making=world.spawn(_make(world, order, "skipped" if planned else submission.problem)),
        planned=planned,
        riding=riding,
        webhook=submission.fields.get("webhook_url") is not None,
    )
    world.tasks.add(task, now)
    if not (planned and planned.status.endswith("Moderated")):
        world.charge(account, task.charge.cost)
    _count(world, submission, task, now)
    return task


def price(model: Model, inputs: tuple[Size, ...], output: Size) -> Charge:
    """Credits by whole megapixels, begun ones counted: the first, each further one out, each one in."""
    input_mp = sum(width * height for width, height in inputs) / MEGAPIXEL
    output_mp = output[0] * output[1] / MEGAPIXEL
    further = max(0, math.ceil(output_mp) - 1) + math.ceil(input_mp)
    cost = model.credits + further * model.credits_per_mp
    return Charge(float(cost), round(input_mp, 2), round(output_mp, 2))


def _check_ceilings(world: World, model: Model, account: str, now: float) -> None:
    active = world.tasks.active(account, now)
    limit = world.settings.max_active_by_model.get(model.name)
    if active.total() >= world.settings.max_active or (limit is not None and active[model.name] >= limit):
        raise TooManyActive("Too many active tasks; wait for one to finish")


def _longer(world: World, armed: Armed) -> float:
    """Seconds for which a fault keeps the task from its end, at the chosen speed."""
    match armed.name:
        case "pending_forever":
            return math.inf
        case "pending_long":
            return float(armed.value or LONG_S) / world.settings.speed
    return 0.0


def _planned(armed: Armed) -> Ending | None:
    """The ending a fault decides, if it decides one."""
    reasons = (armed.value or "Derivative Works Filter").split("|")
    error: dict[str, object] = {"error": armed.value or CORRUPTED}
    endings = {
        "request_moderated": Ending("Request Moderated", details={"Moderation Reasons": reasons}),
        "content_moderated": Ending("Content Moderated", details={"Moderation Reasons": reasons}),
        "task_error": Ending("Error", details=error),
        "task_error_422": Ending("Error", 422, error),
        "task_error_503": Ending("Error", 503, error),
        "task_failed": Ending("Failed", details=error),
    }
    return endings.get(armed.name)


def _default_format(model: Model) -> str:
    field = model.schema.model_fields.get("output_format")
    return str(field.default.value) if field else "png"


def _corner(submission: Submission) -> tuple[int, int]:
    return submission.fields.get("left") or 0, submission.fields.get("top") or 0


async def _make(world: World, order: Order, problem: str | None) -> bytes:
    if problem:
        raise BadInput(problem)
    async with world.workshop:
        return await asyncio.to_thread(pictures.render, order)


def _count(world: World, submission: Submission, task: Task, now: float) -> None:
    counts = world.counts
    counts.accepted += 1
    counts.accepted_by_body[submission.sha256] += 1
    counts.accepted_by_prompt[submission.prompt] += 1
    counts.accepted_by_model[task.model.name] += 1
    counts.ignored_fields.update(submission.ignored)
    counts.explicit_nulls.update(submission.nulls)
    counts.data_uris += submission.data_uris
    active = world.tasks.active_everywhere(now)
    counts.active_max = max(counts.active_max, active.total())
    most = counts.active_max_by_model
    most[task.model.name] = max(most[task.model.name], active[task.model.name])
