"""Whatever the product raises an alarm by has a section in docs/runbooks.md, and no section outlives its alarm."""

import re
from typing import Final

import pytest

from server import RECOVERIES
from tests.deploy.alerts import ALERTS, ASKED, RECORDED, named
from tests.deploy.emitted import ROOT, events, metrics, nameless
from tests.deploy.manifests import the

TEXT: Final = (ROOT / "docs" / "runbooks.md").read_text()
SECTIONS: Final = re.findall(r"((?:<a id=\"[^\"]+\"></a>)+)\n### ([^\n]+)\n(.*?)(?=\n<a id|\n## |\Z)", TEXT, re.DOTALL)
NAMES: Final = [name for _, heading, _ in SECTIONS for name in re.findall(r"`([^`]+)`", heading)]
PARTS: Final = ["Means", "People notice", "Look at", "Do", "Over when"]
ALARMS: Final = events() - RECOVERIES
LIBRARIES: Final = "library"
"""Under this name their errors are counted (`config/logs`)."""
BY_EVENT: Final = {"NeedsSomebody", "ErrorLogged"}
"""Alerts that lead to the section of the event."""


def test_every_alarm_has_a_section_and_every_section_an_alarm() -> None:
    assert len(ALARMS) > 30, "the events are found"
    assert nameless() == []
    owed = ALARMS | {LIBRARIES} | set(ALERTS) - BY_EVENT
    assert sorted(owed - set(NAMES)) == [], "have no section"
    assert sorted(set(NAMES) - owed) == [], "name what is no more"
    assert len(NAMES) == len(set(NAMES))
    assert TEXT.count("\n### ") == len(SECTIONS)


@pytest.mark.parametrize(("anchors", "heading", "body"), SECTIONS, ids=lambda text: text[:30])
def test_a_section_can_be_reached_and_says_all_that_it_has_to(anchors: str, heading: str, body: str) -> None:
    assert re.findall(r'id="([^"]+)"', anchors) == re.findall(r"`([^`]+)`", heading)
    told = re.findall(r"^- \*\*([^*]+):\*\* (.+)$", body, re.MULTILINE)
    assert [name for name, _ in told] == PARTS
    assert all(len(text) > 5 for _, text in told)


def test_every_link_leads_to_a_section() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= set(NAMES)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_its_section(name: str) -> None:
    alert = ALERTS[name]
    anchor = "{{ $labels.event }}" if name in BY_EVENT else name
    assert alert["annotations"]["runbook"] == f"docs/runbooks.md#{anchor}"
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in {"page", "ticket"}


def test_what_pages_by_event_is_an_event() -> None:
    (listed,) = re.findall(r'event=~"([^"]+)"', ALERTS["NeedsSomebody"]["expr"])
    paging = {name.replace("\\\\.", ".") for name in listed.split("|")}
    assert paging <= ALARMS
    assert {"log.gap", "log.unsealable", "message.poisoned"} <= paging


def test_rules_and_the_autoscaler_ask_for_metrics_that_are_made() -> None:
    made = metrics()
    scaled = {
        one["pods"]["metric"]["name"]
        for one in the("HorizontalPodAutoscaler", "node")["spec"]["metrics"]
        if one["type"] == "Pods"
    }
    of_process = {name for name in ASKED if name.startswith("process_")}
    written = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in ASKED | scaled}
    assert written - of_process <= made
    assert set().union(*(named(rule["expr"]) for rule in ALERTS.values())) >= RECORDED, "recorded for nobody"


def test_metrics_that_the_runbooks_ask_for_are_there() -> None:
    asked = {
        name
        for code in re.findall(r"`([^`]+)`", TEXT)
        for name in re.findall(
            r"\b(?:rest|socket|mesh|model|process|part|loop|log|writes|messages|actors|jobs?|supervisor)_[a-z_]+", code
        )
    }
    known = metrics() | {"process_open_fds", "process_max_fds"}
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked} - known == set()


def test_promql_is_read_as_it_is_meant() -> None:
    assert named('sum by (a, b) (rate(x_total{c="d"}[5m])) / y offset 5m and on (z) w:r5m > 0.1') == {
        "x_total",
        "y",
        "w:r5m",
    }
