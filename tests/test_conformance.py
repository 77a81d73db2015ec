"""What every job platform keeps to, checked for each folder of `gateway/platforms` that has one, and for the toys."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.dialects.openai.form import ANIMATED, CHOICES, WHOLE, Form, read_edit, read_options
from gateway.dialects.openai.members import KINDS
from gateway.domain.edit import Edit, OutputFormat, ResponseFormat
from gateway.domain.errors import GatewayError, InvalidField, UnsupportedField
from gateway.domain.notes import unaccounted
from gateway.domain.outcome import Failed, Finished, Refused, Ticket, Unsure, Working
from gateway.domain.size import Pixels
from gateway.domain.target import JobTarget
from gateway.platforms import registry
from gateway.platforms.contract import AtOnce, Model, Plan, Platform
from gateway.wire.call import Answer, Call
from tests.fakes.blob import MemoryBlob
from tests.toys.added import toys_added

KEY = "11111111-2222-4333-8444-555555555555"
# Each with what it does: the words of its vendor, asked and answered, what it offers, what may be configured.
FILES = {"__init__.py", "models.py", "request.py", "response.py", "settings.py"}


def instance(folder: str) -> Any:
    """An instance with nothing configured but a key."""
    model = registry.settings(folder)
    key = {"api_key": KEY} if "api_key" in model.model_fields else {"api_keys": [KEY]}
    return registry.build("instance", model.model_validate({"kind": folder, **key}))


with toys_added():
    FOLDERS = registry.kinds()
    PLATFORMS: dict[str, Platform] = {folder: found for folder in FOLDERS if hasattr(found := instance(folder), "plan")}
EVERY = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))

TEXT = st.text(max_size=12)
WORDS = st.sampled_from(
    ["id", "status", "result", "details", "detail", "loc", "msg", "sample", "polling_url", "cost", "seed"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(
        ["Ready", "Pending", "Error", "Request Moderated", "Task not found", "body", "prompt", "https://x/"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | TEXT, inner, max_size=4),
    max_leaves=10,
)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "replace")


BODIES = (
    st.binary(max_size=60) | VALUES.map(_json) | st.builds(lambda v, cut: _json(v)[:cut], VALUES, st.integers(0, 40))
)
HEADERS = st.dictionaries(st.sampled_from(["Retry-After", "Content-Type", "Location", "X-Odd"]), TEXT, max_size=3)
ANSWERS = st.builds(Answer, st.integers(100, 599), HEADERS.map(CIMultiDict), BODIES)


def edit(n: int = 1) -> Edit:
    return Edit("a fox", (MemoryBlob(pixels=Pixels(512, 512)),), n=n)


def generation(n: int = 1) -> Edit:
    return Edit("a fox", (), n=n)


def plan(platform: Platform, n: int = 1) -> Plan:
    return platform.plan(edit(n), JobTarget(platform.name, platform.default_model))


def ticket(platform: Platform) -> Ticket:
    return Ticket("task", "https://vendor.example/task", platform.default_model, platform.account)


def test_there_is_a_platform() -> None:
    """The rest of this file is about something; OpenAI's requests are relayed, never planned."""
    assert (*PLATFORMS, "openai") == ("bfl", "hare", "turtle", "openai")


@EVERY
def test_the_same_files(platform: Platform) -> None:
    """Who knows one folder knows them all; what a vendor needs beyond them is its own file."""
    folder = Path(inspect.getfile(type(platform))).parent
    assert {path.name for path in folder.glob("*.py")} >= FILES


@EVERY
def test_the_table_of_models(platform: Platform) -> None:
    """Every name leads to a model, and every number makes sense."""
    assert platform.default_model in platform.models
    assert platform.models[platform.default_model].edits
    generating = [name for name, model in platform.models.items() if model.generates]
    assert (platform.default_generation in generating) if generating else platform.default_generation is None
    assert set(platform.aliases.values()) <= set(platform.models)
    assert platform.name == "instance" and platform.account and platform.owner
    for name, model in platform.models.items():
        assert isinstance(model, Model) and model.name == name
        assert model.edits or model.generates
        assert (model.max_images >= 1) is model.edits
        assert model.max_image_bytes > 0 and model.max_image_pixels > 0
        assert model.median_s > 0 and model.sigma > 0
        assert model.ceiling is None or 1 <= model.ceiling <= platform.max_active_tasks


@EVERY
@pytest.mark.parametrize("n", [1, 2, 10])
def test_one_call_a_picture(platform: Platform, n: int) -> None:
    """As many calls as were asked for, for every model; nothing is decided by chance or by what came before."""
    for name, model in platform.models.items():
        target = JobTarget(platform.name, name)
        for asked in [edit(n)] * model.edits + [generation(n)] * model.generates:
            made = platform.plan(asked, target)
            assert len(made.calls) == n
            assert made.target == target
            assert all(call.name == "submit" and call.url.startswith("https://") for call in made.calls)
            assert platform.plan(asked, target) == made


@EVERY
def test_what_a_model_cannot_do_is_said(platform: Platform) -> None:
    """Pictures where it only generates, none where it only edits, a mask without its route's leave."""
    for name, model in platform.models.items():
        masked = replace(edit(), mask=MemoryBlob(pixels=Pixels(512, 512)))
        impossible = [("model", edit())] * (not model.edits) + [("model", generation())] * (not model.generates)
        impossible += [("mask", masked)] * (model.edits and not model.masks)
        for param, asked in impossible:
            with pytest.raises(UnsupportedField) as caught:
                platform.plan(asked, JobTarget(platform.name, name))
            assert caught.value.param == param


@EVERY
def test_what_a_call_reads_and_costs(platform: Platform) -> None:
    """Limits count megapixels of every call, and credits where the vendor publishes a price."""
    for name, model in platform.models.items():
        for asked in [edit()] * model.edits + [generation()] * model.generates:
            made = platform.plan(asked, JobTarget(platform.name, name))
            assert made.megapixels > 0
            assert made.credits is None or made.credits > 0


def everything(call: Call) -> str:
    """All of a call that is not secret, bodies included."""
    fields: Mapping[str, Any] = call.body.fields if call.body else {}
    return f"{call.name} {call.method} {call.url} {dict(call.headers)} {dict(fields)}"


@EVERY
def test_the_key_is_in_the_secrets_only(platform: Platform) -> None:
    """It reaches the socket and nothing that is printed, compared or logged."""
    made = plan(platform)
    asked = [] if isinstance(platform, AtOnce) else [platform.poll(ticket(platform))]
    for call in (*made.calls, *asked):
        assert any(KEY in value for value in call.secrets.values())
        assert KEY not in everything(call)
    assert all(call.name == "poll" for call in asked)
    assert KEY not in f"{made!r} {asked!r} {ticket(platform)!r} {platform!r} {vars(platform).get('_settings')!r}"


@EVERY
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=ANSWERS)
def test_no_answer_raises(platform: Platform, answer: Answer) -> None:
    """Any status, headers and bytes have a meaning; neither key nor prompt gets into an error."""
    outcomes = (platform.read_submit(plan(platform), answer), platform.read_poll(ticket(platform), answer))
    for outcome in outcomes:
        assert isinstance(outcome, Working | Unsure | Finished | Refused | Failed)
        if isinstance(outcome, Failed):
            assert isinstance(outcome.error, GatewayError)
            assert KEY not in f"{outcome.error.text} {outcome.error.detail}"
            assert outcome.error.text.isprintable()
    assert not isinstance(outcomes[0], Unsure), "a submission was taken, refused or lost: it is not asked again"


@EVERY
@settings(deadline=None)
@given(extra=st.lists(st.tuples(TEXT, TEXT), max_size=3), model=st.none() | TEXT)
def test_no_edit_raises_anything_else(platform: Platform, extra: list[tuple[str, str]], model: str | None) -> None:
    """A plan, or a refusal that names the field."""
    for name, kind in platform.models.items():
        pictures = (MemoryBlob(pixels=Pixels(512, 512)),) if kind.edits else ()
        asked = Edit("p", pictures, model=model, asked=tuple(extra), extra=tuple(extra))
        try:
            named: str | None = str(len(platform.plan(asked, JobTarget(platform.name, name)).calls))
        except InvalidField as error:
            named = error.param
        assert named is not None


# Everything that OpenAI defines, with values that it takes.
FIELDS: Mapping[str, st.SearchStrategy[str]] = {
    **{name: st.sampled_from(words) for name, words in CHOICES.items()},
    **{name: st.integers(*bounds).map(str) for name, bounds in WHOLE.items()},
    "model": st.just("any"),
    "n": st.integers(1, 10).map(str),
    "size": st.sampled_from(["auto", "1024x1024", "3:2"]),
    "response_format": st.sampled_from(list(ResponseFormat)),
    "output_format": st.sampled_from(list(OutputFormat)),
    "stream": st.sampled_from(["true", "false"]),
    "user": st.just("someone"),
    "safety_identifier": st.just("somebody"),
}
ASKED = st.fixed_dictionaries({}, optional=dict(FIELDS))
# Some of a model's own, and some of nobody's.
OWN = st.dictionaries(st.sampled_from(["seed", "aspect_ratio", "steps", "guidance", "raw"]) | TEXT, TEXT, max_size=2)


def test_everything_that_openai_defines_is_asked() -> None:
    """Apart from the formats that nobody here makes, which the dialect refuses."""
    assert FIELDS.keys() | {"prompt", *ANIMATED} == KINDS.keys()


@EVERY
@settings(max_examples=300, deadline=None)
@given(asked=ASKED, own=OWN, kinds=st.sets(st.sampled_from(["image", "mask", "markup"])))
def test_every_field_is_accounted_for(
    platform: Platform, asked: dict[str, str], own: dict[str, str], kinds: set[str]
) -> None:
    """Sent, converted, emulated or ignored with a note, or refused by name; pictures as well."""
    texts = tuple({"prompt": "a fox", **own, **asked}.items())
    pictures = tuple((kind, MemoryBlob(pixels=Pixels(512, 512))) for kind in sorted(kinds))
    try:
        wanted = (read_edit if "image" in kinds else read_options)(Form(texts, pictures))
    except InvalidField:
        return  # an empty name, or one of ours in other words
    for name in platform.models:
        try:
            left = unaccounted(wanted, platform.plan(wanted, JobTarget(platform.name, name)).notes)
        except InvalidField as error:
            left = None if error.param in {*dict(texts), *kinds, "model"} else error.param
        assert left is None


@EVERY
@given(name=TEXT | st.sampled_from(["size", "seed", "n", "moderation", "prompt"]), value=TEXT, model=st.booleans())
def test_what_may_be_said_is_told_as_a_fault_of_its_field(
    platform: Platform, name: str, value: str, model: bool
) -> None:
    """Whatever a route says about a field is taken, or refused with the field's name."""
    param: str | None = name
    try:
        platform.check_said(name, value, platform.default_model if model else None)
    except InvalidField as error:
        param = error.param
    assert param == name
