"""Prometheus and Grafana as they are deployed: accepted by their tools, and about metrics that a process exports."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from tests.agents.telemetry.scraping import Process
from tests.packaging.project import ROOT
from tests.requirements import require

PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "elexirion.json"
OF_PROMETHEUS = {"up"}
METRIC = re.compile(r"(?<![\w$\"{])(?:pipeline|elexirion|process|python|up)(?:_\w+)?(?=[{\[) ]|$)")


def promtool(*arguments: str | Path) -> None:
    """promtool accepts it; skips without promtool."""
    require("promtool")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load(ALERTS.read_text("utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [panel for panel in loaded if panel["type"] != "row"]


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Every sample that a process may export, with the labels it may carry."""
    return {name: labels for family in Process().registry.collect() for name, labels in _samples(family)}


def _samples(family: Metric) -> Iterator[tuple[str, set[str]]]:
    labels = {*getattr(family, "_labelnames", ())} | {"instance", "job"}
    match family.type:
        case "counter":
            yield f"{family.name}_total", labels
        case "histogram":
            for suffix in ("bucket", "count", "sum"):
                yield f"{family.name}_{suffix}", labels | ({"le"} if suffix == "bucket" else set())
        case _:
            yield family.name, labels


def expressions(panels: list[dict[str, Any]]) -> list[str]:
    """All of a dashboard, with a real range where Grafana puts its own."""
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    return [expression.replace("$__rate_interval", "5m") for expression in found]


def test_promtool_accepts_configuration_and_rules() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")
    promtool("check", "rules", ALERTS)


def test_promtool_accepts_every_expression_of_the_dashboard(panels: list[dict[str, Any]], tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(expressions(panels))]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), "utf-8")
    promtool("check", "rules", path)


def test_every_metric_that_is_asked_for_is_exported(
    rules: list[dict[str, Any]], panels: list[dict[str, Any]], exported: dict[str, set[str]]
) -> None:
    asked = {
        name for text in (*(rule["expr"] for rule in rules), *expressions(panels)) for name in METRIC.findall(text)
    }
    assert len(asked) > 20
    assert asked - exported.keys() - OF_PROMETHEUS == set()


def test_every_metric_of_ours_is_looked_at_by_somebody(
    rules: list[dict[str, Any]], panels: list[dict[str, Any]], exported: dict[str, set[str]]
) -> None:
    text = "\n".join([*(rule["expr"] for rule in rules), *expressions(panels)])
    ours = {name for name in exported if name.startswith(("pipeline_", "elexirion_"))}
    assert [name for name in ours if name not in text and not name.endswith(("_sum", "_count"))] == []


def test_labels_that_are_grouped_by_are_exported(
    rules: list[dict[str, Any]], panels: list[dict[str, Any]], exported: dict[str, set[str]]
) -> None:
    for text in (*(rule["expr"] for rule in rules), *expressions(panels)):
        carried = set.union(*(exported.get(name, {"instance", "job"}) for name in METRIC.findall(text)))
        for labels in re.findall(r"by \(([^)]*)\)", text):
            assert {label.strip() for label in labels.split(",")} <= carried, text


def test_each_alert_says_what_is_wrong_and_what_to_do(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"].keys() == {"summary", "description"}
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_alerts_fire_for_what_they_name_and_not_when_all_is_well(tmp_path: Path) -> None:
    steps = 'pipeline_steps_total{step_type="claude", instance="w", partition="0", status='
    bad = [
        {"series": 'up{job="elexirion", instance="w"}', "values": "0x40"},
        {"series": f'{steps}"failed"}}', "values": "0+30x40"},
        {"series": f'{steps}"completed"}}', "values": "0+70x40"},
        {"series": 'pipeline_circuit_state{provider="claude", model="m", instance="w"}', "values": "2x40"},
    ]
    good = [
        {"series": 'up{job="elexirion", instance="w"}', "values": "1x40"},
        {"series": f'{steps}"failed"}}', "values": "0+1x40"},
        {"series": f'{steps}"completed"}}', "values": "0+99x40"},
        # A partition that moves here brings its counts along, which is no burst of failures.
        {"series": 'pipeline_steps_total{step_type="claude", instance="w", partition="1", status="failed"}',
         "values": "_x20 90000x20"},
        {"series": 'pipeline_circuit_state{provider="claude", model="m", instance="w"}', "values": "0x40"},
    ]  # fmt: skip
    names = ("WorkerDown", "NoWorker", "StepsFail", "CircuitOpen")
    cases = [
        {"interval": "1m", "input_series": series, "promql_expr_test": [
            {"expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})', "eval_time": "30m",
             "exp_samples": [{"labels": "{}", "value": 1}] if fires else []} for name in names]}
        for series, fires in ((bad, True), (good, False))
    ]  # fmt: skip
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": cases}), "utf-8")
    promtool("test", "rules", path)


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text("utf-8"))["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "elexirion.yml").read_text("utf-8"))["providers"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    used = set(re.findall(r'"uid": "([^"]+)"', DASHBOARD.read_text("utf-8")))
    assert used == {source["uid"], "elexirion"}
    assert source["url"] == "http://prometheus:9090"
    mounts = [mount.split(":")[:2] for mount in compose["grafana"]["volumes"]]
    assert ["./deploy/grafana/dashboards", provider["options"]["path"]] in mounts
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{DASHBOARD.name}"


def test_no_two_panels_lie_over_each_other() -> None:
    places = [panel["gridPos"] for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_documentation_names_every_metric_of_ours(exported: dict[str, set[str]]) -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    named = set(re.findall(r"`((?:pipeline|elexirion)_\w+)`", text))
    ours = {name for name in exported if name.startswith(("pipeline_", "elexirion_"))}
    assert named == {re.sub("_(bucket|sum|count)$", "", name) for name in ours}
