"""What the operator may say about every platform, whatever its kind."""

from __future__ import annotations

from gateway.domain.egress import CaFile, Proxy
from gateway.domain.settings import BaseUrl, Settings


class Account(Settings):
    """One account at a vendor. Each folder's own settings narrow `kind` to the folder's name."""

    kind: str
    base_url: BaseUrl
    proxy: Proxy = None
    ca_file: CaFile = None
