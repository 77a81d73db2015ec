"""What is said of this machine, from numbers."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path

import pytest

from gateway.cli.checks import machine
from gateway.cli.checks.finding import Finding, Mark, fine, problem, warning, worst


def test_the_worst_of_several() -> None:
    """None is fine."""
    one, two, three = fine("a", "is"), warning("b", "is", "do"), problem("c", "is", "do")
    assert worst([]) is worst([one]) is Mark.FINE
    assert worst([one, two]) is Mark.WARNING and worst([three, two, one]) is Mark.PROBLEM


def test_a_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """This one is fine; one that `serve` refuses is a problem in the same words."""
    assert machine.runtime().mark is Mark.FINE

    def refuse() -> None:
        raise RuntimeError("aiohttp is too old")

    monkeypatch.setattr(machine, "verify_runtime", refuse)
    assert (machine.runtime().mark, machine.runtime().text) == (Mark.PROBLEM, "aiohttp is too old")


@pytest.mark.parametrize(
    ("limit", "mark"),
    [(1024, Mark.WARNING), (3999, Mark.WARNING), (4000, Mark.FINE), (resource.RLIM_INFINITY, Mark.FINE)],
)
def test_descriptors(limit: int, mark: Mark) -> None:
    """Half of them are for clients."""
    found = machine.descriptors(limit, most=2000)
    assert found.mark is mark
    assert mark is Mark.FINE or (f"{limit // 2} connections" in found.text and "8000" in found.advice)


def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There already, or still to be made; nothing is left in it."""
    monkeypatch.setattr(machine, "network_kind", lambda _path: None)
    assert machine.folder(tmp_path) == fine("state_dir", f"{tmp_path} is writable")
    assert machine.folder(tmp_path / "a/b") == fine("state_dir", f"{tmp_path / 'a/b'} can be made")
    assert not list(tmp_path.iterdir())


def test_a_folder_on_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be written to, and will not do."""
    monkeypatch.setattr(machine, "network_kind", lambda _path: "nfs4")
    found = machine.folder(tmp_path)
    assert found.mark is Mark.WARNING and "nfs4" in found.text and "local disk" in found.advice


def test_a_folder_below_a_file(tmp_path: Path) -> None:
    """Cannot be made by anybody."""
    (tmp_path / "file").touch()
    found = machine.folder(tmp_path / "file/state")
    assert found.mark is Mark.PROBLEM and "Not a directory" in found.text and "GATEWAY_STATE_DIR" in found.advice


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """Read-only for this user; root, who may write everywhere, is nobody meanwhile."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o555)
        me = os.geteuid()
        try:
            if me == 0:
                os.seteuid(65534)
            told = machine.folder(Path(place) / "state").text
        finally:
            os.seteuid(me)
    assert "Permission denied" in told


def test_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said as the system says it."""

    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert machine.folder(tmp_path).text == f"no file can be made below {tmp_path}: Read-only file system"


def test_disk(tmp_path: Path) -> None:
    """Free space against what the configuration allows; the folder may not be there yet."""
    free = shutil.disk_usage(tmp_path).free
    enough, short = machine.disk(tmp_path / "later", free // 2), machine.disk(tmp_path, free * 2)
    assert enough is not None and enough.mark is Mark.FINE
    assert short is not None and short.mark is Mark.WARNING and "memory.disk" in short.advice


@pytest.mark.parametrize(("wall", "expected"), [(5.2, Mark.FINE), (65.0, Mark.WARNING), (-3595.0, Mark.WARNING)])
def test_steadiness(wall: float, expected: Mark) -> None:
    """A clock that jumps while another counts five seconds."""
    found: Finding = machine.steadiness(wall, 5.0)
    assert found.mark is expected
    assert expected is Mark.FINE or f"{wall - 5.0:+.1f} s" in found.text
