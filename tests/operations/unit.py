"""What a systemd unit has to keep to, as complaints: https://www.freedesktop.org/software/systemd/man/systemd.exec.html."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.operations.promtool import ROOT

WRITTEN = ROOT / "config/deploy/image-gateway.service"

REQUIRED = {
    "Type": "exec",
    "Restart": "on-failure",
    "KillSignal": "SIGTERM",
    "KillMode": "mixed",
    "DynamicUser": "yes",
    "StateDirectory": "image-gateway",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "NoNewPrivileges": "yes",
    "OOMPolicy": "continue",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
}
PRESENT = ("EnvironmentFile", "ExecStart", "LimitNOFILE", "MemoryMax", "SystemCallFilter", "TasksMax", "TimeoutStopSec")


def settings(text: str) -> dict[str, list[str]]:
    """Every setting of the unit with its values in order; sections do not share names here."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name].append(value)
    return dict(found)


def complaints(text: str, *, drain_s: float) -> set[str]:
    """What is wrong; each complaint begins with the setting it is about."""
    return set(_about(settings(text), drain_s))


def _about(told: dict[str, list[str]], drain_s: float) -> Iterator[str]:
    yield from (f"{name} is not {value!r}" for name, value in REQUIRED.items() if told.get(name) != [value])
    yield from (f"{name} is missing" for name in PRESENT if name not in told)
    yield from (f"{name} is fixed, and DynamicUser makes one up" for name in ("User", "Group") if name in told)
    if float(told.get("TimeoutStopSec", ["0"])[0]) <= drain_s + 10:
        yield "TimeoutStopSec would cut the drain off"
    reload = told.get("ExecReload", [])
    if not reload or reload[-1] != "/bin/kill -HUP $MAINPID" or not reload[0].endswith("config check"):
        yield "ExecReload does not check first, or sends no SIGHUP"
    for line in (*told.get("ExecStart", []), *reload):
        if not line.startswith("/") or line.startswith("/bin/sh"):
            yield "ExecStart needs a shell"
    # `systemctl show` tells it to every user.
    for line in told.get("Environment", []):
        if any(word in line for word in ("KEY", "SECRET", "PASSWORD", "TOKEN")):
            yield "Environment shows a secret to everybody"
