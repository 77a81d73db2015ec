"""
The key under which the chain leaves what a signed body's reader owes; apart from `keys`, which needs the readers.

`Body` fulfils it by itself; who reads a body in any other way has to.
"""

from __future__ import annotations

from aiohttp import web

from gateway.domain.duty import Duty

DUTY = web.RequestKey("duty", Duty)
