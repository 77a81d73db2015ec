"""What the operator may say about routes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator

from gateway.domain.settings import Settings
from gateway.domain.target import ConvertPolicy, MaskPolicy, OversizePolicy, SizePolicy
from gateway.routing.compare import Comparison
from gateway.routing.facts import Kind


def split_entry(text: str) -> tuple[str, str | None]:
    """`platform/model` → both; `platform` → without a model. Ids of platforms have no slash, models may."""
    platform, _, model = text.partition("/")
    return platform, model or None


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _spelled_out(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    platform, slash, model = value.partition("/")
    return {"platform": platform} | ({"model": model} if slash else {})


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _counted(text: str) -> str:
    Comparison.read(text)
    return text


def _measured(text: str) -> str:
    Comparison.read(text, megapixels=True)
    return text


Entry = Annotated[str, StringConstraints(pattern=r"^[^/\s]+(/\S+)?$")]
Listed = Annotated[tuple[str, ...], Field(min_length=1)]
Globs = Annotated[Listed, BeforeValidator(_listed, json_schema_input_type=str | Listed)]
Count = Annotated[str, AfterValidator(_counted), BeforeValidator(_as_text, json_schema_input_type=int | str)]
Area = Annotated[str, AfterValidator(_measured), BeforeValidator(_as_text, json_schema_input_type=int | str)]


class MatchSettings(Settings):
    """What a rule asks of a request; all of it has to be so. `*` in a pattern stands for anything, slashes included."""

    path: Globs | None = Field(default=None, description="Patterns of the path from /v1 on, such as /v1/chat/*")
    model: Globs | None = Field(
        default=None, description="Patterns of the client's word; without a model nothing matches"
    )
    caller: Globs | None = Field(default=None, description="Patterns of the caller's id")
    header: dict[str, str] = Field(default_factory=dict, description="Request headers, each with a pattern")
    kind: Kind | None = Field(default=None, description="Edits or generations only")
    images: Count | None = Field(default=None, description="How many pictures came, such as `>1`")
    n: Count | None = Field(default=None, description="How many are asked for, such as `>4`")
    pixels: Area | None = Field(default=None, description="The largest picture's, such as `>20MP`")
    mask: bool | None = Field(default=None, description="Whether a mask came")


class TargetSettings(Settings):
    """Where a rule leads; as text `platform` or `platform/model`."""

    platform: str = Field(description="A platform's id")
    model: str | None = Field(
        default=None,
        min_length=1,
        description="A model or alias; from a relay this one is asked for, whatever the client named",
    )
    weight: float | None = Field(
        default=None, gt=0, le=1e6, description="Share of requests for which this is the first among weighted targets"
    )
    defaults: dict[str, str] = Field(default_factory=dict, description="Fields used where the client sent none")
    overrides: dict[str, str] = Field(default_factory=dict, description="Fields that replace what the client sent")
    pins: dict[str, str] = Field(
        default_factory=dict, description="Fields for which the client may send this value only"
    )


Target = Annotated[TargetSettings, BeforeValidator(_spelled_out, json_schema_input_type=str | TargetSettings)]


class RuleSettings(Settings):
    """The first rule that matches a request says where it goes."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = Field(
        description="Its name in logs and in `gateway route`"
    )
    match: MatchSettings = Field(default_factory=MatchSettings, description="Left out, it matches everything")
    to: tuple[Target, ...] = Field(
        description="The first is used, the others when it is in trouble and unpaid", json_schema_extra={"minItems": 1}
    )
    mask: MaskPolicy | None = Field(default=None, description="Instead of routes.mask")
    oversize: OversizePolicy | None = Field(default=None, description="Instead of routes.oversize")
    convert: ConvertPolicy | None = Field(default=None, description="Instead of routes.convert")
    size_policy: SizePolicy | None = Field(default=None, description="Instead of routes.size_policy")

    @field_validator("to")
    @classmethod
    def _leads_somewhere(cls, to: tuple[TargetSettings, ...]) -> tuple[TargetSettings, ...]:
        """Not `min_length`, which counts targets without those that have a mistake of their own."""
        if not to:
            raise ValueError("should name at least one target")
        return to


class RouteSettings(Settings):
    """Ordered rules, and who serves what no rule matches: platform ids, the default first."""

    rules: tuple[RuleSettings, ...] = Field(default=(), description="In order; the first that matches wins")
    edits: tuple[Entry, ...] = Field(
        default=(),
        description="Who else serves POST /v1/images/edits; `platform/model` also names the default model. Empty: "
        "OpenAI, else the first platform",
    )
    generations: tuple[Entry, ...] = Field(
        default=(), description="Who else serves POST /v1/images/generations, written and left out like `edits`"
    )
    openai_names: bool = Field(
        default=True,
        description="gpt-image-*, chatgpt-image-* and dall-e-* mean a platform's default model: in rules, and where "
        "one platform alone serves",
    )
    mask: MaskPolicy = Field(
        default=MaskPolicy.REFUSE, description="A mask for a model without one: `fill` switches to a model that has one"
    )
    oversize: OversizePolicy = Field(
        default=OversizePolicy.REFUSE, description="A picture larger than the model takes: `downscale` makes it fit"
    )
    convert: ConvertPolicy = Field(
        default=ConvertPolicy.REFUSE,
        description="What a HEIC, AVIF, TIFF, BMP or GIF becomes before it is translated: `png`, `jpeg`",
    )
    size_policy: SizePolicy = Field(
        default=SizePolicy.MODEL,
        description="`exact` scales and crops what the model has made to the size asked for, without one the picture's",
    )
