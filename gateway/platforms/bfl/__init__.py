"""Black Forest Labs' FLUX API: asynchronous, paid, submit and poll. https://docs.bfl.ai"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from yarl import URL

from gateway.domain.edit import Edit
from gateway.domain.egress import Egress
from gateway.domain.hosts import PrivateHosts
from gateway.domain.outcome import Outcome, Ticket
from gateway.domain.target import JobTarget
from gateway.platforms.bfl import hooks, response
from gateway.platforms.bfl.hosts import KeyHosts
from gateway.platforms.bfl.request import translate
from gateway.platforms.bfl.settings import BflSettings
from gateway.platforms.bfl.terms import check
from gateway.platforms.contract import Health, Model, Plan
from gateway.wire.body import JsonBody
from gateway.wire.call import Answer, Call

SETTINGS = BflSettings


class Bfl:
    """One BFL account."""

    owner = "black-forest-labs"
    # https://docs.bfl.ai/quick_start/pricing: a credit is one US cent.
    cents_per_credit = 1.0

    def __init__(self, name: str, settings: BflSettings) -> None:
        self.name = name
        self.account = name
        self.max_active_tasks = settings.max_active_tasks
        self._models = settings.offered
        self.models: Mapping[str, Model] = self._models
        self.aliases: Mapping[str, str] = settings.served_aliases
        self.default_model = settings.default_model
        self.default_generation = settings.default_generation
        self.defaults: Mapping[str, str] = settings.defaults
        self._base = settings.base_url.rstrip("/")
        self._by_id = f"{self._base}/v1/get_result?id="
        self._settings = settings
        self.private = PrivateHosts.of(self._base, settings.insecure_hosts)
        named = (*settings.polling_hosts, URL(self._base).host or "")
        self._key_hosts = KeyHosts(frozenset(map(str.lower, named)), self.private)
        self.egress = Egress.of(settings.proxy, settings.ca_file)
        self._secrets = {"x-key": settings.api_key.reveal()}
        called = settings.webhook.public_url
        self.webhook_base: str | None = called.rstrip("/") if called else None

    def check_said(self, name: str, value: str, model: str | None) -> None:
        check(name, value, self._models.values() if model is None else [self._models[model]])

    def plan(self, edit: Edit, target: JobTarget) -> Plan:
        translation = translate(
            edit,
            self._models[target.model],
            target.terms,
            offered=self._models,
            forward_user=self._settings.forward_user,
            lenient=self._settings.unknown_fields == "ignore",
        )
        url = f"{self._base}{translation.model.endpoint}"
        calls = tuple(
            Call("submit", "POST", url, JsonBody(body), secrets=self._secrets, egress=self.egress)
            for body in translation.bodies(edit.n)
        )
        return Plan(
            replace(target, model=translation.model.name),
            calls,
            translation.notes,
            translation.names,
            translation.needs,
            translation.credits,
            translation.megapixels,
            translation.size,
        )

    def authorize(self, call: Call) -> Call | None:
        return replace(call, secrets=self._secrets, egress=self.egress) if self._key_hosts.allow(call.url) else None

    def read_submit(self, plan: Plan, answer: Answer) -> Outcome:
        if not 200 <= answer.status < 300:
            return response.read_refused(answer, plan.names)
        return response.read_accepted(answer, plan.target.model, self.account, self._by_id, self._key_hosts.allow)

    def poll(self, ticket: Ticket) -> Call:
        return Call("poll", "GET", ticket.polling_url, secrets=self._secrets, egress=self.egress)

    def read_poll(self, ticket: Ticket, answer: Answer) -> Outcome:
        return response.read_status(ticket, answer)

    def hooked(self, call: Call, url: str, secret: str) -> Call:
        """Strict models, FLUX 3 among them, refuse what they do not know: https://api.bfl.ai/openapi.json"""
        model = self._models[call.url.rpartition("/")[2]]
        return call if model.strict else hooks.hooked(call, url, secret)

    def read_hook(self, headers: Mapping[str, str], body: bytes, secret: str) -> str | None:
        return hooks.read_hook(headers, body, secret)

    def ticket(self, task: str, model: str) -> Ticket:
        return Ticket(task, self._by_id + quote(task, safe=""), model, self.account)

    def probe(self) -> Call:
        """https://api.bfl.ai/openapi.json: /v1/credits"""
        return Call("probe", "GET", f"{self._base}/v1/credits", secrets=self._secrets, egress=self.egress)

    def read_probe(self, answer: Answer) -> Health:
        return response.read_credits(answer)


def build(name: str, settings: BflSettings) -> Bfl:
    return Bfl(name, settings)
