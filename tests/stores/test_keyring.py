"""A secret that outlives the process, and keys that tell nothing of each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.stores.keyring import NAME, Keyring


def test_kept(tmp_path: Path) -> None:
    """The same keys in the next process, others for another purpose or folder."""
    first = Keyring.kept(tmp_path)
    assert Keyring.kept(tmp_path).key("links") == first.key("links")
    assert first.key("hooks") != first.key("links")
    (tmp_path / "other").mkdir()
    assert Keyring.kept(tmp_path / "other").key("links") != first.key("links")
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0
    assert Keyring.passing().key("links") != Keyring.passing().key("links")


def test_what_others_can_read_is_no_secret(tmp_path: Path) -> None:
    """And one that was not written whole is none."""
    Keyring.kept(tmp_path)
    (tmp_path / NAME).chmod(0o644)
    with pytest.raises(OSError, match="can be read by others"):
        Keyring.kept(tmp_path)
    (tmp_path / NAME).chmod(0o600)
    (tmp_path / NAME).write_bytes(b"short")
    with pytest.raises(OSError, match="32 bytes"):
        Keyring.kept(tmp_path)


def test_a_crash_in_the_middle(tmp_path: Path) -> None:
    """Half a secret is not taken for one."""
    (tmp_path / f"{NAME}.tmp").write_bytes(b"half")
    Keyring.kept(tmp_path)
    assert not (tmp_path / f"{NAME}.tmp").exists()
