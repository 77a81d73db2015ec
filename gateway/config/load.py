"""
File, environment and command line into a model: all of it is valid, or every problem is told at once.

What beats what is written in `environment.py`. Unknown keys are errors whatever the model says about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.complaints import Complaints
from gateway.config.document import Document, Entry
from gateway.config.environment import ENVIRONMENT, OPTIONS, apply
from gateway.config.problem import ConfigError, KeyPath, Place
from gateway.config.shape import Shape
from gateway.config.yaml_file import read_file

M = TypeVar("M", bound=BaseModel)

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_VARIABLE_OF: Final = {variable.path: variable.name for variable in ENVIRONMENT}


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """
    A valid configuration and how it came about.

    Args:
        origins: where each written key stands; a key that is not here has its default.
        ignored: variables that are set but do not count → why.
    """

    config: M
    origins: Mapping[KeyPath, Place]
    ignored: Mapping[str, str]


def load(model: type[M], path: Path | None, environ: Mapping[str, str], *, options: Mapping[str, str] = _NONE) -> M:
    """The valid configuration alone; arguments and errors as in `resolve`."""
    return resolve(model, path, environ, options=options).config


def resolve(
    model: type[M], path: Path | None, environ: Mapping[str, str], *, options: Mapping[str, str] = _NONE
) -> Loaded[M]:
    """
    Args:
        path: the file; None when the environment is all there is.
        options: what the command line set, by the option's name: `{"--port": "9000"}`.

    Raises:
        ConfigError: with every problem. Nothing of the values is chained to it, so a traceback shows no secret.
    """
    if path is None:
        top = Place("environment")
        document = Document(entries={(): Entry({}, top, top)})
    else:
        document = read_file(path, environ)
    apply(document, environ, ENVIRONMENT, "environment")
    apply(document, options, OPTIONS, "command line")
    config, errors = _validated(model, document)
    complaints = Complaints(document, Shape(model), _VARIABLE_OF)
    for error in errors:
        complaints.add(error)
    complaints.add_booleans()
    complaints.add_bare()
    problems = [*document.problems, *complaints.problems()]
    if config is None or problems:
        raise ConfigError(problems)
    origins = {key: entry.place for key, entry in document.entries.items()}
    return Loaded(config, origins, document.ignored)


def _validated(model: type[M], document: Document) -> tuple[M | None, list[ErrorDetails]]:
    try:
        return model.model_validate(document.data, extra="forbid"), []
    except ValidationError as error:
        return None, error.errors(include_url=False)
