"""What a browser finds at the gateway's own address: where its clients go. Nothing of what is configured."""

from __future__ import annotations

from aiohttp import web


class WelcomeHandler:
    """Handler of `GET /`. `prefix` stands before every public path."""

    def __init__(self, prefix: str) -> None:
        self._text = (
            "An image gateway: OpenAI's Images API.\n\n"
            f"base_url is this address with {prefix}/v1 behind it, api_key a key that this gateway's operator made.\n"
            f"POST {prefix}/v1/images/edits, POST {prefix}/v1/images/generations, GET {prefix}/v1/models\n"
        )

    async def __call__(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._text)
