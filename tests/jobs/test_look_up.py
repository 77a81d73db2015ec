"""What the ledger remembers answers a request only while its pictures exist."""

from __future__ import annotations

import pytest

from tests.fakes.vendor import Vendor, Works


@pytest.mark.parametrize("kept", [True, False])
async def test_pictures_that_are_gone(kept: bool) -> None:
    """Nothing can be answered from them any more, so the same key pays anew."""
    works = Works(Vendor())
    for _ in range(2):
        handle = await works.supervisor.start(works.order(key="k"))
        await handle.job.until_finished()
        await handle.delivered()
        if not kept:
            works.shelf.blobs.clear()
    assert works.vendor.asked["submit"] == (1 if kept else 2)
