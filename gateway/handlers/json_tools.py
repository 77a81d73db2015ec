"""
Models that a request names beside its own one: those of its tools, of which some draw pictures with another, those of a
session that it opens, and those that are to be tried when its own one fails.
"""

from __future__ import annotations

from gateway.wire.scanned import Closed, Event, Kind, Opened, Path, Value

# https://developers.openai.com/api/reference/resources/responses/methods/create: tools. Without a model OpenAI chooses.
DRAWS = "image_generation"
# https://developers.openai.com/api/reference/resources/realtime/subresources/client_secrets/methods/create
SESSION = "session"
# https://openrouter.ai/docs/guides/routing/model-fallbacks, https://docs.litellm.ai/docs/proxy/reliability
INSTEAD = ("models", "fallbacks")
LONGEST = 1024


class ToolModels:
    """Pushed with the events of a document whose strings are all streamed; at any depth, as tools are nested too."""

    def __init__(self) -> None:
        self._told: dict[Path, dict[str, str]] = {}
        self._at: Path | None = None
        self._text = ""

    def push(self, event: Event) -> None:
        if isinstance(event, str):
            if self._at is not None and len(self._text) < LONGEST:
                self._text += event[:LONGEST]
        elif isinstance(event, Closed):
            if event.path == self._at:
                self._tell(event.path, self._text[:LONGEST])
                self._at = None
        elif _names_models(event.path):
            if isinstance(event, Opened) and event.kind is Kind.TEXT:
                self._at, self._text = event.path, ""
            else:
                self._tell(event.path, event.text if isinstance(event, Value) and event.kind is not Kind.NULL else "")

    @property
    def models(self) -> tuple[str, ...]:
        """Each that is named, and "" for a tool that makes pictures and leaves the model to the platform."""
        return tuple(
            told.get("model", "")
            for told in self._told.values()
            if told.get("model") or told.get("type", "").lower() == DRAWS
        )

    def _tell(self, path: Path, text: str) -> None:
        at, name = (path, "model") if isinstance(path[-1], int) else (path[:-1], str(path[-1]).lower())
        self._told.setdefault(at, {})[name] = text


def _names_models(path: Path) -> bool:
    if len(path) < 2:
        return False
    first, last = (str(path[at]).lower() for at in (0, -1))
    if last == "model" and first in (SESSION, *INSTEAD):
        return True
    return (len(path) == 2 and first in INSTEAD and isinstance(path[1], int)) or _of_a_tool(path)


def _of_a_tool(path: Path) -> bool:
    """`tools[0].type` and `tools[0].model`, wherever `tools` stands, and in whatever case."""
    if len(path) < 3 or not isinstance(path[-2], int):
        return False
    return str(path[-3]).lower() == "tools" and str(path[-1]).lower() in ("type", "model")
