"""What the routes want to know of a JSON body that is held for a relay; judged is nothing but that it is JSON."""

from __future__ import annotations

from gateway.dialects.openai.members import plain
from gateway.domain.errors import InvalidJson, TooLarge
from gateway.handlers.json_tools import ToolModels
from gateway.wire.scan import Bounds, Scanner
from gateway.wire.scanned import Closed, Event, Kind, Opened, Path

# Wider than what any platform takes: a relay's body is its upstream's to judge. Embeddings are asked for with 300,000
# tokens, each a number: https://developers.openai.com/api/reference/resources/embeddings/methods/create
WIDE = Bounds(depth=64, values=400_000, key_bytes=1024, number_bytes=1024)
# More members than this could hide the one that decides.
MEMBERS = 256
TEXT_LONGEST = 1024
# One or a list, as clients write it.
IMAGES = ("images", "image")


def everything(_path: Path) -> bool:
    """Streams every string, so that none is ever held whole."""
    return True


class JsonFacts:
    """
    Pushed with the body in pieces. `fields` are the top-level texts, numbers and booleans, as text of at most 1 KiB;
    `images` counts those of `images` and `image`, `mask` tells whether there is one.

    `tools` are the models that tools name.

    `broken` is set as soon as the body is not one JSON object with unique names: then nothing else counts. So does a
    `Model`, which services written in Go take for `model`: https://pkg.go.dev/encoding/json#Unmarshal
    """

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.images = 0
        self.mask = False
        self.tools = ToolModels()
        self.broken = False
        self._scanner = Scanner(WIDE, everything)
        self._members = 0
        self._text: str | None = None

    def push(self, piece: bytes) -> None:
        """Never raises."""
        if self.broken:
            return
        try:
            for event in self._scanner.feed(piece):
                self.tools.push(event)
                self._on(event)
        except (InvalidJson, TooLarge):
            self.broken = True

    def close(self) -> None:
        """To be called at the body's end; never raises."""
        try:
            self._scanner.close()
        except InvalidJson:
            self.broken = True

    def _on(self, event: Event) -> None:
        if isinstance(event, str):
            if self._text is not None and len(self._text) < TEXT_LONGEST:
                self._text += event[:TEXT_LONGEST]
        elif isinstance(event, Closed):
            if len(event.path) == 1 and self._text is not None:
                self._keep(event.path, self._text)
                if self._text:
                    self._picture(str(event.path[0]))
                self._text = None
        elif len(event.path) == 2:
            self.images += event.path[0] in IMAGES and isinstance(event.path[1], int)
        elif len(event.path) == 1:
            self._member(event)

    def _member(self, event: Event) -> None:
        assert not isinstance(event, (str, Closed))
        self._members += 1
        name = str(event.path[0])
        if self._members > MEMBERS or (name != "model" and name.lower() == "model"):
            self.broken = True
        if event.kind is Kind.NULL:
            return
        if not isinstance(event, Opened):
            self._keep(event.path, plain(event))
        elif event.kind is Kind.TEXT:
            # Empty, it is as good as none.
            self._text = ""
        elif event.kind is Kind.OBJECT:
            self._picture(name)

    def _picture(self, name: str) -> None:
        self.mask = self.mask or name == "mask"
        self.images += name in IMAGES

    def _keep(self, path: Path, text: str) -> None:
        if not self.broken:
            self.fields[str(path[0])] = text.encode()[:TEXT_LONGEST].decode(errors="ignore")
