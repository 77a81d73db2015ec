"""
The picture of a finished task, whole and stored.

It is paid for, so whatever goes wrong here is tried again from the start for as long as the vendor may recover, soon
sparsely. Asking after the task once more brings a freshly signed link.
"""

from __future__ import annotations

from gateway.domain.blob import Blob, Link
from gateway.domain.errors import GatewayError, Paid, ResultLost
from gateway.domain.outcome import Finished, Ticket
from gateway.domain.size import Pixels
from gateway.jobs.job import Job
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Platform
from gateway.upstream.download import FetchFailed
from gateway.upstream.session import Answered

# The vendor keeps a finished picture for about an hour, and asking after its task again renews the link meanwhile.
COLLECT_S = 3600.0
AGAIN_S, AGAIN_LONGEST_S = 0.25, 30.0
# No longer while somebody waits for it, also for who comes meanwhile.
WANTED_LONGEST_S = 5.0
# A whole picture that is none will hardly become one, nor an address that is never visited another; the vendor is asked
# again meanwhile, all within two seconds. A page in its place is the host's trouble, whatever status it shows.
HOPELESS_TRIES = 3


async def collect(
    tools: Tools,
    platform: Platform,
    ticket: Ticket | None,
    finished: Finished,
    size: Pixels | None = None,
    *,
    job: Job | None = None,
) -> str:
    """
    The stored picture's reference in `Results`. `ticket` is None when the vendor answered at once, `size` when the
    picture stays as it is made, `job` when nobody waits for it.

    Raises: ResultLost.
    """
    started, tries, hopeless = tools.clock.now(), 0, 0
    while True:
        try:
            blob = await _fetch(tools, platform, finished)
            try:
                return await _put(tools, blob, size)
            except BaseException:
                if blob is not finished.results[0]:
                    blob.release()
                raise
        except (FetchFailed, GatewayError) as error:
            tries += 1
            if isinstance(error, FetchFailed):
                hopeless += error.forbidden or (error.status == 200 and not error.page)
            if hopeless == HOPELESS_TRIES or tools.clock.now() - started > COLLECT_S:
                tools.metrics.results_lost(platform.name).inc()
                raise ResultLost(
                    "The picture was made, but could not be fetched from the platform.",
                    paid=Paid.YES,
                    detail=str(error),
                ) from None
        pause_s = tools.jitter(min(AGAIN_LONGEST_S, AGAIN_S * 2 ** min(tries, 8)))
        if job is None:
            await tools.clock.sleep(pause_s)
        else:
            await job.pause(tools.clock, pause_s, min(pause_s, WANTED_LONGEST_S))
        if ticket is not None:
            finished = await _fresh(tools, platform, ticket) or finished


async def _put(tools: Tools, blob: Blob, size: Pixels | None) -> str:
    """What is stored is taken over; on a failure `blob` is not."""
    if size is None or (made := await tools.fit(blob, size)) is blob:
        return await tools.results.put(blob)
    try:
        ref = await tools.results.put(made)
    except BaseException:
        made.release()
        raise
    blob.release()
    return ref


async def _fetch(tools: Tools, platform: Platform, finished: Finished) -> Blob:
    if not finished.results:
        raise FetchFailed("the task is over and names no picture", forbidden=True)
    result = finished.results[0]
    if not isinstance(result, Link):
        return result
    heard, present = tools.metrics.upstream_responses, tools.present(platform)
    try:
        blob = await tools.download.fetch(result, present.private, present.egress, platform.account)
    except FetchFailed as error:
        heard(platform.name, "collect", str(error.status)).inc()
        raise
    heard(platform.name, "collect", "200").inc()
    return blob


async def _fresh(tools: Tools, platform: Platform, ticket: Ticket) -> Finished | None:
    sent = await tools.ask(platform, ticket)
    outcome = platform.read_poll(ticket, sent.answer) if isinstance(sent, Answered) else None
    return outcome if isinstance(outcome, Finished) and outcome.results else None
