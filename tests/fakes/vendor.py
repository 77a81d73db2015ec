"""A platform, its network and its storage in one: it says what it is told to say, and counts what it was asked."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from gateway.domain.blob import Blob, Link
from gateway.domain.caller import Caller
from gateway.domain.edit import Edit, OutputFormat, ResponseFormat
from gateway.domain.egress import DIRECT, Egress
from gateway.domain.hosts import PrivateHosts
from gateway.domain.outcome import Finished, Outcome, Ticket, Working
from gateway.domain.target import JobTarget
from gateway.jobs.breakers import Breakers
from gateway.jobs.clock import Clock
from gateway.jobs.hints import Hints
from gateway.jobs.join import DELIVERED_S
from gateway.jobs.order import Order
from gateway.jobs.pace import Pace, Prior
from gateway.jobs.queue import Queue
from gateway.jobs.settings import BreakerSettings
from gateway.jobs.supervisor import Supervisor
from gateway.jobs.tools import Tools
from gateway.platforms.contract import Health, Model, NoHooks, Plan
from gateway.stores.contract import Found, ReplySpec
from gateway.stores.ledger import MemoryLedger
from gateway.stores.limits import MemoryLimits
from gateway.stores.slots import MemorySlots
from gateway.telemetry.catalogue import Catalogue
from gateway.upstream.session import Answered, Sent
from gateway.wire.call import Answer, Call
from tests.fakes.blob import MemoryBlob
from tests.fakes.clock import loop_clock

MODEL = "toy-1"
SILENCE_S = 20.0
TICKET = Ticket("task-1", "https://toy.example/task-1", MODEL, "toy", cost=4.0)
TAKEN = Working(TICKET, "submitted")
PENDING = Working(TICKET, "Pending")
READY = Finished((Link("https://toy.example/picture"),), seed=7)

Said = Sent | Outcome | Exception


class Vendor(NoHooks):
    """
    Implements `Platform`, and the `send` and `fetch` of the network.

    Each list is said from its front, the last one for ever; an exception in it is a bug that is raised.
    """

    name = account = owner = "toy"
    max_active_tasks = 2
    models: Mapping[str, Model] = {MODEL: Model(MODEL, 4, 10**6, 10**6, median_s=5.0, sigma=0.2)}
    aliases: Mapping[str, str] = {}
    default_model = MODEL
    default_generation: str | None = None
    defaults: Mapping[str, str] = {}
    cents_per_credit = 1.0
    egress = DIRECT
    private = PrivateHosts()

    def __init__(
        self,
        submits: Iterable[Said] = (TAKEN,),
        polls: Iterable[Said] = (READY,),
        fetches: Iterable[Blob | Exception] = (),
        probes: Iterable[Said] = (),
    ) -> None:
        self.says = {"submit": list(submits), "poll": list(polls), "probe": list(probes)}
        self._fetches = list(fetches)
        self.asked = Counter[str]()
        self.before: Callable[[str], Any] = lambda _step: None
        """Called with the step's word before each answer; what it returns is awaited if it can be."""

    def check_said(self, name: str, value: str, model: str | None) -> None:
        """Anything may be said."""

    def plan(self, edit: Edit, target: JobTarget) -> Plan:
        raise NotImplementedError

    def probe(self) -> Call:
        return Call("probe", "GET", "https://toy.example/credits")

    def read_probe(self, answer: Answer) -> Health:
        """A body of digits is what is left on the account."""
        return Health(answer.status == 200, "", float(answer.body) if answer.body else None)

    def authorize(self, call: Call) -> Call | None:
        return call

    def poll(self, ticket: Ticket) -> Call:
        return Call("poll", "GET", ticket.polling_url)

    def read_submit(self, plan: Plan, answer: Answer) -> Outcome:
        return cast(Outcome, answer.headers["outcome"])

    def read_poll(self, ticket: Ticket, answer: Answer) -> Outcome:
        return cast(Outcome, answer.headers["outcome"])

    async def send(self, call: Call) -> Sent:
        await self._step(call.name)
        told = _next(self.says[call.name])
        if isinstance(told, Exception):
            raise told
        return Answered(Answer(200, cast(Any, {"outcome": told}), b"")) if isinstance(told, Outcome) else told

    async def fetch(self, link: Link, private: PrivateHosts, egress: Egress, account: str) -> Blob:
        assert (egress, account) == (self.egress, self.account)
        await self._step("collect")
        told = _next(self._fetches) if self._fetches else MemoryBlob()
        if isinstance(told, Exception):
            raise told
        return told

    async def _step(self, word: str) -> None:
        self.asked[word] += 1
        if (waiting := self.before(word)) is not None:
            await waiting


def _next(told: list[Any]) -> Any:
    return told.pop(0) if len(told) > 1 else told[0]


class Shelf:
    """Implements the part of `Results` that jobs use."""

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.lasting: dict[str, bool] = {}
        self.faults: list[Exception] = []

    async def put(self, blob: Blob) -> str:
        if self.faults:
            raise self.faults.pop(0)
        ref = f"ref-{len(self.blobs)}"
        self.blobs[ref] = blob
        return ref

    def settled(self, ref: str) -> None:
        """Nothing is dropped here."""

    async def open(self, ref: str) -> Blob | None:
        return self.blobs.get(ref)

    async def keep(self, ref: str) -> None:
        self.lasting[ref] = True

    def spare(self, ref: str) -> None:
        self.lasting[ref] = False


class SlowLedger(MemoryLedger):
    """A ledger somewhere else: every look-up takes a few turns of the loop."""

    turns = 0

    async def find(self, caller: str, *, fingerprint: str | None = None, key: str | None = None) -> tuple[Found, ...]:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        found = await super().find(caller, fingerprint=fingerprint, key=key)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return found


class Patient(Pace):
    """Calls no task late before `patience_s`."""

    def __init__(self, patience_s: float) -> None:
        super().__init__(Prior(5.0, 0.2))
        self._patience_s = patience_s

    def late_s(self) -> float:
        return self._patience_s


class Works:
    """A supervisor and its tools around one vendor; `late_s` is when a task is past its age."""

    def __init__(
        self,
        vendor: Vendor,
        *,
        slots: int = 2,
        max_age_s: float = 900.0,
        late_s: float = 900.0,
        clock: Clock | None = None,
        doubt: Callable[[str], None] = lambda _account: None,
    ) -> None:
        self.vendor, self.clock = vendor, clock or loop_clock()
        self.ledger, self.shelf, self.metrics = SlowLedger(self.clock.now, DELIVERED_S), Shelf(), Catalogue()
        self.slots = MemorySlots({"toy": slots})
        self.queue = Queue(self.slots, {"toy": slots}, limit=100, clock=self.clock, chance=lambda: 0.5)
        self.limits = MemoryLimits(self.clock.now, self.clock.wall)
        # What opens stays open until a test says otherwise.
        self.breakers = Breakers(BreakerSettings(open_for=30_000, longest=30_000), self.clock.now)
        pace = Patient(late_s)
        self.tools = Tools(
            session=cast(Any, vendor),
            download=cast(Any, vendor),
            queue=self.queue,
            breakers=self.breakers,
            ledger=self.ledger,
            limits=self.limits,
            results=cast(Any, self.shelf),
            metrics=self.metrics,
            clock=self.clock,
            chance=lambda: 0.5,
            paces=lambda _platform, _model: pace,
            job_max_age_s=max_age_s,
            unanswered_within_s=SILENCE_S,
            hints=Hints(lambda: b"k" * 32, "", self.metrics, self.clock.now),
            doubt=doubt,
        )
        ids = itertools.count(1)
        self.bugs: list[Exception] = []
        self.supervisor = Supervisor(
            self.tools, new_id=lambda: f"job-{next(ids)}", owner=lambda: 1, retention_s=3600.0, crashed=self.bugs.append
        )

    def order(
        self,
        content: str = "same",
        *,
        caller: str | Caller = "ann",
        key: str | None = None,
        resend: bool = False,
        n: int = 1,
        inputs: Sequence[Blob] = (),
        within_s: float = 300.0,
        credits: float | None = None,
        megapixels: float = 0.0,
    ) -> Order:
        """`credits` and `megapixels` are those of one call."""
        who = caller if isinstance(caller, Caller) else Caller(caller)
        calls = tuple(Call("submit", "POST", "https://toy.example/submit") for _ in range(n))
        return Order(
            caller=who.id,
            who=who,
            fingerprint=f"{who.id} {content}",
            key=key,
            resend=resend,
            platform=self.vendor,
            plan=Plan(JobTarget("toy", MODEL), calls, credits=credits, megapixels=megapixels),
            reply=ReplySpec(ResponseFormat.B64_JSON, OutputFormat.PNG, ()),
            inputs=inputs,
            began=self.clock.now(),
            deadline=self.clock.now() + within_s,
        )

    async def rows(self, content: str = "same", caller: str = "ann") -> list[str]:
        """The states of the newest job's submissions."""
        found = await self.ledger.find(caller, fingerprint=f"{caller} {content}")
        return [str(found[0].rows[index].state) for index in sorted(found[0].rows)] if found else []

    @property
    def held(self) -> int:
        return self.slots._counts["toy"]
