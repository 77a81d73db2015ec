"""README's examples, run as they are beside a `picture.png`: every one ends with an edited picture, or says why not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import environments
from tests.e2e.conftest import Truth, decoded
from tests.fakes.installed import installed, required
from tests.fakes.pictures import picture

README = (Path(__file__).parents[2] / "README.md").read_text()
URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Ended:
    code: int
    said: str


Run = Callable[..., Awaitable[Ended]]


def block(heading: str, language: str) -> str:
    """The first block of that language below a heading."""
    (_, text) = README.split(f"\n## {heading}\n", 1)
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None and URL in found[1]
    return found[1]


@pytest.fixture
def example(tmp_path: Path, stand: dict[str, str]) -> Run:
    """`await example(language, text)`: its exit code and what it printed; addresses are the stand's."""
    (tmp_path / "picture.png").write_bytes(picture(64, 48))

    async def run(language: str, text: str) -> Ended:
        path = tmp_path / {"sh": "example.sh", "python": "example.py", "js": "example.mjs"}[language]
        path.write_text(text.replace(URL, stand["keyless"]))
        process = await asyncio.create_subprocess_exec(
            *(interpreter(language, tmp_path), path),
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "no_proxy": "*"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, said.decode())

    return run


def interpreter(language: str, folder: Path) -> str:
    if language == "python":
        return sys.executable
    if language == "sh":
        for name in ("curl", "jq"):
            installed(name)
        return installed("bash")
    try:
        node = environments.node()
    except environments.Missing as why:
        (pytest.fail if required() else pytest.skip)(str(why))
    packages = folder / "node_modules"
    if not packages.exists():
        packages.symlink_to(environments.NODE / "node_modules")
    return node


@pytest.mark.parametrize("language", ["sh", "python", "js"])
async def test_an_edit(language: str, example: Run, tmp_path: Path, prompt: str, truth: Truth) -> None:
    """One picture in, one out, paid once."""
    ended = await example(language, block("Use it", language).replace("make it blue", prompt))
    assert (ended.code, ended.said) == (0, "")
    assert decoded((tmp_path / "edited.png").read_bytes()).format == "PNG"
    assert await truth.accepted(prompt) == 1


@pytest.mark.parametrize("language", ["sh", "python", "js"])
async def test_an_edit_that_is_refused(language: str, example: Run, tmp_path: Path, prompt: str, truth: Truth) -> None:
    """An exit code that tells, the gateway's own words, and no file of garbage."""
    (tmp_path / "picture.png").write_bytes(picture(64, 48, form="GIF"))
    ended = await example(language, block("Use it", language).replace("make it blue", prompt))
    assert ended.code != 0
    assert "the file is GIF" in ended.said
    assert not (tmp_path / "edited.png").exists()
    assert await truth.accepted(prompt) == 0


async def test_a_gateway_that_is_not_there(example: Run, tmp_path: Path) -> None:
    """The same for curl when nobody listens."""
    ended = await example("sh", block("Use it", "sh").replace(URL, "http://127.0.0.1:9"))
    assert ended.code != 0 and "curl: (7)" in ended.said
    assert not (tmp_path / "edited.png").exists()


async def test_the_ai_sdk(example: Run, prompt: str, truth: Truth) -> None:
    """`n` pictures under one key are one job of as many different pictures."""
    text = block("Paid once", "js").replace("a hill in the evening", prompt)
    text += "console.log(JSON.stringify(images.map((image) => image.base64)));\n"
    ended = await example("js", text)
    assert ended.code == 0, ended.said
    pictures = json.loads(ended.said.splitlines()[-1])
    assert len(set(pictures)) == 3
    assert await truth.accepted(prompt) == 3
