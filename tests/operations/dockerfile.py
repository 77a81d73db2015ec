"""What a Dockerfile has to keep to, as a list of complaints: https://docs.docker.com/reference/dockerfile/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch

from tests.operations.promtool import ROOT

WRITTEN = ROOT / "config/deploy/Dockerfile"
IGNORED = ROOT / ".dockerignore"


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction; `stage` counts from 0."""

    stage: int
    word: str
    rest: str


def steps(text: str) -> list[Step]:
    """The instructions, comments dropped and continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found, stage = [], -1
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            stage += word == "FROM"
            found.append(Step(stage, word, rest.strip()))
    return found


def last(text: str, word: str) -> str:
    """The instruction that counts in the image that is made; empty when there is none."""
    found = steps(text)
    return next((step.rest for step in reversed(found) if step.word == word and step.stage == found[-1].stage), "")


def command(rest: str) -> list[str]:
    """Of an exec form. Raises: ValueError for a shell's."""
    words = json.loads(rest)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(rest)
    return words


def probe(text: str) -> list[str]:
    """The command of HEALTHCHECK. Raises: ValueError when there is none in exec form."""
    _, found, rest = last(text, "HEALTHCHECK").partition("CMD ")
    if not found:
        raise ValueError("no HEALTHCHECK")
    return command(rest)


def variables(text: str) -> dict[str, str]:
    """What ENV sets in the image."""
    return dict(re.findall(r"(\w+)=(\S+)", last(text, "ENV")))


def complaints(text: str, ignored: str) -> set[str]:
    """What is wrong with a Dockerfile and its .dockerignore; each complaint begins with the instruction it is about."""
    return {*_of_the_image(text), *_of_building(text, ignored)}


def _of_the_image(text: str) -> Iterator[str]:
    user = last(text, "USER")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        yield "USER is no number, or root's"
    for word in ("ENTRYPOINT", "CMD"):
        try:
            command(last(text, word))
        except ValueError:
            yield f"{word} is a shell's: signals would not arrive"
    try:
        probe(text)
    except ValueError:
        yield "HEALTHCHECK is missing, or needs a shell"
    if last(text, "STOPSIGNAL") != "SIGTERM":
        yield "STOPSIGNAL is not what drains"
    if last(text, "EXPOSE").split() != ["8080"]:
        yield "EXPOSE has more than what clients call: `docker run -P` would publish it"
    if last(text, "VOLUME") != json.dumps([variables(text).get("GATEWAY_STATE_DIR")]):
        yield "VOLUME is not where state is written"


def _of_building(text: str, ignored: str) -> Iterator[str]:
    arguments = dict(step.rest.split("=", 1) for step in steps(text) if step.word == "ARG" and "=" in step.rest)
    for step in steps(text):
        match step.word:
            case "FROM":
                image = re.sub(r"\$\{(\w+)\}", lambda hole: arguments.get(hole[1], ""), step.rest.split()[0])
                tag = image.rpartition("/")[2].partition(":")[2]
                if tag in ("", "latest"):
                    yield "FROM names no version"
            case "ADD":
                yield "ADD fetches and unpacks; COPY is enough"
            case "COPY":
                sources = [word for word in step.rest.split() if not word.startswith("--")][:-1]
                if "--from=" not in step.rest:
                    yield from (f"COPY {path}: {why}" for path in sources if (why := _unreachable(path, ignored)))
            case "RUN":
                for line in re.findall(r"\bpip\b.* install\b.*", step.rest.replace("&&", "\n")):
                    if "--require-hashes" not in line and not {"--no-deps", "--no-index"} <= set(line.split()):
                        yield "RUN installs what no hash stands for"
            case "ENV" | "ARG":
                if re.search(r"KEY|SECRET|PASSWORD|TOKEN", step.rest):
                    yield f"{step.word} would be in every layer for all to read"


def _unreachable(path: str, ignored: str) -> str:
    """Why a file of the context cannot be copied; empty when it can. The last pattern that fits decides."""
    if not (ROOT / path).exists():
        return "is not there"
    hidden = False
    for pattern in (line for line in ignored.splitlines() if line and not line.startswith("#")):
        if fnmatch(path, pattern.removeprefix("!")):
            hidden = not pattern.startswith("!")
    return "is kept back by .dockerignore" if hidden else ""
