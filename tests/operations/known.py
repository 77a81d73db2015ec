"""The names and labels that rules and dashboards may use: the catalogue's, the recording rules', Prometheus' own."""

from __future__ import annotations

from gateway.telemetry.catalogue import Catalogue
from tests.operations.promtool import RECORDING, groupings, selectors

# Of every series: https://prometheus.io/docs/concepts/jobs_instances/
TARGET = {"job", "instance"}
PROMETHEUS: dict[str, set[str]] = {"up": set(), "scrape_duration_seconds": set(), "scrape_samples_scraped": set()}

# prometheus_client's ProcessCollector, which declares no names.
PROCESS: dict[str, set[str]] = {
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
    "process_start_time_seconds": set(),
}


def _catalogued() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    registry = Catalogue().registry
    for collector, names in registry._collector_to_names.items():
        labels = set(getattr(collector, "_labelnames", ()))
        for name in names:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


LABELS = _catalogued()


def recorded() -> dict[str, set[str]]:
    """Each recording rule with the labels that are left: those it groups by and those it adds."""
    return {rule["record"]: groupings(rule["expr"]) - {"le"} | set(rule.get("labels", ())) for rule in RECORDING}


KNOWN = {**LABELS, **recorded(), **PROCESS, **PROMETHEUS}


def strays(expression: str) -> set[str]:
    """The metrics in it that nobody has."""
    return {name for name, _ in selectors(expression)} - set(KNOWN)


def stray_labels(expression: str) -> set[str]:
    """The labels in it that its metrics do not have."""
    read = [(KNOWN.get(name, set()) | TARGET, labels) for name, labels in selectors(expression)]
    narrowed = {label for has, labels in read for label in labels - has}
    has_any = {label for has, _ in read for label in has}
    return narrowed | groupings(expression) - has_any
