"""
The composition root: constructs everything, lists the chain and the resources. It knows every name; nobody knows it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import structlog
from aiohttp import web

from gateway.chain.auth import Doorman, auth
from gateway.chain.connection import runner
from gateway.chain.cors import allow_origin, cors
from gateway.chain.errors import errors
from gateway.chain.metrics import metrics
from gateway.chain.moderation import moderation
from gateway.chain.routing import routing
from gateway.chain.story import StoryMiddleware, finish_headers
from gateway.config.schema import Config, Listener
from gateway.domain.target import JobTarget, Target
from gateway.handlers import health
from gateway.handlers.answer import Answerer
from gateway.handlers.body import leave_expect
from gateway.handlers.image_edits import ImageEdits
from gateway.handlers.models import Listed, ModelsHandler
from gateway.handlers.receive import Limits
from gateway.handlers.relay import RelayHandler
from gateway.handlers.results import ResultsHandler
from gateway.jobs.clock import Clock
from gateway.jobs.pace import Pace, Prior
from gateway.jobs.queue import Queue
from gateway.jobs.submission import Tools
from gateway.jobs.supervisor import Supervisor
from gateway.platforms import registry
from gateway.platforms.contract import Platform
from gateway.platforms.openai import OpenAi
from gateway.routing.rules import Offer, Rules
from gateway.stores.ledger import MemoryLedger
from gateway.stores.results import SpoolResults
from gateway.stores.slots import MemorySlots
from gateway.stores.spool import Spool
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.download import Download
from gateway.upstream.relay import Relay
from gateway.upstream.session import Session

log = structlog.get_logger("gateway")

SWEEP_EVERY_S = 15.0


class Gateway:
    """
    One gateway. `async with` opens its resources and listeners; leaving drains and closes them in reverse.

    Args:
        clock: time; chance: 0 ≤ x < 1; new_id: makes the random part of ids. Arguments, so that no test waits.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock = Clock(),  # noqa: B008 - immutable
        chance: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(18),
    ) -> None:
        self.config, self.metrics, self._clock = config, Catalogue(), clock
        self._stack = AsyncExitStack()
        self.platforms: dict[str, Platform] = {}
        self.openai: OpenAi | None = None
        for name, settings in config.platforms.items():
            built = registry.build(name, settings)
            if isinstance(built, OpenAi):
                self.openai = built
            else:
                self.platforms[name] = built
        self.rules = _rules(config, self.platforms, self.openai)
        self.spool = Spool(config.memory, config.state_dir / "spool", self._meter)
        self.metrics.memory_budget("limit").set(config.memory.budget)
        self.results = SpoolResults(
            now=clock.wall,
            new_ref=new_id,
            secret=secrets.token_bytes(32),
            retention_s=config.results.retention,
        )
        self.spool.make_room = self.results.make_room
        self.session = Session()
        self.download = Download(self.spool)
        self.relay = Relay(self.metrics)
        ceilings = {p.account: p.max_active_tasks for p in self.platforms.values()}
        nested = {
            f"{p.account}/{model.name}": model.ceiling
            for p in self.platforms.values()
            for model in p.models.values()
            if model.ceiling is not None
        }
        self.queue = Queue(
            MemorySlots(ceilings | nested),
            ceilings,
            limit=config.jobs.queue_limit,
            clock=clock,
            chance=chance,
            depth=lambda account, waiting: self.metrics.queue_depth(account).set(waiting),
        )
        self.supervisor = Supervisor(
            Tools(
                session=self.session,
                download=self.download,
                queue=self.queue,
                ledger=MemoryLedger(clock.wall),
                results=self.results,
                metrics=self.metrics,
                clock=clock,
                chance=chance,
                paces=_paces(),
                job_max_age_s=config.jobs.job_max_age,
            ),
            new_id=lambda: f"job_{new_id()}",
            owner=1,
            retention_s=config.results.retention,
            crashed=lambda error: log.error("submission crashed", exc_info=error),
        )
        self.public = self._public(new_id)
        self.admin = self._admin()
        self.url = self.admin_url = ""

    async def __aenter__(self) -> Gateway:
        try:
            for resource in (self.spool, self.session, self.download, self.relay):
                await self._stack.enter_async_context(resource)
            self._stack.push_async_callback(self.queue.close)
            sweeper = asyncio.create_task(self._sweep(), name="sweep")
            self._stack.callback(sweeper.cancel)
            self.admin_url = await self._listen(self.admin, self.config.admin)
            self.url = await self._listen(self.public, self.config.listen)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        left = await self.supervisor.drain(self.config.jobs.drain)
        if left:
            log.warning("jobs left unfinished", count=left)
        await self._stack.aclose()

    def wrong(self) -> Mapping[str, str]:
        """Why no work is wanted just now; empty when it is."""
        return {"draining": "the gateway is shutting down"} if self.supervisor.draining else {}

    # The public side.

    def _public(self, new_id: Callable[[], str]) -> web.Application:
        config, clock = self.config, self._clock
        doorman = Doorman.of(config.auth)
        code = config.errors.moderation_code
        chain = (
            StoryMiddleware(clock.now, lambda: f"req_{new_id()}").wrap(),  # an id, a log line, for everything below
            metrics(self.metrics, clock.now),  # outside `errors`, so that it sees the final status
            errors(code),  # inside of it only GatewayErrors are raised, outside only responses seen
            cors(doorman.origins),  # a preflight carries no key
            auth(doorman),  # before anything is read or chosen
            moderation,  # an outcome told apart from faults
            routing(self.rules),  # candidates from path and caller; the handler asks again with the body
        )
        app = web.Application(middlewares=chain, client_max_size=1024 * 1024)  # type: ignore[arg-type]
        app.on_response_prepare.append(finish_headers)
        app.on_response_prepare.append(allow_origin(doorman.origins))  # type: ignore[arg-type]
        self._resources(app)
        return app

    def _resources(self, app: web.Application) -> None:
        config, prefix = self.config, self.config.route_prefix
        openai = self.openai
        relay = RelayHandler(self.relay, openai, prefix=f"{prefix}/v1")
        answerer = Answerer(
            results=self.results,
            metrics=self.metrics,
            clock=self._clock,
            public_url=config.public_base_url.rstrip("/") if config.public_base_url else None,
            link_s=config.results.retention,
            moderation_code=config.errors.moderation_code,
        )
        edits = ImageEdits(
            rules=self.rules,
            platforms=self.platforms,
            spool=self.spool,
            supervisor=self.supervisor,
            answerer=answerer,
            relay=relay,
            limits=self._limits,
            metrics=self.metrics,
            clock=self._clock,
            answer_within_s=config.jobs.answer_within,
        )
        models = ModelsHandler(self._listed(), self.relay, openai, prefix=f"{prefix}/v1")
        for name, method, path, handler in (
            ("healthz", "GET", "/healthz", health.healthz),
            ("results", "GET", "/results/{ref}", ResultsHandler(self.results)),
            ("images.edits", "POST", "/v1/images/edits", edits),
            ("models", "GET", "/v1/models", models.list),
            ("model", "GET", "/v1/models/{id:.+}", models.one),
            ("images.generations", "*", "/v1/images/generations", relay),
            ("relay", "*", "/v1/{rest:.*}", relay),
        ):
            resource = app.router.add_resource(prefix + path, name=name)
            handlers: Any = handler
            resource.add_route(method, handlers, expect_handler=leave_expect)
            if method == "GET":
                resource.add_route("HEAD", handlers, expect_handler=leave_expect)

    def _admin(self) -> web.Application:
        app = web.Application()
        handlers: Any = (health.healthz, health.readyz(self.wrong), health.metrics(self.metrics.registry))
        for path, handler in zip(("/healthz", "/readyz", "/metrics"), handlers, strict=True):
            app.router.add_get(path, handler)
        return app

    async def _listen(self, app: web.Application, listener: Listener) -> str:
        run = runner(app)
        await run.setup()
        self._stack.push_async_callback(run.cleanup)
        await web.TCPSite(run, listener.host, listener.port, backlog=1024).start()
        host, port = run.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    # Odds and ends.

    def _limits(self, targets: tuple[Target, ...]) -> Limits:
        """The widest reachable target's numbers, within the operator's own."""
        models = [self.platforms[t.platform].models[t.model] for t in targets if isinstance(t, JobTarget)]
        uploads = self.config.uploads
        return uploads.limits(
            images=max(model.max_images for model in models),
            image_bytes=max(model.max_image_bytes for model in models),
            image_pixels=max(model.max_image_pixels for model in models),
        )

    def _listed(self) -> list[Listed]:
        return [
            Listed(name, platform.owner)
            for platform in self.platforms.values()
            for name in (*platform.models, *platform.aliases)
        ]

    def _meter(self, kind: str, held: int) -> None:
        (self.metrics.memory_budget("held") if kind == "memory" else self.metrics.spool).set(held)

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_EVERY_S)
            try:
                await self.supervisor.sweep()
                self.results.sweep()
            except Exception:
                log.exception("sweep failed")


def _rules(config: Config, platforms: Mapping[str, Platform], openai: OpenAi | None) -> Rules:
    routes = config.routes
    edits = routes.edits or ((openai.name,) if openai else tuple(platforms)[:1])
    generations = routes.generations or ((openai.name,) if openai else ())

    def offer(name: str) -> Offer:
        if (platform := platforms.get(name)) is None:
            return Offer(name)
        names = {model: model for model in platform.models} | dict(platform.aliases)
        return Offer(name, platform.default_model, names, platform.defaults)

    served = {"images.edits": tuple(map(offer, edits)), "images.generations": tuple(map(offer, generations))}
    return Rules(served, routes.openai_names)


def _paces() -> Callable[[Platform, str], Pace]:
    """One pace per platform and model, made when it is first needed."""
    paces: dict[tuple[str, str], Pace] = {}

    def pace(platform: Platform, model: str) -> Pace:
        if (platform.name, model) not in paces:
            known = platform.models[model]
            paces[platform.name, model] = Pace(Prior(known.median_s, known.sigma))
        return paces[platform.name, model]

    return pace
