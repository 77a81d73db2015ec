"""
What the dashboard shows, row by row. generate.py makes Grafana's JSON of it.

A panel is a title, what it tells, and queries; the rest is the same for all. Queries use the recording rules where one
exists.
"""

from __future__ import annotations

from dataclasses import dataclass

# A gateway of the chosen job; the chosen instances; the chosen platforms.
ALL, ONE, AT = 'job="$job"', 'job="$job", instance=~"$instance"', 'job="$job", platform=~"$platform"'

REFUSED = "invalid_api_key|invalid_signature|too_many_failures"


@dataclass(frozen=True, slots=True)
class Panel:
    """
    One picture.

    Args:
        tells: what it means and what is good, for whoever looks at it at night.
        queries: PromQL by legend.
        unit: Grafana's name of the unit: https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/
        kind: `timeseries` or `stat`.  width: of 24.  stacked: areas on top of each other.
        limits: from which value on it is yellow, and red.
    """

    title: str
    tells: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    stacked: bool = False
    limits: tuple[float, float] | None = None


def by(labels: str, metric: str, where: str = ALL) -> str:
    """A counter's rate per second, by labels."""
    return f"sum by ({labels}) (rate({metric}{{{where}}}[$__rate_interval]))"


def happened(labels: str, metric: str, where: str = ALL) -> str:
    """How often a rare thing happened in the interval of a point."""
    return f"sum by ({labels}) (increase({metric}{{{where}}}[$__rate_interval]))"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Traffic and outcomes": (
        Panel(
            "Answered without a fault",
            "Of all requests in the last hour, those that neither gateway nor platform failed. Objective: 99.5 %.",
            {"available": f"1 - gateway:unavailable:ratio_rate1h{{{ALL}}}"},
            "percentunit", "stat", 4,
        ),
        Panel(
            "Error budget used",
            "1 is the pace that uses a month's budget up in a month; 14.4 uses a fiftieth of it in an hour.",
            {
                "1 h": f"gateway:unavailable:ratio_rate1h{{{ALL}}} / 0.005",
                "6 h": f"gateway:unavailable:ratio_rate6h{{{ALL}}} / 0.005",
                "3 d": f"gateway:unavailable:ratio_rate3d{{{ALL}}} / 0.005",
            },
            "none", "stat", 4, limits=(1, 6),
        ),
        Panel(
            "Requests by route", "Every answered request.",
            {"{{route}}": f"sum by (route) (gateway:requests:rate5m{{{ALL}}})"}, "reqps", stacked=True,
        ),
        Panel(
            "Requests by outcome",
            "`ok`, `moderated`, `client_gone` or the code of an error; README says what each code means.",
            {"{{outcome}}": f'sum by (outcome) (gateway:requests:rate5m{{{ALL}, route!="healthz"}})'},
            "reqps", stacked=True,
        ),
        Panel(
            "Faults by blame",
            "The share of requests that a platform or the gateway failed. Clients' errors are no faults.",
            {"{{blame}}": f"gateway:faults:ratio_rate5m{{{ALL}}}"}, "percentunit",
        ),
        Panel(
            "Answers by status", "499 is a client that left before its answer.",
            {"{{status}}": by("status", "gateway_requests_total", f'{ALL}, instance=~"$instance"')},
            "reqps", stacked=True,
        ),
        Panel(
            "In progress", "Requests being worked on, and tasks of the event loop.",
            {
                "{{instance}}": f"gateway_requests_in_flight{{{ONE}}}",
                "{{instance}} tasks": f"gateway_event_loop_tasks{{{ONE}}}",
            },
        ),
    ),
    "Latency": (
        Panel(
            "Whole requests that succeeded", "From the request's head to the last byte of its answer.",
            {
                "p50 {{route}}": f"gateway:request_duration_seconds:p50_rate5m{{{ALL}}}",
                "p95 {{route}}": f"gateway:request_duration_seconds:p95_rate5m{{{ALL}}}",
                "p99 {{route}}": f"gateway:request_duration_seconds:p99_rate5m{{{ALL}}}",
            },
            "s",
        ),
        Panel(
            "Steps, median",
            "admit, read, queue, submit, poll, collect, reply; poll is mostly the platform's own time.",
            {"{{step}} {{platform}}": f"gateway:step_duration_seconds:p50_rate5m{{{AT}}}"}, "s",
        ),
        Panel(
            "Steps, 95th percentile", "One in twenty takes longer.",
            {"{{step}} {{platform}}": f"gateway:step_duration_seconds:p95_rate5m{{{AT}}}"}, "s",
        ),
    ),
    "Queue and slots": (
        Panel(
            "Waiting for a slot", "Submissions in the queue. At `jobs.queue_limit` it refuses with 429 `queue_full`.",
            {"{{platform}}": f"sum by (platform) (gateway_queue_depth{{{AT}}})"},
        ),
        Panel(
            "Slots taken", "Unfinished submissions; `max_active_tasks` of the platform is the most there can be.",
            {"{{platform}} {{model}}": f"sum by (platform, model) (gateway_submissions_active{{{AT}}})"}, stacked=True,
        ),
        Panel(
            "Slots by reason",
            "Submissions that run, those whose answer was lost, and tasks past their age; `allowed` is how many at a "
            "time the platform is expected to accept, learned from its 429 answers.",
            {
                "{{platform}} {{reason}}": f"sum by (platform, reason) (gateway_slots{{{AT}}})",
                "{{platform}} allowed": f"sum by (platform) (gateway_slots_allowed{{{AT}}})",
            },
        ),
        Panel(
            "Oldest in the queue", "How long the oldest submission has waited; one that only grows is a stalled queue.",
            {"{{platform}}": f"max by (platform) (gateway_queue_oldest_seconds{{{AT}}})"}, "s", limits=(30, 60),
        ),
        Panel(
            "Queue wait, 95th percentile", "How long submissions waited before their turn came.",
            {"{{platform}} {{model}}": f"gateway:queue_wait_seconds:p95_rate5m{{{AT}}}"}, "s",
        ),
        Panel(
            "Saturation",
            "The share of five minutes in which somebody waited. Near 1, more comes in than can be worked on.",
            {"{{platform}}": f"gateway:slots_saturated:avg5m{{{AT}}}"}, "percentunit", limits=(0.5, 0.9),
        ),
        Panel(
            "Requests joined",
            "Repetitions that joined a job instead of paying for another one: by key, resend or orphan.",
            {"{{reason}}": happened("reason", "gateway_duplicate_submissions_prevented_total")},
        ),
        Panel(
            "Fallbacks", "Submissions that the next target took over, by the platform that could not and why.",
            {"{{platform}} {{reason}}": happened("platform, reason", "gateway_fallbacks_total", AT)},
        ),
    ),
    "The paid job": (
        Panel(
            "Unknown", "Submissions that may have been charged, without an answer. Anything but 0 costs money.",
            {"unknown": f"sum(gateway_jobs_unknown{{{ALL}}})"}, kind="stat", width=4, limits=(1, 10),
        ),
        Panel(
            "Parked", "Paid submissions that the platform does not finish; asked after once a minute.",
            {"parked": f"sum(gateway_jobs_parked{{{ALL}}})"}, kind="stat", width=4, limits=(1, 10),
        ),
        Panel(
            "Lost today", "Paid pictures that could not be fetched in the last 24 hours.",
            {"{{platform}}": f"sum by (platform) (increase(gateway_results_lost_total{{{AT}}}[1d]))"},
            kind="stat", width=4, limits=(1, 10),
        ),
        Panel(
            "Submissions", "Paid calls by how they ended.",
            {"{{outcome}} {{model}}": by("outcome, model", "gateway_submissions_total", AT)},
            "ops", width=12, stacked=True,
        ),
        Panel(
            "Pictures delivered", "By the model that made them.",
            {"{{platform}} {{model}}": f"gateway:images:rate5m{{{AT}}}"}, "ops", stacked=True,
        ),
        Panel(
            "Polls", "`unsure` answers say nothing about the task; polling goes on behind them.",
            {"{{platform}} {{outcome}}": by("platform, outcome", "gateway_polls_total", AT)}, "ops", stacked=True,
        ),
        Panel(
            "Poll lag, 95th percentile", "The most a finished picture can have waited to be noticed.",
            {"{{platform}} {{model}}": f"gateway:poll_lag_seconds:p95_rate5m{{{AT}}}"}, "s",
        ),
    ),
    "Moderation and translation": (
        Panel(
            "Refused by moderation", "Of what was submitted in the last hour. Its own past is the measure.",
            {"{{platform}} {{model}}": f"gateway:refusals:ratio_rate1h{{{AT}}}"}, "percentunit",
        ),
        Panel(
            "Refusals by stage", "`input`: the request; `output`: the picture that was made from it.",
            {"{{model}} {{stage}}": happened("model, stage", "gateway_moderated_total", AT)},
        ),
        Panel(
            "Fields that were not sent as they are",
            "What became of them; the answer's `x-gateway-translation` says so too.",
            {"{{param}} {{outcome}}": by("param, outcome", "gateway_translations_total")}, "ops",
        ),
    ),
    "Money and limits": (
        Panel(
            "Credits left", "As the platform says, every few minutes.",
            {"{{platform}}": f"min by (platform) (gateway_platform_credits{{{AT}}})"}, kind="stat", width=4,
        ),
        Panel(
            "Days left", "At the pace of the last six hours.",
            {
                "{{platform}}": f"min by (platform) (gateway_platform_credits{{{AT}}})"
                f" / (86400 * sum by (platform) (rate(gateway_spent_credits_total{{{AT}}}[6h])) > 0)"
            },
            kind="stat", width=4,
        ),
        Panel(
            "Credits spent per hour", "What submissions cost.",
            {"{{platform}} {{model}}": f"3600 * {by('platform, model', 'gateway_spent_credits_total', AT)}"},
            stacked=True,
        ),
        Panel(
            "Credits per picture", "What a delivered picture cost, those paid in vain included.",
            {"{{platform}} {{model}}": f"gateway:credits_per_image:ratio_rate1h{{{AT}}}"},
        ),
        Panel(
            "Refused by a limit", "429 because a limit of the client's key was reached.",
            {"{{limit}}": happened("limit", "gateway_limited_total")}, width=12,
        ),
        Panel(
            "Keys refused", "Requests with a wrong key or signature, and those slowed down after too many of them.",
            {"{{outcome}}": happened("outcome", "gateway_requests_total", f'{ALL}, outcome=~"{REFUSED}"')}, width=12,
        ),
    ),
    "Platforms": (
        Panel(
            "Breakers", "0 closed, 1 trying, 2 open: open means that the model gets no submissions.",
            {"{{platform}} {{model}}": f"max by (platform, model) (gateway_breaker_state{{{AT}}})"}, limits=(1, 2),
        ),
        Panel(
            "Accounts shut", "1 while an account gets no submissions: refused key, no credits, or no answer.",
            {"{{platform}}": f"max by (platform) (gateway_account_shut{{{AT}}})"}, limits=(1, 1),
        ),
        Panel(
            "Answers of platforms", "By call and status; 0 when none came.",
            {"{{platform}} {{call}} {{status}}": by("platform, call, status", "gateway_upstream_responses_total", AT)},
            "ops", stacked=True,
        ),
        Panel(
            "Calls without a sound answer", "The share of calls that got 5xx or none.",
            {"{{platform}}": f"gateway:upstream_errors:ratio_rate5m{{{AT}}}"}, "percentunit", limits=(0.05, 0.2),
        ),
        Panel(
            "Requests failed by the platform", "The share of the requests that it served.",
            {"{{platform}}": f"gateway:platform_faults:ratio_rate5m{{{AT}}}"}, "percentunit", limits=(0.02, 0.1),
        ),
        Panel(
            "Call-backs", "What became of the platforms' calls; `refused` and `unknown` are a stranger's.",
            {"{{platform}} {{outcome}}": happened("platform, outcome", "gateway_hooks_total", AT)},
        ),
        Panel(
            "Submissions without an answer", "By what proves that the platform cannot have them; `nothing`: it may.",
            {"{{platform}} {{proof}}": happened("platform, proof", "gateway_submissions_unanswered_total", AT)},
        ),
        Panel(
            "Call-backs that were due", "In time before any poll, late behind one, or missing: all missing is silence.",
            {"{{platform}} {{outcome}}": happened("platform, outcome", "gateway_webhooks_total", AT)},
        ),
        Panel(
            "Undocumented words", "Answers with a word that is in no documentation: something is new there.",
            {"{{platform}}": happened("platform", "gateway_vendor_fields_unknown_total", AT)},
        ),
    ),
    "Memory and files": (
        Panel(
            "Memory budget", "Picture bytes held; past the limit they go to files.",
            {
                "held {{instance}}": f'gateway_memory_budget_bytes{{{ONE}, kind="held"}}',
                "limit {{instance}}": f'gateway_memory_budget_bytes{{{ONE}, kind="limit"}}',
            },
            "bytes",
        ),
        Panel(
            "Memory budget in use", "Of `memory.budget`.",
            {"{{instance}}": f"gateway:memory_budget:ratio{{{ONE}}}"}, "percentunit", limits=(0.8, 0.95),
        ),
        Panel(
            "Ledger", "1 while paid jobs can be written down; at 0 nothing new is begun.",
            {"{{instance}}": f"gateway_ledger_writable{{{ONE}}}"},
        ),
        Panel(
            "Ledger commits", "How long the slowest twentieth of its transactions take to reach the disk.",
            {"{{instance}}": f"histogram_quantile(0.95, sum by (instance, le) "
                             f"(rate(gateway_ledger_commit_duration_seconds_bucket{{{ONE}}}[$__rate_interval])))"},
            "s",
        ),
        Panel(
            "Results", "Finished pictures on disk; `results.quota` is the most there can be.",
            {"{{instance}}": f"gateway_results_bytes{{{ONE}}}"}, "bytes",
        ),
        Panel(
            "Private files", "Picture bytes on disk; `memory.disk` is the most there can be.",
            {"{{instance}}": f"gateway_spool_bytes{{{ONE}}}"}, "bytes",
        ),
        Panel(
            "Picture bytes", "Received from clients and delivered to them.",
            {"{{direction}}": by("direction", "gateway_image_bytes_total")}, "Bps",
        ),
    ),
    "Process": (
        Panel(
            "Version", "Which gateway runs where.",
            {"{{version}} on Python {{python}}": f"count by (version, python) (gateway_build_info{{{ONE}}})"},
            kind="stat", width=4,
        ),
        Panel(
            "Answers Prometheus",
            "1 when its admin listener did.",
            {"{{instance}}": f"up{{{ONE}}}"}, kind="stat", width=4,
        ),
        Panel(
            "Configuration", "1 when the last reload was taken, 0 when the file is bad and the old one goes on.",
            {"{{instance}}": f"gateway_config_last_reload_successful{{{ONE}}}"}, kind="stat", width=4,
        ),
        Panel(
            "Configuration's age", "Since the last reload that was taken.",
            {"{{instance}}": f"time() - gateway_config_last_reload_success_timestamp_seconds{{{ONE}}}"},
            "s", "stat", 4,
        ),
        Panel(
            "Running for", "Since the process was started.",
            {"{{instance}}": f"time() - process_start_time_seconds{{{ONE}}}"}, "s", "stat", 4,
        ),
        Panel(
            "Scrape", "How long reading the metrics takes; a busy process answers late.",
            {"{{instance}}": f"scrape_duration_seconds{{{ONE}}}"}, "s", "stat", 4,
        ),
        Panel(
            "CPU", "Cores in use. One process uses little more than one.",
            {"{{instance}}": f"rate(process_cpu_seconds_total{{{ONE}}}[$__rate_interval])"},
        ),
        Panel(
            "Memory", "Resident bytes of the process.",
            {"{{instance}}": f"process_resident_memory_bytes{{{ONE}}}"}, "bytes",
        ),
        Panel(
            "File descriptors", "Open ones, of those allowed.",
            {"{{instance}}": f"process_open_fds{{{ONE}}} / process_max_fds{{{ONE}}}"}, "percentunit", limits=(0.6, 0.9),
        ),
    ),
}  # fmt: skip
