"""
`python -m tests.bench.unfiled KEPT serve …`: what the ledger and the files of finished pictures cost, each by itself.

With `files` every picture is a file of its own, though the vendor of the bench makes the same one for all; with
`memory` there is the ledger on disk, and pictures stay in memory.
"""

from __future__ import annotations

import secrets
import sys
import time
from typing import Any

import gateway.app
import gateway.stores.choice
from gateway.cli import main
from gateway.domain.blob import Blob
from gateway.stores.blobs import SpooledBlob
from gateway.stores.choice import LINKS, OnDisk
from gateway.stores.disk import DiskResults
from gateway.stores.links import Links
from gateway.stores.results import SpoolResults

KEPT_S = 1.0


class Unfiled(OnDisk):
    """All of it but the files."""

    def __init__(self, *told: Any, **more: Any) -> None:
        super().__init__(*told, **more)
        refs = iter(range(10**12))
        kept = SpoolResults(
            now=time.monotonic,
            links=Links(lambda: self.keyring.key(LINKS), time.time),
            new_ref=lambda: f"ref-{next(refs)}",
            retention_s=KEPT_S,
            spare_s=KEPT_S,
        )
        self.results = kept
        told[1].make_room = kept.make_room


class Filed(DiskResults):
    """No picture is one that there is already."""

    async def put(self, blob: Blob) -> str:
        assert isinstance(blob, SpooledBlob)
        blob.digest = secrets.token_hex(32)
        return await super().put(blob)


if __name__ == "__main__":
    kept, *rest = sys.argv[1:]
    if kept == "memory":
        vars(gateway.app)["OnDisk"] = Unfiled
    else:
        vars(gateway.stores.choice)["DiskResults"] = Filed
    main(rest)
