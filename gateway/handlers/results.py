"""`GET /results/{ref}`: a finished picture, opened by the signature in its link."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from gateway.domain.blob import Blob
from gateway.domain.errors import NotFound, RangeOutside
from gateway.handlers import respond
from gateway.stores.contract import Results

RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ResultsHandler:
    results: Results

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """
        The picture, a part of it (single `Range`), or 304.

        Raises: NotFound for anything but a good, fresh link; RangeOutside.
        """
        ref, query = request.match_info["ref"], request.query
        good = self.results.check(ref, query.get("expires", ""), query.get("signature", ""))
        blob = await self.results.open(ref) if good else None
        if blob is None:
            raise NotFound("This link is not valid, or no longer. Send the request again for a new one.")
        try:
            return await self._send(request, blob)
        finally:
            blob.release()

    async def _send(self, request: web.Request, blob: Blob) -> web.StreamResponse:
        """Conditions and ranges: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2"""
        tag = f'"{blob.digest[:32]}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600, immutable"}
        if _known(tag, request.headers.get("If-None-Match", "")):
            return web.Response(status=304, headers=headers)
        partly = request.method == "GET" and request.headers.get("If-Range", tag) == tag
        span = _span(request.headers.get("Range", ""), blob.length) if partly else None
        start, stop = span or (0, blob.length)
        if span:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.length}"
        response = web.StreamResponse(status=206 if span else 200, headers=headers)
        response.content_type, response.content_length = blob.media_type, stop - start
        async with respond.sending(request, response) as timer:
            if request.method != "HEAD":
                await respond.pour(response, blob.chunks(start, stop), timer)
            await response.write_eof()
        return response


def _known(tag: str, listed: str) -> bool:
    """True when an `If-None-Match` names the tag; weak ones count here."""
    return listed.strip() == "*" or tag in [known.strip().removeprefix("W/") for known in listed.split(",")]


def _span(asked: str, length: int) -> tuple[int, int] | None:
    """The range as [start, stop); None to send all of it. Raises: RangeOutside."""
    found = RANGE.fullmatch(asked.strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, length - int(found[2])), length
    else:
        start, stop = int(found[1]), min(length, int(found[2]) + 1 if found[2] else length)
        if found[2] and int(found[2]) < start:
            return None
    if start >= stop:
        raise RangeOutside(f"The result has {length} bytes; the range lies outside.", length=length)
    return start, stop
