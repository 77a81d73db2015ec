"""What a folder is on, by the system's own table."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.stores.choice import OnDisk
from gateway.stores.mounts import network_kind
from gateway.stores.settings import MemorySettings, ResultSettings
from gateway.stores.spool import Spool
from tests.fakes.logbook import logbook

LINE = "{id} 1 0:{id} / {point} rw,relatime shared:1 - {kind} source rw"


def table(folder: Path, *mounts: tuple[str, str]) -> Path:
    lines = [LINE.format(id=id, point=point, kind=kind) for id, (point, kind) in enumerate(mounts, 20)]
    path = folder / "mountinfo"
    path.write_text("\n".join(["", "nonsense", *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse", "fuse.sshfs", "fuse.ceph-fuse", "virtiofs"]
)
def test_over_a_network(tmp_path: Path, kind: str) -> None:
    """Also for a folder that is still to be made."""
    mounts = table(tmp_path, ("/", "ext4"), ("/srv/state", kind))
    assert network_kind(Path("/srv/state"), mounts) == kind
    assert network_kind(Path("/srv/state/a/b"), mounts) == kind
    assert network_kind(Path("/srv/states"), mounts) is None


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk"])
def test_local(tmp_path: Path, kind: str) -> None:
    assert network_kind(Path("/srv/state"), table(tmp_path, ("/", "nfs"), ("/srv", kind))) is None


def test_the_last_of_the_deepest(tmp_path: Path) -> None:
    """What is mounted over a place hides what was there, and names with blanks are read."""
    mounts = table(tmp_path, ("/srv", "nfs"), ("/srv", "ext4"), ("/", "9p"), ("/my\\040disk", "cifs"))
    assert network_kind(Path("/srv/x"), mounts) is None
    assert network_kind(Path("/elsewhere"), mounts) == "9p"
    assert network_kind(Path("/my disk/state"), mounts) == "cifs"


def test_a_link_is_followed(tmp_path: Path) -> None:
    """To where the files are."""
    (tmp_path / "link").symlink_to("/srv/state")
    assert network_kind(tmp_path / "link" / "x", table(tmp_path, ("/", "ext4"), ("/srv/state", "nfs"))) == "nfs"


def test_where_the_system_does_not_tell(tmp_path: Path) -> None:
    assert network_kind(tmp_path, tmp_path / "none") is None


async def test_a_start_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, with the type, and goes on."""
    monkeypatch.setattr("gateway.stores.choice.network_kind", lambda _folder: "nfs4")
    async with Spool(MemorySettings(), tmp_path / "spool", lambda _kind, _held: None) as spool:
        stores = OnDisk(
            tmp_path,
            spool,
            ResultSettings(),
            now=lambda: 0.0,
            wall=lambda: 0.0,
            took=lambda _took: None,
            held=lambda _held: None,
        )
        with logbook() as book:
            await stores.open()
        await stores.close()
    (line,) = [line for line in book.lines if line["event"].startswith("state_dir is on a network")]
    assert line["type"] == "nfs4"
