"""The runbook has every alarm, the alarms have every metric that is worth one, and what is shipped is sound."""

from __future__ import annotations

import re
from configparser import RawConfigParser
from typing import Any

import promql_parser
import pytest
import yaml

from heliograph.telemetry.metrics import METRICS
from tests.docs.pages import ROOT, anchors, table_words, text
from tests.docs.test_examples import check_command

OPERATE = ROOT / "docs/operate"
RUNBOOK = "docs/runbook.md"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
SCRAPED = {name + suffix for name, kind in METRICS.items() for suffix in SUFFIXES[kind.type]}
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}


def alarms() -> list[dict[str, Any]]:
    """The rules of the file that is shipped."""
    [group] = yaml.safe_load((OPERATE / "heliograph.rules.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


@pytest.mark.parametrize("rule", alarms(), ids=lambda rule: str(rule["alert"]))
def test_an_alarm_is_whole_and_has_its_place_in_the_runbook(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert f"\n### {rule['alert']}\n" in text(RUNBOOK)
    assert rule["alert"].lower() in anchors(ROOT / RUNBOOK)


@pytest.mark.parametrize("rule", alarms(), ids=lambda rule: str(rule["alert"]))
def test_an_alarm_asks_for_metrics_and_labels_that_are_there(rule: dict[str, Any]) -> None:
    expression = rule["expr"]
    asked = set(re.findall(r"\bheliograph_\w+", expression))
    assert asked <= SCRAPED
    base = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked}
    labels = {label for name in base for label in METRICS[name].labels}
    used = set(re.findall(r"(\w+)=~?\"", expression)) | set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert used <= labels | {"job", "instance"}


@pytest.mark.parametrize("rule", alarms(), ids=lambda rule: str(rule["alert"]))
def test_an_alarm_is_an_expression_as_prometheus_reads_it(rule: dict[str, Any]) -> None:
    """The grammar and types of PromQL: what a function takes, and that a comparison is left at the top."""
    read = promql_parser.parse(rule["expr"])
    assert isinstance(read, promql_parser.BinaryExpr), rule["expr"]


@pytest.mark.parametrize("wrong", ["rate(heliograph_x_total)", "sum by (le) (rate(x[5m])", "x[5] > 1", "histogram(x)"])
def test_a_wrong_expression_would_be_found(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        promql_parser.parse(wrong)


def test_every_metric_has_an_alarm_or_a_reason_to_have_none() -> None:
    alarmed = {name for rule in alarms() for name in re.findall(r"\bheliograph_\w+", rule["expr"])}
    told = set(table_words(RUNBOOK))
    for name, kind in METRICS.items():
        scraped = {name + suffix for suffix in SUFFIXES[kind.type]}
        assert scraped & alarmed or told & (scraped | {name}), name
    assert {name for name in told if name.startswith("heliograph_")} <= SCRAPED | set(METRICS)


def test_every_alarm_in_the_runbook_is_shipped() -> None:
    headings = set(re.findall(r"^### (Heliograph\w+)$", text(RUNBOOK), re.MULTILINE))
    assert headings == {rule["alert"] for rule in alarms()}


def test_the_unit_of_systemd_starts_a_command_that_exists() -> None:
    unit = RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(OPERATE / "heliograph.service")
    assert unit.sections() == ["Unit", "Service", "Install"]
    program, *words = unit["Service"]["ExecStart"].split()
    assert program.endswith("/bin/heliograph")
    check_command(words)


def test_the_container_file_copies_what_is_there_and_starts_a_command_that_exists() -> None:
    lines = [line for line in (OPERATE / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    assert {line.split()[0] for line in lines} == INSTRUCTIONS
    for line in lines:
        if line.startswith("COPY"):
            assert all((ROOT / source).exists() for source in line.split()[1:-1])
    command = yaml.safe_load(lines[-1].removeprefix("CMD "))
    assert command[0] == "heliograph"
    check_command(command[1:])
