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


@click.group()
def config() -> None:
    """Check, show and describe the configuration."""


@config.command()
@config_option
def check(path: Path | None) -> None:
    """Say OK, or every problem with its place."""
    loaded = read_config(path, {})
    written = sorted({place.name or place.file for place in loaded.origins.values()} - {"environment"})
    click.echo(f"OK: {', '.join(written) or 'nothing set'}; everything else has its default")
    for name, reason in loaded.ignored.items():
        click.echo(f"environment: {name}: not used: {reason}", err=True)


@config.command(name="show")
@config_option
@click.option("--origins", is_flag=True, help="Say behind each value where it was set.")
def show_(path: Path | None, origins: bool) -> None:
    """Print the configuration in force, defaults included, secrets masked."""
    loaded = read_config(path, {})
    click.echo(show(loaded.config, loaded.origins if origins else None), nl=False)


@config.command(name="schema")
def schema_() -> None:
    """Print the JSON schema of the file, for editors and CI."""
    from gateway.config.schema import Config

    click.echo(json.dumps(schema(Config), indent=2))
