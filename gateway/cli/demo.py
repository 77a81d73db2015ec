"""`gateway demo`: emulator and gateway in this process, one edit, and where its milliseconds went."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import click
import uvloop
from PIL import Image, ImageDraw

from gateway.app import Gateway
from gateway.cli.config import EMULATOR_KEY
from gateway.cli.edit import NEW_FILE, EditFailed, check_folder, run, timing
from gateway.config.schema import Config
from gateway.emulator.server import Emulator
from gateway.emulator.settings import EmulatorSettings
from gateway.telemetry import logs
from gateway.telemetry.writer import LineWriter

PROMPT = 'Make it sepia and write "hello" on it'


@click.command()
@click.option("-o", "--out", default="demo-edited.png", type=NEW_FILE, show_default=True)
def demo(out: Path) -> None:
    """Edit a sample picture and show where the time went."""
    check_folder(out)
    original = out.with_name("demo-original.png")
    _draw(original)
    try:
        with LineWriter(sys.stderr.fileno()) as lines:
            data, headers = uvloop.run(_demo(original, lines))
    except EditFailed as error:
        raise click.ClickException(str(error)) from None
    out.write_bytes(data)
    click.echo(f"wrote {out} ({len(data):,} bytes)")
    for line in timing(headers):
        click.echo(line)


async def _demo(original: Path, lines: LineWriter) -> tuple[bytes, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        async with Emulator(EmulatorSettings()) as bfl:
            document = {
                "listen": {"port": 0},
                "admin": {"port": 0},
                "state_dir": folder,
                "platforms": {"bfl": {"kind": "bfl", "api_key": EMULATOR_KEY, "base_url": bfl.api_url}},
            }
            config = Config.model_validate(document)
            # A line for each request would stand in the middle of the progress.
            logs.configure(config.secrets(), stream=lines, level=logging.WARNING)
            async with Gateway(config) as gateway:
                click.echo(f"editing {original}: {PROMPT}")
                return await run(f"{gateway.url}/v1", "none", (original,), {"prompt": PROMPT})


def _draw(path: Path) -> None:
    """A hill in the evening, as a photograph stands in."""
    picture = Image.linear_gradient("L").resize((768, 512))
    picture = Image.merge(
        "RGB", (picture.point(lambda v: 255 - v // 3), picture.point(lambda v: 200 - v // 2), picture)
    )
    pen = ImageDraw.Draw(picture)
    pen.ellipse((520, 120, 640, 240), fill=(255, 214, 120))
    pen.ellipse((-200, 330, 560, 900), fill=(38, 70, 60))
    pen.ellipse((300, 380, 1100, 1000), fill=(28, 52, 48))
    picture.save(path)
