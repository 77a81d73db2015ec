"""This machine: interpreter, descriptors, folder, disk and clock. Nothing is left behind."""

from __future__ import annotations

import platform
import resource
import shutil
import ssl
import tempfile
from pathlib import Path

import aiohttp

from gateway.chain.connection import verify_runtime
from gateway.cli.checks.finding import Finding, fine, problem, warning
from gateway.stores.mounts import network_kind

GIB = 2**30
# A clock that is set while a program runs moves against the one that only counts.
STEP_S = 1.0


def runtime() -> Finding:
    try:
        verify_runtime()
    except RuntimeError as error:
        return problem("runtime", str(error), "The gateway refuses to start like this")
    versions = f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}, {ssl.OPENSSL_VERSION}"
    return fine("runtime", versions)


def descriptors(limit: int, most: int) -> Finding:
    """`limit` is the hard one, which `serve` takes; half of it is for clients, who want `most` connections."""
    if limit == resource.RLIM_INFINITY or limit // 2 >= most:
        told = "no limit" if limit == resource.RLIM_INFINITY else str(limit)
        return fine("descriptors", f"{told}, enough for {most} connections of clients")
    return warning(
        "descriptors",
        f"{limit} file descriptors leave room for {limit // 2} connections of clients instead of {most}",
        f"Allow {4 * most}: LimitNOFILE= in a systemd unit, `ulimits` in compose, `ulimit -n` in a shell",
    )


def folder(path: Path) -> Finding:
    """Whether files can be made where the configuration wants them."""
    try:
        found = _existing(path)
        with tempfile.TemporaryFile(dir=found):
            pass
    except OSError as error:
        return problem(
            "state_dir",
            f"no file can be made below {path}: {error.strerror}",
            "Give the gateway's user a folder of its own there, or set state_dir (GATEWAY_STATE_DIR)",
        )
    told = f"{path} is writable" if found == path else f"{path} can be made"
    if (kind := network_kind(path)) is not None:
        return warning(
            "state_dir",
            f"{told}, and is on a network file system ({kind})",
            "Put state_dir on a local disk: the ledger's locks and its log do not hold over a network",
        )
    return fine("state_dir", told)


def disk(path: Path, wanted: int) -> Finding | None:
    """Free space against what uploads and results may take, in bytes; None when the folder says it all."""
    try:
        free = shutil.disk_usage(_existing(path)).free
    except OSError:
        return None
    told = f"{free / GIB:.1f} GiB free below {path}; memory.disk allows {wanted / GIB:.1f} GiB"
    if free >= wanted:
        return fine("disk", told)
    return warning("disk", told, "Free some space, or lower memory.disk: a full disk refuses uploads with 503")


def steadiness(wall_s: float, monotonic_s: float) -> Finding:
    """How long the checks took, by the clock on the wall and by the one that only counts."""
    step = wall_s - monotonic_s
    if abs(step) < STEP_S:
        return fine("clock", "runs steadily")
    return warning(
        "clock", f"was set by {step:+.1f} s meanwhile", "Let it be slewed (chrony, systemd-timesyncd), not stepped"
    )


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
