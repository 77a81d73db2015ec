"""
Noticing that a file has become another one.

Looked at by its identity instead of by notifications: that sees an editor's atomic replace, a ConfigMap's swapped link,
a bind mount and a network share alike. https://kubernetes.io/docs/concepts/configuration/configmap/
"""

from __future__ import annotations

from pathlib import Path

Identity = tuple[int, int, int, int]


class Watched:
    """One file. Blocks for as long as a `stat` takes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = self._look()

    def changed(self) -> bool:
        """True once for each time the file is found to be another. A file that is gone has not changed yet."""
        if (now := self._look()) is None or now == self._last:
            return False
        self._last = now
        return True

    def _look(self) -> Identity | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
