"""`gateway serve`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import click
import structlog
import uvloop

from gateway.app import Gateway
from gateway.chain.connection import verify_runtime
from gateway.chain.expiry import ends
from gateway.chain.gate import raise_limit
from gateway.chain.samples import known_to_everybody
from gateway.cli import collector
from gateway.cli.config import EMULATOR_KEY, config_option, read_config
from gateway.cli.reload import Reloader
from gateway.config.load import resolve
from gateway.config.schema import Config
from gateway.config.watch import Watched
from gateway.jobs.clock import Clock
from gateway.telemetry import logs
from gateway.telemetry.writer import LineWriter

log = structlog.get_logger("gateway")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command()
@config_option
@click.option("--host", help="Address to listen on.")
@click.option("--port", help="Port to listen on.")
@click.option("--emulator", is_flag=True, help="Put the embedded emulator in BFL's place when BFL_API_KEY is not set.")
def serve(path: Path | None, host: str | None, port: str | None, emulator: bool) -> None:
    """Run the gateway until SIGINT or SIGTERM; a second one ends it at once."""
    try:
        verify_runtime()
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None
    raise_limit()
    options = {name: value for name, value in (("--host", host), ("--port", port)) if value is not None}
    emulate = emulator and not os.environ.get("BFL_API_KEY", "").strip()
    with LineWriter(sys.stderr.fileno()) as lines:
        uvloop.run(_emulated(path, options, lines) if emulate else _run(path, options, lines))


async def _emulated(path: Path | None, options: dict[str, str], lines: LineWriter) -> None:
    from gateway.emulator.server import Emulator

    async with Emulator() as bfl:
        os.environ |= {"BFL_API_KEY": EMULATOR_KEY, "BFL_BASE_URL": bfl.api_url}
        click.echo(f"  BFL emulator  {bfl.api_url}   (makes pictures up; set BFL_API_KEY for the real service)")
        await _run(path, options, lines)


async def _run(path: Path | None, options: dict[str, str], lines: LineWriter) -> None:
    known: set[str] = set()

    def learn(config: Config) -> None:
        # A key that was replaced may still be on its way through a running job.
        known.update(config.secrets())
        logs.configure(known, stream=lines)
        if found := ends(config.auth.keys, time.time()):
            log.warning("keys end", expired=list(found.over), soon=list(found.soon))
        if copied := known_to_everybody(config.auth.keys):
            log.warning("keys of the sample, which everybody knows", keys=list(copied))

    # Before it is read: what is written meanwhile is a change.
    file = Watched(path) if path is not None else None
    config = read_config(path, options).config
    learn(config)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in SIGNALS:
        loop.add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        try:
            gateway = await stack.enter_async_context(Gateway(config))
        except OSError as error:
            raise click.ClickException(f"cannot start: {error}") from None
        reloader = Reloader(gateway, lambda: resolve(Config, path, os.environ, options=options).config, learn)
        stack.push_async_callback(reloader.close)
        loop.add_signal_handler(signal.SIGHUP, reloader.soon, "SIGHUP")
        if file is not None:
            reloader.watch(file)
        collector.settle()
        collecting = asyncio.create_task(collector.collect(Clock()))
        stack.callback(collecting.cancel)
        _greet(gateway)
        await stop.wait()
        loop.remove_signal_handler(signal.SIGHUP)
        for name in SIGNALS:
            loop.remove_signal_handler(name)
        log.info("draining", limit_seconds=config.jobs.drain)


def _greet(gateway: Gateway) -> None:
    if not gateway.config.platforms:
        click.echo(
            "No platform is configured, so nothing can be edited: set BFL_API_KEY, or name a --config.", err=True
        )
    keys = bool(gateway.config.auth.keys)
    bearer, api_key = ("$GATEWAY_KEY", 'os.environ["GATEWAY_KEY"]') if keys else ("none", '"none"')
    export = "  export GATEWAY_KEY=…   # one of your clients' keys\n\n" if keys else ""
    base = f"{gateway.url}{gateway.config.route_prefix}/v1"
    python = (
        f'import base64, os, openai; client = openai.OpenAI(base_url="{base}", api_key={api_key}); '
        'edited = client.images.edit(model="flux-kontext-pro", image=open("picture.png", "rb"), '
        'prompt="make it blue"); '
        'open("edited.png", "wb").write(base64.b64decode(edited.data[0].b64_json))'
    )
    click.echo(f"""\
  gateway       {base}
  metrics       {gateway.admin_url}/metrics

{export}  curl -sS --fail-with-body {base}/images/edits -H "Authorization: Bearer {bearer}" -o answer.json \\
       -F image=@picture.png -F prompt="make it blue" \\
    && jq -r '.data[0].b64_json' answer.json | base64 -d > edited.png || {{ cat answer.json; false; }}

  python -c '{python}'
""")
