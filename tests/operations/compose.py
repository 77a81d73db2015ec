"""What the services of a compose file have to keep to, as complaints: https://docs.docker.com/reference/compose-file/."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.operations.promtool import ROOT

FOLDER = ROOT / "config/deploy"
WRITTEN = FOLDER / "compose.yaml"

REQUIRED: dict[str, Any] = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
LIMITS = ("mem_limit", "cpus", "pids_limit", "restart", "logging")
_HOLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def document() -> dict[str, Any]:
    """What compose.yaml says, anchors followed."""
    told: dict[str, Any] = yaml.safe_load(WRITTEN.read_text())
    return told


def filled(text: str, environ: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}`, `${NAME:?why}`. Raises: KeyError for one that is required and blank."""

    def fill(hole: re.Match[str]) -> str:
        value = environ.get(hole[1], "")
        if not value and hole[2] == "?":
            raise KeyError(hole[1])
        return value or (hole[3] if hole[2] == "-" else "")

    return _HOLE.sub(fill, text)


def holes() -> dict[str, bool]:
    """The variables it asks for, and whether each has to be set."""
    return {name: kind == "?" for name, kind, _ in _HOLE.findall(WRITTEN.read_text())}


def complaints(told: Mapping[str, Any]) -> set[str]:
    """What is wrong; each complaint begins with the service's name and the key it is about."""
    found = {f"{name} {what}" for name, service in told["services"].items() for what in _of(service, told)}
    published = {port for service in told["services"].values() for port in service.get("ports", ())}
    return found | {f"{port} is published to others" for port in published if not port.startswith("127.0.0.1:")}


def _of(service: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{key} is not {wanted}" for key, wanted in REQUIRED.items() if service.get(key) != wanted)
    yield from (f"{key} is missing" for key in LIMITS if key not in service)
    if not re.fullmatch(r"[1-9]\d*:\d+", str(service.get("user"))):
        yield "user is no number, or root"
    if re.search(r":(latest)?$", service["image"]) or ":" not in service["image"]:
        yield "image names no version"
    if not all({"noexec", "nosuid", "nodev"} <= set(mount.split(",")) for mount in service.get("tmpfs", ("",))):
        yield "tmpfs is missing, or programs could be put there"
    if service.get("healthcheck", {}).get("test", [""])[0] != "CMD":
        yield "healthcheck is missing, or needs a shell"
    if service.get("privileged") or {"pid", "ipc", "network_mode", "devices", "cap_add"} & set(service):
        yield "privileged, or shares what is the host's"
    for name in service["networks"]:
        if name not in told["networks"]:
            yield f"networks has no {name}"
    for mount in service.get("volumes", ()):
        source, _, rest = mount.partition(":")
        if source.startswith(".") and not rest.endswith(":ro"):
            yield f"volumes could write to {source}"
        if source.startswith(".") and not (FOLDER / source).is_dir():
            yield f"volumes has no {source}"
        if not source.startswith(".") and source not in told["volumes"]:
            yield f"volumes has no {source}"
