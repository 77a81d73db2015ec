"""
Every metric, once. A fresh catalogue has its own registry; there is no global one.

Labels come from closed sets (route names, configured platforms, catalogue models, words of this program), never from
a client or a vendor, so the number of series is a function of the configuration.
"""

from __future__ import annotations

import platform as machine
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from gateway import __version__
from gateway.domain.window import LIMITS

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no annotation for it

# Jobs take seconds to minutes and may be waited for up to 15 minutes.
LONG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900)
STEP = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 900)
LAG = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)

STEPS = ("admit", "read", "queue", "submit", "poll", "collect", "reply")

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Family(Generic[Metric]):
    """A metric with labels; children are looked up once and kept."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._children: dict[tuple[str, ...], Metric] = {}

    def __call__(self, *labels: str) -> Metric:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self.metric.labels(*labels)
        return child


class Catalogue:
    """The metrics of one gateway. Attribute names are the metric names without the prefix and the unit's suffix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # process_cpu_seconds_total, process_resident_memory_bytes and their kin.
        ProcessCollector(registry=self.registry)
        count, gauge, time = self._counter, self._gauge, self._histogram

        self.requests = count("requests_total", "Requests answered", "route", "outcome", "status")
        self.request_duration = time(
            "request_duration_seconds", "Time from the request's head to the last byte of its answer", LONG,
            "route", "platform", "outcome",
        )  # fmt: skip
        self.step_duration = time(
            "step_duration_seconds", "Time spent in one step of a request", STEP, "step", "platform", "model"
        )
        self.in_flight = gauge("requests_in_flight", "Requests being worked on")()
        self.tasks = gauge("event_loop_tasks", "Tasks of the event loop")()
        self.submissions = count(
            "submissions_total", "Paid calls to a vendor, by how they ended", "platform", "model", "outcome"
        )
        self.submissions_active = gauge("submissions_active", "Submissions that hold a slot", "platform", "model")
        self.slots = gauge(
            "slots", "Submissions of the account that run, whose answer was lost, or that are past their age",
            "platform", "reason",
        )  # fmt: skip
        self.slots_allowed = gauge(
            "slots_allowed", "How many submissions at a time the vendor is expected to accept", "platform"
        )
        self.queue_depth = gauge("queue_depth", "Submissions waiting for a slot", "platform")
        self.queue_oldest = gauge(
            "queue_oldest_seconds", "How long the oldest waiting submission has waited", "platform"
        )
        self.polls = count("polls_total", "Answers to polls, by what they meant", "platform", "outcome")
        self.poll_lag = time(
            "poll_lag_seconds", "Time between the last poll that found a task working and the one that found it ready",
            LAG, "platform", "model",
        )  # fmt: skip
        self.moderated = count(
            "moderated_total", "Requests refused by content moderation", "platform", "model", "stage"
        )
        self.translations = count("translations_total", "Fates of request fields", "param", "outcome")
        self.upstream_responses = count(
            "upstream_responses_total", "Answers of vendors, by status; 0 when none came", "platform", "call", "status"
        )
        self.submissions_unanswered = count(
            "submissions_unanswered_total",
            "Submissions without an answer, by what proves that the vendor cannot have them; `nothing` when it may",
            "platform", "proof",
        )  # fmt: skip
        # No series before the first answer: an account nobody could ask about is not an empty one.
        self.platform_credits = gauge("platform_credits", "Credits left on the account, when last told", "platform")
        self.images = count("images_total", "Pictures delivered", "platform", "model")
        self.image_bytes = count("image_bytes_total", "Picture bytes received and delivered", "direction")
        for direction in ("received", "delivered"):
            self.image_bytes(direction)
        self.memory_budget = gauge("memory_budget_bytes", "The memory budget for picture bytes", "kind")
        for kind in ("limit", "held"):
            self.memory_budget(kind)
        self.spool = gauge("spool_bytes", "Picture bytes held in private files")()
        self.jobs_unknown = gauge("jobs_unknown", "Submissions that may have been accepted, without an answer")()
        self.jobs_parked = gauge("jobs_parked", "Paid submissions older than the maximum age, asked after sparsely")()
        self.results_bytes = gauge("results_bytes", "Finished pictures kept on disk")()
        self.ledger_writable = gauge(
            "ledger_writable", "1 while paid jobs can be written down, else nothing is begun"
        )()
        self.ledger_commit_duration = time(
            "ledger_commit_duration_seconds", "Time until a transaction of the ledger was on disk", STEP
        ).metric
        self.results_lost = count("results_lost_total", "Paid pictures that could not be fetched", "platform")
        self.duplicates_prevented = count(
            "duplicate_submissions_prevented_total", "Requests that joined a job instead of paying again", "reason"
        )
        for reason in ("key", "resend", "orphan"):
            self.duplicates_prevented(reason)
        self.hooks = count("hooks_total", "Call-backs of vendors, by what became of them", "platform", "outcome")
        self.webhooks = count(
            "webhooks_total", "Finished tasks that were to be called back about, by the call", "platform", "outcome"
        )
        self.vendor_fields_unknown = count(
            "vendor_fields_unknown_total", "Vendor answers with a word that is in no documentation", "platform"
        )
        self.spent_credits = count("spent_credits_total", "Credits that submissions cost", "platform", "model")
        self.limited = count("limited_total", "Requests refused because a caller's limit was reached", "limit")
        for limit in LIMITS:
            self.limited(limit)
        self.breaker_state = gauge(
            "breaker_state", "Whether a model gets submissions: 0 closed, 1 half-open, 2 open", "platform", "model"
        )
        self.account_shut = gauge(
            "account_shut", "1 while an account serves nothing: refused key, no credits, or no answer", "platform"
        )
        self.fallbacks = count(
            "fallbacks_total", "Requests that went on to their next target", "route", "platform", "reason"
        )
        self._reload_good = gauge("config_last_reload_successful", "1 when the last configuration read was valid")()
        self._reload_time = gauge(
            "config_last_reload_success_timestamp_seconds", "When a configuration was last put in place, Unix time"
        )()
        gauge("build_info", "Which gateway this is", "version", "python")(__version__, machine.python_version()).set(1)

    def reloaded(self, *, good: bool, wall_s: float) -> None:
        """A configuration was read; `wall_s` is now, in Unix time, and counts only for a good one."""
        self._reload_good.set(good)
        if good:
            self._reload_time.set(wall_s)

    def expect(self, platform: str, models: Iterable[str]) -> None:
        """Make the series of a platform before its first request: a rate misses an event that makes its own."""
        self.queue_depth(platform)
        self.results_lost(platform)
        self.vendor_fields_unknown(platform)
        for outcome in ("taken", "later", "refused", "unknown"):
            self.hooks(platform, outcome)
        for proof in ("connection", "written", "kernel", "nothing"):
            self.submissions_unanswered(platform, proof)
        for outcome in ("in_time", "late", "missing"):
            self.webhooks(platform, outcome)
        for model in models:
            self.submissions(platform, model, "ok")
            self.submissions_active(platform, model)
            self.spent_credits(platform, model)
            self.images(platform, model)
            for stage in ("input", "output"):
                self.moderated(platform, model, stage)

    def _counter(self, name: str, text: str, *labels: str) -> Family[Counter]:
        return Family(Counter(f"gateway_{name}", text, labels, registry=self.registry))

    def _gauge(self, name: str, text: str, *labels: str) -> Callable[..., Gauge]:
        metric = Gauge(f"gateway_{name}", text, labels, registry=self.registry)
        return Family(metric) if labels else lambda: metric

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Family[Histogram]:
        return Family(Histogram(f"gateway_{name}", text, labels, buckets=buckets, registry=self.registry))
