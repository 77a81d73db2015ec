"""`gateway config`: is it valid, what is in force, what may be written. Problems go to stderr, exit code 2."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from gateway.config.load import Loaded, resolve
from gateway.config.problem import ConfigError
from gateway.config.show import schema, show

if TYPE_CHECKING:
    from gateway.config.schema import Config

# The emulator takes any well-formed key.
EMULATOR_KEY = "emulator-takes-any-key"
EMULATED = "with `serve --emulator`, as `make run` has it, the emulator is in the place of bfl"


class Unusable(click.ClickException):
    """The configuration has problems; `click` prints them all and exits with 2."""

    exit_code = 2

    def __init__(self, error: ConfigError) -> None:
        super().__init__(str(error))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, err=True, file=file)


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config",
        "path",
        envvar="GATEWAY_CONFIG",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="YAML file; without it the environment is all there is.  [env: GATEWAY_CONFIG]",
    )(command)


def read_config(path: Path | None, options: Mapping[str, str]) -> Loaded[Config]:
    """
    Raises:
        Unusable: for click to print.
    """
    from gateway.config.schema import Config

    try:
        return resolve(Config, path, os.environ, options=options)
    except ConfigError as error:
        raise Unusable(error) from None


def read_for_itself(path: Path | None) -> tuple[Loaded[Config], bool]:
    """
    For commands that only look: also a file for this machine alone whose platform is the emulator that
    `serve --emulator` brings, as config/local.yaml is; then True, and `bfl` stands for the emulator.

    Raises: ConfigError.
    """
    from gateway.config.schema import Config
    from gateway.domain.hosts import is_loopback

    try:
        return resolve(Config, path, os.environ), False
    except ConfigError as error:
        if path is None or os.environ.get("BFL_API_KEY", "").strip():
            raise
        try:
            loaded = resolve(Config, path, {**os.environ, "BFL_API_KEY": EMULATOR_KEY})
        except ConfigError:
            raise error from None
        key = loaded.origins.get(("platforms", "bfl", "api_key"))
        local = is_loopback(loaded.config.listen.host) and not loaded.config.auth.keys
        if not local or key is None or not key.name:
            raise
        return loaded, True


def read_to_look(path: Path | None) -> Loaded[Config]:
    """As `read_for_itself`, and says so. Raises: Unusable."""
    try:
        loaded, emulated = read_for_itself(path)
    except ConfigError as error:
        raise Unusable(error) from None
    if emulated:
        click.echo(f"BFL_API_KEY is not set: {EMULATED}", err=True)
    return loaded


def written(loaded: Loaded[Config]) -> str:
    """Where anything is set: files and variables."""
    found = {place.name or place.file for place in loaded.origins.values()} - {"environment"}
    return ", ".join(sorted(name for name in found if name != "BFL_API_KEY" or name in os.environ))


@click.group()
def config() -> None:
    """Check, show and describe the configuration."""


@config.command()
@config_option
def check(path: Path | None) -> None:
    """Say OK, or every problem with its place."""
    loaded = read_to_look(path)
    click.echo(f"OK: {written(loaded) or 'nothing set'}; everything else has its default")
    for name, reason in loaded.ignored.items():
        click.echo(f"environment: {name}: not used: {reason}", err=True)


@config.command(name="show")
@config_option
@click.option("--origins", is_flag=True, help="Say behind each value where it was set.")
def show_(path: Path | None, origins: bool) -> None:
    """Print the configuration in force, defaults included, secrets masked."""
    loaded = read_to_look(path)
    click.echo(show(loaded.config, loaded.origins if origins else None), nl=False)


@config.command(name="schema")
def schema_() -> None:
    """Print the JSON schema of the file, for editors and CI."""
    from gateway.config.schema import Config

    click.echo(json.dumps(schema(Config), indent=2))
