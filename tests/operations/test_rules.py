"""Recording rules and alerts: tested one by one with promtool, about metrics that exist, told in words that help."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.domain.errors import CATALOGUE, Blame, GatewayError, LimitReached, TooManyFailures
from tests.fakes.installed import installed
from tests.operations.known import recorded, stray_labels, strays
from tests.operations.promtool import ALERTS, RECORDING, ROOT, RULES, TESTS, selectors

SEVERITIES = {"critical", "warning", "info"}
# 429s by which a key's own limits speak: the client asked for too much, and nobody has failed.
LIMITS = (LimitReached, TooManyFailures)


def promtool(*arguments: str | Path) -> None:
    """Raises: AssertionError, with what it says, when promtool is not content."""
    command = [installed("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the rules, their annotations taken out: promtool would compare the prose to the letter."""
    for file in RULES.glob("*.yml"):
        document = yaml.safe_load(file.read_text())
        for rule in (rule for group in document["groups"] for rule in group["rules"]):
            rule.pop("annotations", None)
        (tmp_path / file.name).write_text(yaml.safe_dump(document))
    return tmp_path


def written(file: str) -> dict[str, Any]:
    """A file of rule tests."""
    document: dict[str, Any] = yaml.safe_load((TESTS / file).read_text())
    return document


def test_prometheus_takes_the_configuration() -> None:
    """`promtool check config`, rules and the templates of their annotations included."""
    promtool("check", "config", ROOT / "config/prometheus/prometheus.yml")


@pytest.mark.parametrize("file", ["recording.yml", "alerts.yml"])
def test_the_rules_do_what_they_say(file: str, bare: Path) -> None:
    """`promtool test rules`: numbers of the recording rules, alerts that fire and alerts that do not."""
    document = written(file)
    document["rule_files"] = [str(bare / Path(name).name) for name in document["rule_files"]]
    (bare / "tests.yml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", bare / "tests.yml")


def test_the_tests_of_rules_can_fail(bare: Path) -> None:
    """An alert that never fires is found: every threshold out of reach leaves no group of tests content."""
    document = yaml.safe_load((bare / "alerts.yml").read_text())
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        rule["expr"] = f"({rule['expr']}) and on () vector(1) > 2"
    (bare / "alerts.yml").write_text(yaml.safe_dump(document))
    tests = written("alerts.yml")
    tests["rule_files"] = [str(bare / Path(name).name) for name in tests["rule_files"]]
    (bare / "tests.yml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        [installed("promtool"), "test", "rules", bare / "tests.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    silent = set(re.findall(r"alertname: ?(\w+)", done.stdout + done.stderr))
    assert silent == {rule["alert"] for rule in ALERTS}


def test_every_alert_is_tested_firing_and_silent() -> None:
    """By name and severity; a moment at which it must not fire is as needed as one at which it must."""
    fires, silent = set(), set()
    for case in (case for test in written("alerts.yml")["tests"] for case in test["alert_rule_test"]):
        fires |= {(case["alertname"], alert["exp_labels"]["severity"]) for alert in case["exp_alerts"]}
        silent |= set() if case["exp_alerts"] else {case["alertname"]}
    every = [(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS]
    assert len(every) == len(set(every))
    assert fires == set(every)
    assert silent == {name for name, _ in every}


def test_every_recording_rule_is_tested() -> None:
    """Its number is asserted somewhere, on data that was made for it."""
    asked = {
        name
        for test in written("recording.yml")["tests"]
        for case in test["promql_expr_test"]
        for name, _ in selectors(case["expr"])
    }
    assert asked == {rule["record"] for rule in RECORDING}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_tells_what_to_do(rule: dict[str, Any]) -> None:
    """Severity, a summary of one line, a description in sentences; labels in its prose are labels that it has."""
    assert rule["labels"]["severity"] in SEVERITIES
    said = rule["annotations"]
    assert set(said) == {"summary", "description"}
    assert len(said["summary"]) <= 110
    assert re.fullmatch(r".{80,}\.", said["description"], re.DOTALL)
    has = {
        label
        for test in written("alerts.yml")["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
        for alert in case["exp_alerts"]
        for label in alert["exp_labels"]
    }
    assert set(re.findall(r"\$labels\.(\w+)", said["summary"] + said["description"])) <= has


@pytest.mark.parametrize("rule", [*RECORDING, *ALERTS], ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_read_metrics_that_exist(rule: dict[str, Any]) -> None:
    """Every name and label is one of the catalogue's, of a recording rule, or Prometheus' own."""
    assert strays(rule["expr"]) == set()
    assert stray_labels(rule["expr"]) == set()


def test_a_stray_metric_or_label_would_be_found() -> None:
    """The check above can fail."""
    assert strays('rate(gateway_request_total{route="x"}[5m]) / gateway:nothing:rate5m') == {
        "gateway_request_total",
        "gateway:nothing:rate5m",
    }
    assert stray_labels('sum by (job, rout) (rate(gateway_requests_total{path="x"}[5m]))') == {"rout", "path"}


def test_recording_rules_are_named_as_prometheus_asks() -> None:
    """level:metric:operations: https://prometheus.io/docs/practices/rules/#naming."""
    for rule in RECORDING:
        assert re.fullmatch(r"gateway:[a-z_]+:(ratio|(ratio_|p\d\d_)?rate\d+[mhd]|avg5m)", rule["record"]), rule[
            "record"
        ]


def test_every_error_is_somebodys() -> None:
    """Faults of platforms and of the gateway burn the error budget, all others do not, whatever code they have."""
    burning = next(rule["expr"] for rule in RECORDING if rule["record"] == "gateway:unavailable:ratio_rate5m")
    blamed = {
        rule["labels"]["blame"]: rule["expr"] for rule in RECORDING if rule["record"] == "gateway:faults:ratio_rate5m"
    }
    codes: dict[str, type[GatewayError]] = {**CATALOGUE, GatewayError.code: GatewayError}
    for code, kind in codes.items():
        own_limit = issubclass(kind, LIMITS)
        assert _counted(burning, code) == (kind.blame is not Blame.CLIENT and not own_limit), code
        assert _counted(blamed["platform"], code) == (kind.blame is Blame.PLATFORM), code
        assert _counted(blamed["gateway"], code) == (kind.blame is Blame.GATEWAY and not own_limit), code
    for outcome in ("ok", "moderated", "client_gone"):
        assert not _counted(burning, outcome)


def _counted(expression: str, outcome: str) -> bool:
    """Whether the expression's first selector takes the outcome."""
    wanted = re.search(r'outcome=~"([^"]+)"', expression)
    assert wanted is not None
    unwanted = re.search(r'outcome!="([^"]+)"', expression)
    return re.fullmatch(wanted[1], outcome) is not None and (unwanted is None or unwanted[1] != outcome)


def test_recorded_labels_are_known() -> None:
    """What a recording rule leaves is what may be asked of it."""
    assert recorded()["gateway:faults:ratio_rate5m"] == {"job", "blame"}
    assert recorded()["gateway:memory_budget:ratio"] == {"job", "instance"}
