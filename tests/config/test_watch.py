"""Noticing another file, however it came into its place."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.config.watch import Watched


def test_nothing_happened(tmp_path: Path) -> None:
    """Looking does not change anything."""
    path = tmp_path / "gateway.yaml"
    path.write_text("a: 1")
    watched = Watched(path)
    assert not watched.changed() and not watched.changed()


def test_written_in_place_and_replaced(tmp_path: Path) -> None:
    """Each time once: an editor that writes into the file, and one that puts another file into its place."""
    path, other = tmp_path / "gateway.yaml", tmp_path / "new"
    path.write_text("a: 1")
    watched = Watched(path)
    path.write_text("a: 12")
    assert watched.changed() and not watched.changed()
    other.write_text("b: 12")
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    os.replace(other, path)
    assert watched.changed() and not watched.changed()


def test_a_swapped_link(tmp_path: Path) -> None:
    """As Kubernetes does: the file is a link through `..data`, and that link is replaced."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "gateway.yaml").write_text("same: size")
    data, path = tmp_path / "..data", tmp_path / "gateway.yaml"
    data.symlink_to("1")
    path.symlink_to("..data/gateway.yaml")
    watched = Watched(path)
    (tmp_path / "next").symlink_to("2")
    os.replace(tmp_path / "next", data)
    assert watched.changed() and not watched.changed()


def test_gone_for_a_while(tmp_path: Path) -> None:
    """Between two names there may be none; what comes back is looked at."""
    path = tmp_path / "gateway.yaml"
    path.write_text("a: 1")
    watched = Watched(path)
    path.unlink()
    assert not watched.changed()
    path.write_text("a: 123")
    assert watched.changed()


def test_appears_later(tmp_path: Path) -> None:
    """A file that was not there at the start."""
    watched = Watched(tmp_path / "gateway.yaml")
    assert not watched.changed()
    (tmp_path / "gateway.yaml").write_text("a: 1")
    assert watched.changed()
