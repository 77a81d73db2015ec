"""
The composition root: constructs everything, lists the chain and the resources. It knows every name; nobody knows it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.chain.connection import Terms, listen, runner
from gateway.chain.doorman import Doorkeeping
from gateway.chain.loop_thread import LoopThread, Pulse
from gateway.chain.order import chained
from gateway.chain.site import AtOnce
from gateway.chain.story import finish_headers
from gateway.chain.turns import Turns
from gateway.config.problem import ConfigError, Place, problem
from gateway.config.schema import Config, Listener
from gateway.config.snapshot import ceilings, fixed, snapshot
from gateway.domain.errors import PlatformUnavailable
from gateway.domain.hosts import is_loopback
from gateway.handlers import health
from gateway.handlers.answer import Answerer
from gateway.handlers.body import leave_expect
from gateway.handlers.hooks import HooksHandler
from gateway.handlers.images import Images
from gateway.handlers.jobs import JobsHandler
from gateway.handlers.keys import Snapshot
from gateway.handlers.models import ModelsHandler
from gateway.handlers.received import Purpose
from gateway.handlers.relay import RelayHandler
from gateway.handlers.results import ResultsHandler
from gateway.handlers.take import Taker
from gateway.handlers.welcome import WelcomeHandler
from gateway.imaging.workers import Imaging
from gateway.jobs import join
from gateway.jobs.account import Accounts
from gateway.jobs.breaker import Breaker
from gateway.jobs.breakers import Breakers
from gateway.jobs.clock import Clock
from gateway.jobs.fit import Fit
from gateway.jobs.hints import Hints
from gateway.jobs.paces import Paces
from gateway.jobs.queue import Queue
from gateway.jobs.supervisor import Supervisor
from gateway.jobs.tools import Tools
from gateway.stores.choice import InMemory, OnDisk, Stores
from gateway.stores.slots import MemorySlots
from gateway.stores.spool import Spool
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.download import Download
from gateway.upstream.relay import Relay
from gateway.upstream.session import Session

log = structlog.get_logger("gateway")

SWEEP_EVERY_S = 15.0
# Begun in one turn of the loop, and while the line is long. A request is a few milliseconds of work, a poll some tenths
# of one: in a flood the loop still turns some thirty times a second. Without one fewer would only cost, as what comes
# together is one transaction of the ledger.
REQUESTS, POLLS = (16, 3), (64, 16)
# A loop that has not turned for so long is stuck, not busy.
STUCK_S = 30.0
# What may stand before a path: OpenAI's spelling, and Azure's two.
# https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference
BASE = "{base:v1|openai/v1}"
IMAGES = "{base:v1|openai/v1|openai/deployments/[^/%]+}"


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
        self.config, self.metrics, self._clock, self._chance = config, Catalogue(), clock, chance
        self._stack = AsyncExitStack()
        self.snapshot = snapshot(config)
        self.spool = Spool(config.memory, config.state_dir / "spool", self._meter)
        self.metrics.memory_budget("limit").set(config.memory.budget)
        self.stores = self._remembering(new_id)
        self.results, self.limits = self.stores.results, self.stores.limits
        self.hints = Hints(lambda: self.stores.keyring.key("hooks"), config.route_prefix, self.metrics, clock.now)
        self.session = Session(self.spool)
        self.download = Download(self.spool)
        self.imaging = Imaging(config.imaging)
        self.relay = Relay(self.metrics)
        accounts, models = ceilings(self.snapshot.platforms.values())
        self.slots = MemorySlots(accounts | models)
        self.queue = Queue(
            self.slots,
            accounts,
            nested=models,
            limit=config.jobs.queue_limit,
            clock=clock,
            chance=chance,
            depth=lambda account, waiting: self.metrics.queue_depth(account).set(waiting),
        )
        self._requests, self._polls = Turns(*REQUESTS), Turns(*POLLS)
        self.breakers = Breakers(
            config.jobs.breaker, clock.now, watch=self._watch, opened=self._opened, shut=self._shut
        )
        self.accounts = Accounts(
            lambda: self.snapshot.platforms.values(), self.session, self.metrics, self.breakers, clock, chance
        )
        self.supervisor = Supervisor(
            Tools(
                session=self.session,
                download=self.download,
                queue=self.queue,
                breakers=self.breakers,
                ledger=self.stores.ledger,
                limits=self.limits,
                results=self.results,
                metrics=self.metrics,
                clock=clock,
                chance=chance,
                paces=Paces(),
                job_max_age_s=config.jobs.job_max_age,
                unanswered_within_s=config.jobs.unanswered_within,
                present=lambda platform: self.snapshot.platforms.get(platform.name, platform),
                doubt=self.accounts.doubt,
                able=self.stores.able,
                hints=self.hints,
                turn=self._polls.wait,
                fit=Fit(self.imaging, self.spool),
            ),
            new_id=lambda: f"job_{new_id()}",
            owner=lambda: self.stores.owner,
            retention_s=self.stores.retention_s,
            crashed=lambda error: log.error("submission crashed", exc_info=error),
            lasting=self.stores.lasting,
        )
        self.door = Doorkeeping.of(config.auth, config.clients, config.signature, prefix=config.route_prefix)
        self.public = chained(
            lambda: self.snapshot,
            lambda: self.door,
            self.metrics,
            limits=self.limits,
            now=clock.now,
            wall=clock.wall,
            new_id=new_id,
            prefix=config.route_prefix,
            chance=chance,
            turns=self._requests,
        )
        self._paths(self.public)
        self._expect(self.snapshot)
        self.metrics.reloaded(good=True, wall_s=clock.wall())
        self._pulse = Pulse(time.monotonic, STUCK_S)
        self.admin = health.application(self.wrong, self._standing, self.metrics.registry, self._pulse.beats)
        self.admin.on_response_prepare.append(finish_headers)
        self.url = self.admin_url = ""

    async def __aenter__(self) -> Gateway:
        self.metrics.tasks.set_function(partial(_tasks, asyncio.get_running_loop()))
        try:
            await self._stack.enter_async_context(self.spool)
            await self.stores.open()
            self._stack.push_async_callback(self.stores.close)
            for resource in (self.session, self.download, self.relay, self.imaging):
                await self._stack.enter_async_context(resource)
            self._stack.push_async_callback(self.queue.close)
            await self.supervisor.recover(self.snapshot.platforms)
            # What operators read is so from the first moment on.
            await self.supervisor.count()
            await self._make_room()
            self._stack.push_async_callback(_stop, asyncio.create_task(self._sweep(), name="sweep"))
            self._stack.push_async_callback(_stop, asyncio.create_task(self.accounts.watch(), name="accounts"))
            self._stack.push_async_callback(_stop, asyncio.create_task(self._pulse.beat(), name="pulse"))
            apart = await self._stack.enter_async_context(LoopThread("admin"))
            terms = Terms(head_line=self.config.listen.header_line)
            admin, public = runner(self.admin), runner(self.public, terms, lambda: self.door.crowding)
            self._stack.push_async_callback(lambda: apart.run(admin.cleanup()))
            self.admin_url = await apart.run(_opened(admin, self.config.admin))
            self._stack.push_async_callback(public.cleanup)
            self.url = await _opened(
                public,
                self.config.listen,
                lambda said: health.raw(said, self.config.route_prefix),
                lambda: self._requests.crowded or self._polls.crowded,
            )
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if left := await self.supervisor.drain(self.config.jobs.drain):
                log.warning("jobs left unfinished", count=left)
        finally:
            await self._stack.aclose()

    def reload(self, config: Config) -> tuple[str, ...]:
        """
        Put a valid configuration in place. Requests and jobs under way keep what they began with.

        Returns: the keys that differ and will count at the next start only.

        Raises: ConfigError for one without keys where others reach the listener, whatever its own `listen` says.
        """
        host = self.config.listen.host
        if not config.auth.keys and not is_loopback(host):
            text = f"no key is left, and until a restart the gateway listens on {host}, where others reach it"
            raise ConfigError([problem(Place("configuration"), ("auth", "keys"), text)])
        self.snapshot = snapshot(config)
        self.door = Doorkeeping.of(config.auth, config.clients, config.signature, prefix=self.config.route_prefix)
        accounts, models = ceilings(self.snapshot.platforms.values())
        self.slots.configure(accounts | models)
        self.queue.configure(accounts, models)
        self.breakers.configure(config.jobs.breaker)
        self._expect(self.snapshot)
        for platform in self.snapshot.platforms.values():  # with another key it may be well again
            self.accounts.doubt(platform.account)
        self.metrics.reloaded(good=True, wall_s=self._clock.wall())
        return fixed(self.config, config)

    def wrong(self) -> Mapping[str, str]:
        """Why no work is wanted just now; empty when it is."""
        found = {}
        if not self.url:  # operators are answered first: whoever is sent here by them would be refused
            found["starting"] = "the gateway does not listen for clients yet"
        if self.supervisor.draining:
            found["draining"] = "the gateway is shutting down"
        if (why := self.stores.wrong) is not None:
            found["ledger"] = why
        return found

    def _remembering(self, new_id: Callable[[], str]) -> Stores:
        config, clock, metrics = self.config, self._clock, self.metrics
        if config.ledger == "none":
            self.metrics.ledger_writable.set(1)
            return InMemory(
                self.spool,
                config.results,
                now=clock.now,
                wall=clock.wall,
                new_ref=new_id,
                spare_s=join.DELIVERED_S,
            )
        stores = OnDisk(
            config.state_dir,
            self.spool,
            config.results,
            now=clock.now,
            wall=clock.wall,
            took=metrics.ledger_commit_duration.observe,
            held=metrics.results_bytes.set,
        )
        metrics.ledger_writable.set_function(lambda: stores.wrong is None)
        return stores

    # Paths.

    def _paths(self, app: web.Application) -> None:
        prefix = self.config.route_prefix
        relay = RelayHandler(
            relay=self.relay,
            spool=self.spool,
            breakers=self.breakers,
            limits=self.limits,
            metrics=self.metrics,
            chance=self._chance,
            prefix=prefix,
        )
        answerer = Answerer(
            results=self.results,
            metrics=self.metrics,
            clock=self._clock,
            prefix=prefix,
            link_s=self.stores.retention_s,
        )

        def images(purpose: Purpose) -> Handler:
            return Images(
                purpose=purpose,
                taker=Taker(self.spool, self.metrics),
                imaging=self.imaging,
                supervisor=self.supervisor,
                answerer=answerer,
                relay=relay,
                metrics=self.metrics,
                clock=self._clock,
                chance=self._chance,
            ).__call__

        hooks = HooksHandler(self.hints, self.supervisor, self.metrics)
        models = ModelsHandler(relay)
        jobs = JobsHandler(self.supervisor.look_up, self.queue, self.results, prefix, self.stores.retention_s)
        paths: tuple[tuple[str, str, str, Handler], ...] = (
            ("welcome", "GET HEAD", "/", WelcomeHandler(prefix).__call__),
            ("healthz", "GET HEAD", "/healthz", health.healthz),
            ("results", "GET HEAD", "/results/{ref}", ResultsHandler(self.results).__call__),
            ("hooks", "*", "/hooks/{platform}/{job}/{index}/{mac}", hooks.__call__),
            ("images.edits", "*", f"/{IMAGES}/images/edits", images("edit")),
            ("images.generations", "*", f"/{IMAGES}/images/generations", images("generation")),
            ("job", "GET HEAD", f"/{BASE}/jobs/{{id}}", jobs.__call__),
            ("models", "GET HEAD", f"/{BASE}/models", models.list),
            ("model", "GET HEAD", f"/{BASE}/models/{{id:.+}}", models.one),
            ("relay", "*", f"/{BASE}/{{rest:.*}}", relay.__call__),
        )
        for name, methods, path, handler in paths:
            resource = app.router.add_resource(prefix + path, name=name)
            for method in methods.split():
                resource.add_route(method, handler, expect_handler=leave_expect)

    def _expect(self, snapshot: Snapshot) -> None:
        for name, platform in snapshot.platforms.items():
            self.metrics.expect(name, platform.models)
            self._show(platform.account)
            for model in platform.models:
                self.breakers.of(platform.account, model)
        for name in snapshot.relays:
            self.breakers.of(name)

    def _show(self, account: str) -> None:
        """Asked at each scrape: time alone changes them."""
        places, gauges = partial(self.queue.places, account), self.metrics
        gauges.slots(account, "running").set_function(lambda: places().running)
        gauges.slots(account, "unknown").set_function(lambda: places().unknown)
        gauges.slots(account, "over_age").set_function(lambda: places().over_age)
        gauges.slots_allowed(account).set_function(lambda: places().allowed)
        gauges.queue_oldest(account).set_function(lambda: places().oldest_s)
        gauges.account_shut(account).set_function(lambda: self.breakers.account(account).cause is not None)

    def _standing(self) -> Mapping[str, str]:
        """In words, for `/readyz`: whether each platform is served, and how its line stands."""
        accounts = {platform.account for platform in self.snapshot.platforms.values()}
        told = self.breakers.told().items()
        return {name: f"{text}; {self.queue.places(name)}" if name in accounts else text for name, text in told}

    def _meter(self, kind: str, held: int) -> None:
        (self.metrics.memory_budget("held") if kind == "memory" else self.metrics.spool).set(held)

    def _watch(self, account: str, model: str, breaker: Breaker) -> None:
        # Asked at each scrape: time alone turns an open one into a half-open one.
        self.metrics.breaker_state(account, model).set_function(lambda: breaker.standing.state)

    def _opened(self, account: str, model: str) -> None:
        if model:
            breaker = self.breakers.of(account, model)
            self.accounts.doubt(account, failing=breaker.cause is PlatformUnavailable)
            self.queue.refuse(account, breaker.refusal, model=model)

    def _shut(self, account: str) -> None:
        self.queue.refuse(account, self.breakers.account(account).refusal)

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_EVERY_S)
            try:
                await self.supervisor.sweep()
                await self._make_room()
            except Exception:
                log.exception("sweep failed")

    async def _make_room(self) -> None:
        await self.stores.sweep(lambda job: self.supervisor.live(job) is not None)


async def _opened(
    run: web.AppRunner,
    listener: Listener,
    at_once: AtOnce = lambda _said: None,
    crowded: Callable[[], bool] = lambda: False,
) -> str:
    """The URL that it listens on. Raises: OSError."""
    await run.setup()
    await listen(run, listener.host, listener.port, at_once, crowded)
    host, port = run.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _tasks(loop: asyncio.AbstractEventLoop) -> int:
    return len(asyncio.all_tasks(loop))


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
