"""A vendor that answers at once: the picture comes with the answer, as base64 in its JSON, and nothing is polled."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.edit import Edit
from gateway.domain.egress import Egress
from gateway.domain.errors import UnknownField
from gateway.domain.hosts import PrivateHosts
from gateway.domain.outcome import Outcome
from gateway.domain.target import JobTarget
from gateway.platforms.contract import AtOnce, Health, Plan
from gateway.wire.call import Answer, Call

from . import response
from .models import MODELS
from .request import translate
from .settings import HareSettings

SETTINGS = HareSettings


class Hare(AtOnce):
    """One account."""

    owner = "hare"
    models = MODELS
    default_model = "hare-1"
    default_generation = None
    cents_per_credit = 1.0
    max_active_tasks = 8

    def __init__(self, name: str, settings: HareSettings) -> None:
        self.name = self.account = name
        self.aliases, self.defaults = dict[str, str](), dict[str, str]()
        self._base = settings.base_url.rstrip("/")
        self.private = PrivateHosts.of(self._base, ())
        self.egress = Egress.of(settings.proxy, settings.ca_file)
        self._secrets = {"X-Token": settings.api_key.reveal()}

    def check_said(self, name: str, value: str, model: str | None) -> None:
        raise UnknownField(f"{name} means nothing here.", param=name)

    def plan(self, edit: Edit, target: JobTarget) -> Plan:
        body, notes = translate(edit)
        call = Call(
            "submit",
            "POST",
            f"{self._base}/pictures",
            body,
            secrets=self._secrets,
            egress=self.egress,
            pictures=frozenset({"drawing"}),
            patience_s=60.0,
        )
        return Plan(target, (call,) * edit.n, notes, megapixels=1.0)

    def authorize(self, call: Call) -> Call | None:
        return replace(call, secrets=self._secrets, egress=self.egress) if call.url.startswith(self._base) else None

    def read_submit(self, plan: Plan, answer: Answer) -> Outcome:
        return response.read(answer)

    def probe(self) -> Call:
        return Call("probe", "GET", f"{self._base}/me", secrets=self._secrets, egress=self.egress)

    def read_probe(self, answer: Answer) -> Health:
        return Health(answer.status == 200, "the token is good" if answer.status == 200 else "the token is refused")


def build(name: str, settings: HareSettings) -> Hare:
    return Hare(name, settings)
