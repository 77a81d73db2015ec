"""Room on a disk so full that the ledger does not even open: the pictures that were delivered go, oldest first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import structlog

log = structlog.get_logger("gateway.results")

# What no job names that has not been delivered yet; by the newest job that has it.
SPARE = """
    SELECT ref FROM submissions JOIN jobs ON jobs.id = job WHERE ref IS NOT NULL GROUP BY ref
    HAVING min(state) = 'delivered' AND max(state) = 'delivered' ORDER BY max(created)
"""


def drop_delivered(ledger: Path, pictures: Path, enough: Callable[[], bool]) -> None:
    """
    Until there is `enough` room, or none is left. Their rows stay: a job without its picture is found by nobody.

    Nothing is written, and nobody else may work with the ledger. Blocks. Raises: apsw.Error.
    """
    # What a crash has left beside it has to be read as well; without that the file alone is all, and needs no index.
    log_file = ledger.with_name(f"{ledger.name}-wal")
    whole = not (log_file.exists() and log_file.stat().st_size)
    uri = f"{ledger.absolute().as_uri()}{'?immutable=1' if whole else ''}"
    db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    gone = 0
    try:
        for (ref,) in db.execute(SPARE):
            if enough():
                break
            (pictures / str(ref)).unlink(missing_ok=True)
            gone += 1
    finally:
        db.close()
    if gone:
        log.warning("delivered pictures dropped for want of disk space", count=gone)
