"""`gateway emulate`: Black Forest Labs on this machine, for trying things without an account."""

from __future__ import annotations

import asyncio
import signal

import click
import uvloop

from gateway.emulator import Emulator, EmulatorSettings
from gateway.emulator.fault_table import FAULTS


@click.command("emulate")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65533),
    default=9090,
    show_default=True,
    help="Port of the submit API; polling and delivery take the next two. 0 picks three free ones.",
)
@click.option("--public-host", help="Name to put into minted URLs instead of --host.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="How many times quicker than the real platform.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Makes times and pictures repeatable.")
@click.option("--bench", is_flag=True, help="Answer canned bytes: no auth, no ceilings, no pictures.")
@click.option(
    "--bench-bytes",
    type=click.IntRange(100),
    default=1_500_000,
    show_default=True,
    help="Size of the picture delivered with --bench.",
)
@click.option(
    "--bench-delay",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds until a task is Ready with --bench.",
)
@click.option("--gated", multiple=True, metavar="MODEL", help="A model that no key has access to; may be repeated.")
@click.option("--faults", is_flag=True, help="List the faults a prompt can ask for, and exit.")
def emulate(
    host: str,
    port: int,
    public_host: str | None,
    speed: float,
    seed: int,
    bench: bool,
    bench_bytes: int,
    bench_delay: float,
    gated: tuple[str, ...],
    faults: bool,
) -> None:
    """Run an emulated Black Forest Labs API until interrupted."""
    if faults:
        click.echo("Write [[fault:NAME]], [[fault:NAME=VALUE]] or [[fault:NAME*TIMES]] into a prompt.\n")
        for fault in FAULTS.values():
            click.echo(f"{fault.name:25} {fault.meaning}")
        return
    settings = EmulatorSettings(
        host=host,
        public_host=public_host,
        api_port=port,
        polling_port=port and port + 1,
        delivery_port=port and port + 2,
        speed=speed,
        seed=seed,
        bench=bench,
        bench_result_bytes=bench_bytes,
        bench_delay_s=bench_delay,
        gated=frozenset(gated),
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))
    except OSError as why:
        raise click.ClickException(f"cannot listen on {host}: {why.strerror or why}") from why


async def _serve(settings: EmulatorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Emulator(settings) as bfl:
        click.echo(f"submit    {bfl.api_url}/v1/flux-kontext-pro  (any x-key of 8 characters or more)")
        click.echo(f"polling   {bfl.polling_url}")
        click.echo(f"delivery  {bfl.delivery_url}")
        click.echo(f"counts    {bfl.api_url}/_emulator/counts")
        await stop.wait()
