"""
What kind of file system a folder is on. SQLite's log in shared memory and its locks need a local one: over a network
two gateways may both believe that they are alone. https://www.sqlite.org/wal.html#overview, https://www.sqlite.org/faq.html#q5
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path, PurePosixPath

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "virtiofs"})
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_kind(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """
    The type of the network file system, or of one in user space, that the folder is on or would be made on; None for a
    local one, and where the system does not tell.
    """
    with suppress(OSError):
        kind = _kind(PurePosixPath(os.path.realpath(folder)), mounts.read_text("utf-8", "surrogateescape"))
        if kind in NETWORK or kind == "fuse" or kind.startswith("fuse."):
            return kind
    return None


def _kind(path: PurePosixPath, mounts: str) -> str:
    """The last of the deepest: what is mounted over a place hides what was there. proc_pid_mountinfo(5)."""
    found, depth = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 6 or not after:
            continue
        point = PurePosixPath(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = after.split(" ")[0], len(point.parts)
    return found
