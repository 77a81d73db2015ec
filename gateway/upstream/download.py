"""
Fetching a finished picture: without credentials, complete, and checked before anybody sees it.

Delivery hosts change names, so none are listed: https to a public address is what counts.
https://docs.bfl.ai/api_integration/integration_guidelines
"""

from __future__ import annotations

import aiohttp
from yarl import URL

from gateway.domain.blob import Link
from gateway.domain.egress import Egress
from gateway.domain.errors import OutOfRoom
from gateway.domain.hosts import PrivateHosts, read_foreign
from gateway.domain.public import is_public_host
from gateway.imaging.probe import NotAnImage, Prober, Unrecognized
from gateway.stores.blobs import BlobWriter, SpooledBlob
from gateway.stores.spool import Spool
from gateway.upstream.egress import Leaving, leaving
from gateway.upstream.guard import PrivateAddress, public_socket
from gateway.upstream.inline import CAP
from gateway.upstream.minimum_rate import MinimumRate
from gateway.upstream.session import client
from gateway.upstream.watch import Watch

# Pictures of one account fetched at the same time; each has read-ahead of its own, outside the memory budget.
LIMIT = 64
TIMES = aiohttp.ClientTimeout(total=120, sock_connect=5, sock_read=15)
# Slower than this a picture of two megabytes would not be there within the whole time, and keeps its place in the pool.
WINDOW_S = 5.0
LEAST_BYTES = 80 * 1024


class FetchFailed(Exception):
    """
    The picture did not arrive whole. `status` is what was answered, 0 when no whole answer came; `forbidden` when the
    address is one that is never visited; `page` when the answer was no file of pictures at all, but nothing, or what a
    host says of its own trouble.
    """

    def __init__(self, why: str, *, status: int = 0, forbidden: bool = False, page: bool = False) -> None:
        super().__init__(why)
        self.status, self.forbidden, self.page = status, forbidden, page


class Download:
    """
    Two client sessions for each account, so that a slow host of one keeps nobody else waiting: one that reaches public
    addresses only, one for the operator's private hosts and its proxy.

    Behind a proxy nobody here sees an address: a name has to look public, and where it leads is the proxy's business.
    """

    def __init__(self, spool: Spool, *, cap: int = CAP) -> None:
        self._spool, self._cap = spool, cap
        self._sessions: dict[tuple[str, bool], aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Download:
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self._sessions.values():
            await session.close()

    async def fetch(self, link: Link, private: PrivateHosts, egress: Egress, account: str) -> SpooledBlob:
        """The whole picture. Raises: FetchFailed."""
        url = read_foreign(link.url)
        if url is None:
            raise FetchFailed("the address is not a plain http address", forbidden=True)
        proxied = egress.proxy is not None and url.scheme == "https"
        if inside := private.allows(url):
            public = False
        elif url.scheme != "https" or url.port != 443:
            raise FetchFailed(f"the address is not https on port 443 ({url.host})", forbidden=True)
        elif proxied and not is_public_host(url.host or ""):
            why = f"{url.host} is not a public name or address, and the proxy is not asked for it"
            raise FetchFailed(why, forbidden=True)
        else:
            public = not proxied
        try:
            return await self._fetch(self._session(account, public=public), url, leaving(egress, url))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            way = " (private)" if inside else " (by proxy)" if proxied else ""
            forbidden = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PrivateAddress)
            raise FetchFailed(f"{type(error).__name__} from {url.host}{way}", forbidden=forbidden) from error
        except OutOfRoom as error:
            # Its words are for a client who has paid nothing yet.
            raise FetchFailed(f"no room on disk: {error.detail}") from error

    def _session(self, account: str, *, public: bool) -> aiohttp.ClientSession:
        if (found := self._sessions.get((account, public))) is None:
            guard = public_socket if public else None
            connector = aiohttp.TCPConnector(limit=LIMIT, keepalive_timeout=15, socket_factory=guard)
            found = self._sessions[account, public] = client(connector, TIMES)
        return found

    async def _fetch(self, session: aiohttp.ClientSession, url: URL, way: Leaving) -> SpooledBlob:
        async with session.get(url, allow_redirects=False, **way) as response:
            status = response.status
            if status != 200:
                raise FetchFailed(f"{url.host} answered {status}", status=status)
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise FetchFailed(f"{url.host} sent an encoded picture", status=status)
            expected = response.content_length or 0
            if expected > self._cap:
                raise FetchFailed(f"{url.host} offers {expected} bytes; the cap is {self._cap}", status=status)
            room = self._spool.reserve_paid(expected)
            writer, prober, rate = BlobWriter(room), Prober(), MinimumRate(LEAST_BYTES)
            try:
                with Watch(response.content, WINDOW_S, rate.look):
                    async for chunk in response.content.iter_any():
                        rate.came(len(chunk))
                        if writer.length + len(chunk) > self._cap:
                            raise FetchFailed(f"{url.host} sent more than {self._cap} bytes", status=status)
                        prober.feed(chunk)
                        await writer.write(chunk)
                        rate.reads_on()
                found = prober.finish()
                return await writer.finish(found.media_type, found.pixels, found.orientation)
            except NotAnImage as error:
                writer.discard()
                page, why = isinstance(error, Unrecognized), f"{url.host} sent no whole picture: {error}"
                raise FetchFailed(why, status=status, page=page) from error
            except BaseException:
                writer.discard()
                raise
            finally:
                room.close()
