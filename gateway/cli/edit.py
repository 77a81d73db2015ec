"""`gateway edit`: a small client, against this gateway or any other that speaks OpenAI's Images API."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson

PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


class EditFailed(Exception):
    """The text says what the gateway, or the way to it, said."""


@click.command()
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=PICTURE)
@click.option("-p", "--prompt", required=True, help="What to change.")
@click.option("-o", "--out", required=True, type=NEW_FILE, help="Where the picture goes.")
@click.option("--model", help="A model's name; the gateway's default when left out.")
@click.option("--size", help="Such as 1024x1024 or 16:9; the picture's own ratio when left out.")
@click.option(
    "--url",
    default="http://127.0.0.1:8080/v1",
    envvar="GATEWAY_URL",
    show_default=True,
    help="The API's base, with /v1.",
)
@click.option("--key", default="none", envvar="GATEWAY_KEY", help="Your key, when the gateway has keys.")
def edit(
    images: tuple[Path, ...], prompt: str, out: Path, model: str | None, size: str | None, url: str, key: str
) -> None:
    """Edit one or more pictures."""
    check_folder(out)
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url} should begin with http:// or https://.", param_hint="--url")
    fields = {"prompt": prompt, "model": model, "size": size, "output_format": _format(out)}
    try:
        data, headers = asyncio.run(run(url, key, images, {k: v for k, v in fields.items() if v}))
    except EditFailed as error:
        click.echo(f"gateway edit: {error}", err=True)
        sys.exit(1)
    out.write_bytes(data)
    click.echo(f"{out}: {len(data):,} bytes")
    for line in timing(headers):
        click.echo(line)


async def run(url: str, key: str, images: tuple[Path, ...], fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """The picture's bytes and the answer's headers. Raises: EditFailed."""
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    for path in images:
        form.add_field("image[]", path.read_bytes(), filename=path.name, content_type="application/octet-stream")
    progress = asyncio.create_task(_progress())
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=900)) as session,
            session.post(
                f"{url.rstrip('/')}/images/edits", data=form, headers={"Authorization": f"Bearer {key}"}
            ) as response,
        ):
            body = await response.read()
            found = _object(body)
            if response.status != 200:
                raise EditFailed(_complaint(response.status, found, response.headers.get("x-request-id")))
            return base64.b64decode(found["data"][0]["b64_json"], validate=True), dict(response.headers)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        hint = " Is the gateway running?" if isinstance(error, aiohttp.ClientConnectorError) else ""
        raise EditFailed(f"{url} did not answer: {str(error) or type(error).__name__}.{hint}") from error
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EditFailed("the answer has no picture in it") from error
    finally:
        progress.cancel()
        click.echo("\r\x1b[K" if sys.stderr.isatty() else "", nl=False, err=True)


def check_folder(out: Path) -> None:
    """Before anything is paid. Raises: click.BadParameter when the file could not be written."""
    if not out.parent.is_dir():
        raise click.BadParameter(f"{out.parent} is not a folder.", param_hint="--out")


def timing(headers: dict[str, str]) -> list[str]:
    """`Server-Timing` as lines of a table, milliseconds to the right."""
    found = {name.lower(): value for name, value in headers.items()}.get("server-timing", "")
    steps = [part.strip().partition(";dur=") for part in found.split(",") if ";dur=" in part]
    return [f"  {word:<8}{float(spent):>10.1f} ms" for word, _, spent in steps]


async def _progress() -> None:
    started = time.monotonic()
    while sys.stderr.isatty():
        click.echo(f"\r  editing … {time.monotonic() - started:.0f} s", nl=False, err=True)
        await asyncio.sleep(1)


def _format(out: Path) -> str | None:
    return {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}.get(out.suffix.lower())


def _object(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _complaint(status: int, found: Any, request_id: str | None) -> str:
    error = found.get("error") if isinstance(found, dict) else None
    text = error.get("message") if isinstance(error, dict) else "no reason given"
    return f"{status}: {text}" + (f" (request {request_id})" if request_id else "")
