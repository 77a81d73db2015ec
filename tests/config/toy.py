"""A small model of the gateway's own shape, so that the loader is tested apart from the real options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.load import Loaded, resolve
from gateway.config.problem import ConfigError
from gateway.domain.quantity import ByteSize, Seconds
from gateway.domain.secret import Secret


class Listen(BaseModel):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535, description="TCP port")


class Bfl(BaseModel):
    kind: Literal["bfl"]
    api_key: Secret
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^@]+$")] = "https://api.bfl.ai"
    max_active_tasks: int = Field(default=24, ge=1)
    answer_within: Seconds = 300.0
    verbose: bool = False
    models: dict[str, str] = {}


class OpenAI(BaseModel):
    kind: Literal["openai"]
    api_keys: tuple[Secret, ...]
    base_url: str = "https://api.openai.com/v1"
    image_model: str | None = None
    image_model_fallback: str | None = None


class Key(BaseModel):
    id: str
    hash: str


class Auth(BaseModel):
    keys: tuple[Key, ...] = ()


class Routes(BaseModel):
    edits: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()


class Memory(BaseModel):
    budget: ByteSize = 256 * 2**20


PlatformId = Annotated[str, StringConstraints(pattern="^[a-z0-9]+$")]


class Toy(BaseModel):
    listen: Listen = Listen()
    admin: Listen = Listen(port=8081)
    public_base_url: str | None = None
    route_prefix: str = ""
    auth: Auth = Auth()
    platforms: dict[PlatformId, Annotated[Bfl | OpenAI, Field(discriminator="kind")]] = {}
    routes: Routes = Routes()
    memory: Memory = Memory()
    state_dir: Path = Path("state")
    level: int | Literal["high", "low"] = 1

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Toy:
        for index, name in enumerate(self.routes.edits):
            if name.partition("/")[0] not in self.platforms:
                text = f"no platform is called {name}"
                raise PydanticCustomError("dangling", "{text}", {"text": text, "path": ("routes", "edits", index)})
        return self


def load_text(folder: Path, text: str, environ: dict[str, str] | None = None, **options: str) -> Loaded[Toy]:
    file = folder / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return resolve(Toy, file, environ or {}, options={f"--{name}": value for name, value in options.items()})


def problems_of(folder: Path, text: str, environ: dict[str, str] | None = None, **options: str) -> list[str]:
    """What is printed, with the folder's name taken off."""
    try:
        load_text(folder, text, environ, **options)
    except ConfigError as error:
        return [str(problem).removeprefix(f"{folder}/") for problem in error.problems]
    return []


def environment_problems(environ: dict[str, str], **options: str) -> list[str]:
    try:
        resolve(Toy, None, environ, options={f"--{name}": value for name, value in options.items()})
    except ConfigError as error:
        return list(map(str, error.problems))
    return []
