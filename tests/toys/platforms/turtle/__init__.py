"""A vendor that makes one promise now and one picture later: submit, poll, fetch."""

from __future__ import annotations

from dataclasses import replace

from yarl import URL

from gateway.domain.edit import Edit
from gateway.domain.egress import Egress
from gateway.domain.errors import UnknownField
from gateway.domain.hosts import PrivateHosts
from gateway.domain.outcome import Outcome, Ticket
from gateway.domain.target import JobTarget
from gateway.platforms.contract import Health, NoHooks, Plan
from gateway.wire.call import Answer, Call

from . import response
from .models import MODELS
from .request import translate
from .settings import TurtleSettings

SETTINGS = TurtleSettings


class Turtle(NoHooks):
    """One account."""

    owner = "turtle"
    models = MODELS
    default_model = default_generation = "turtle-1"
    cents_per_credit = 2.0

    def __init__(self, name: str, settings: TurtleSettings) -> None:
        self.name = self.account = name
        self.aliases, self.defaults = {"slow": "turtle-1"}, dict[str, str]()
        self.max_active_tasks = settings.max_active_tasks
        self._base = settings.base_url.rstrip("/")
        self.private = PrivateHosts.of(self._base, ())
        self.egress = Egress.of(settings.proxy, settings.ca_file)
        self._secrets = {"Authorization": f"Bearer {settings.api_key.reveal()}"}

    def check_said(self, name: str, value: str, model: str | None) -> None:
        raise UnknownField(f"{name} means nothing here.", param=name)

    def plan(self, edit: Edit, target: JobTarget) -> Plan:
        body, notes = translate(edit, self.models[target.model])
        call = Call("submit", "POST", f"{self._base}/jobs", body, secrets=self._secrets, egress=self.egress)
        return Plan(replace(target), (call,) * edit.n, notes, credits=3.0, megapixels=1.0)

    def authorize(self, call: Call) -> Call | None:
        return replace(call, secrets=self._secrets, egress=self.egress) if call.url.startswith(self._base) else None

    def read_submit(self, plan: Plan, answer: Answer) -> Outcome:
        return response.read_submit(answer, plan.target.model, self.account, f"{self._base}/jobs/")

    def poll(self, ticket: Ticket) -> Call:
        assert URL(ticket.polling_url).is_absolute()
        return Call("poll", "GET", ticket.polling_url, secrets=self._secrets, egress=self.egress)

    def read_poll(self, ticket: Ticket, answer: Answer) -> Outcome:
        return response.read_state(ticket, answer)

    def probe(self) -> Call:
        return Call("probe", "GET", f"{self._base}/me", secrets=self._secrets, egress=self.egress)

    def read_probe(self, answer: Answer) -> Health:
        return Health(answer.status == 200, "the key is good" if answer.status == 200 else "the key is refused")


def build(name: str, settings: TurtleSettings) -> Turtle:
    return Turtle(name, settings)
