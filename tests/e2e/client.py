"""A library aimed at a gateway: what a test says, as a line for its process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.e2e.driver import Driver, Library
from tests.e2e.stand import KEY


@dataclass(frozen=True, slots=True)
class Client:
    """
    `at`, in every call, is another base address than the plain gateway's; `client` are the library's own options in the
    words of Python's, `azure` for its client for Azure, and `path` instead of /v1.
    """

    library: Library
    driver: Driver
    stand: dict[str, str]
    files: list[str]

    async def edit(
        self,
        prompt: str,
        *,
        how: str | None = None,
        pictures: int = 1,
        mask: str | None = None,
        **told: Any,
    ) -> dict[str, Any]:
        """What a user gets; `mask` is a file. The rest as for `generate`."""
        form = how or self.library.forms[0]
        given = {"how": form if pictures else None, "pictures": self.files[:pictures], "mask": mask}
        return await self._pictures("edit", prompt, given, **{"model": "flux-kontext-pro", **told})

    async def generate(self, prompt: str, **told: Any) -> dict[str, Any]:
        """What a user gets; the names of `_pictures` are its, all others are parameters of the library's call."""
        return await self._pictures("generate", prompt, {"how": None, "pictures": [], "mask": None}, **told)

    async def post(self, path: str, body: dict[str, Any], **told: Any) -> dict[str, Any]:
        """`client.post`, which official SDKs have for what they do not know: the answer's document as `answer`."""
        return await self._ask("post", path=path, body=body, **told)

    async def models(self, **told: Any) -> list[str]:
        answer = await self.listing(**told)
        found: list[str] = answer["models"]
        return found

    async def listing(self, **told: Any) -> dict[str, Any]:
        """The names of the models as `models`, or an `error`."""
        return await self._ask("models", **told)

    async def model(self, name: str, **told: Any) -> dict[str, Any]:
        return await self._ask("model", model=name, **told)

    async def _pictures(
        self,
        call: str,
        prompt: str,
        given: dict[str, Any],
        *,
        at: str | None = None,
        key: str = KEY,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        client: dict[str, Any] | None = None,
        raw: bool = False,
        **params: Any,
    ) -> dict[str, Any]:
        """With `raw` the answer has `heads` too, by their names in small letters."""
        told = {"prompt": prompt, **params}
        return await self._ask(
            call,
            at=at,
            key=key,
            client=client,
            params={name: value for name, value in told.items() if value is not None},
            extra=extra,
            headers=headers,
            raw=raw,
            **given,
        )

    async def _ask(
        self,
        call: str,
        *,
        at: str | None = None,
        key: str = KEY,
        client: dict[str, Any] | None = None,
        **told: Any,
    ) -> dict[str, Any]:
        options = dict(client or {})
        base_url = (at or self.stand["plain"]) + options.pop("path", "/v1")
        return await self.driver.ask(
            {"mode": self.library.mode, "base_url": base_url, "key": key, "call": call, "client": options, **told}
        )
