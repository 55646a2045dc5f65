"""Dashboard, alarms and queries speak of what the code really reports, and of pages that exist."""

import json
import re
from typing import Any

import pytest

from localdev.cloud import ROOT
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import DELETION, LINKING, Delivery, log_fields
from media_cleanup.result import Result
from tests.unit.test_template import RESOURCES, TEMPLATE

COUNTS = {*DELETION.counters.values(), *LINKING.counters.values()}
SWEPT = {"SweptLinks", "SweptGone", "SweptUnknown"}
METRICS = COUNTS | SWEPT | {"AuthenticationFailed", "ProviderLatency", "DeletionLag"}
FIELDS = {*log_fields(Result(outcome=Outcome.DELETED), Delivery("sqs")), "message", "level", "@timestamp"}
ALARMS = {
    name: RESOURCES[name] for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"
}
QUERIES = {
    name: RESOURCES[name]["QueryString"]
    for name, one in TEMPLATE["Resources"].items()
    if one["Type"] == "AWS::Logs::QueryDefinition"
}
OPERATIONS = ROOT / "docs/operations"
each_alarm = pytest.mark.parametrize("name", ALARMS)


@pytest.fixture
def dashboard() -> Any:  # noqa: ANN401 (whatever JSON holds)
    """The dashboard as CloudFormation would hand it over; every substitution is a number or a part of a text."""
    return json.loads(re.sub(r"\$\{[^}]+\}", "1", RESOURCES["Dashboard"]["DashboardBody"]["Fn::Sub"]))


@each_alarm
def test_an_alarms_description_says_what_to_do_first_and_where_more_stands(name: str) -> None:
    description = ALARMS[name]["AlarmDescription"]
    assert ". First " in description
    [page] = re.findall(r"docs/operations/([a-z-]+\.md)", description)
    text = (OPERATIONS / page).read_text()
    assert f"`{name}`" in text
    assert "\n## First look\n" in text
    assert "\n## Repair\n" in text
    assert f"`{name}`" in (OPERATIONS / "index.md").read_text()


@each_alarm
def test_an_alarm_tells_somebody_and_is_quiet_where_nothing_happens(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["TreatMissingData"] == "notBreaching"


def test_alarms_and_widgets_name_metrics_that_are_counted(dashboard: dict[str, Any]) -> None:
    ours = {metric["MetricName"] for metric in _metrics() if metric["Namespace"] == "MediaCleanup"}
    rows = [row for widget in dashboard["widgets"] for row in widget["properties"].get("metrics", [])]
    shown = {row[1] for row in rows if row[0] == "MediaCleanup"}
    assert ours == {"AuthenticationFailed", "DeletionLag", "Unavailable", "Deleted", "SweptGone"}
    assert shown == METRICS
    assert all(row[2:4] == ["service", "media-cleanup"] for row in rows if row[0] == "MediaCleanup")


def _metrics() -> list[dict[str, Any]]:
    """The metrics that alarms watch, by themselves or in an expression."""
    expressed = [query for alarm in ALARMS.values() for query in alarm.get("Metrics", [])]
    watched = [query["MetricStat"]["Metric"] for query in expressed if "MetricStat" in query]
    return [*watched, *(alarm for alarm in ALARMS.values() if "MetricName" in alarm)]


def test_every_alarm_is_on_the_dashboard() -> None:
    body = RESOURCES["Dashboard"]["DashboardBody"]["Fn::Sub"]
    assert {name for name in ALARMS if f"${{{name}.Arn}}" in body} == ALARMS.keys()


def test_all_functions_and_queues_have_their_alarms() -> None:
    watched = {(metric["MetricName"], json.dumps(metric["Dimensions"][0]["Value"])) for metric in _metrics()}
    for function in ("DeleteMediaFunction", "IndexMediaFunction"):
        for metric in ("Errors", "Throttles"):
            assert (metric, json.dumps({"Ref": function})) in watched
    assert ("Errors", json.dumps({"Ref": "SweepIndexFunction"})) in watched  # a throttled slice comes again in a minute
    for queue in ("DeletionQueue", "IndexQueue"):
        age = ("ApproximateAgeOfOldestMessage", json.dumps({"Fn::GetAtt": [queue, "QueueName"]}))
        dead = queue.replace("Queue", "DeadLetterQueue")
        letters = ("ApproximateNumberOfMessagesVisible", json.dumps({"Fn::GetAtt": [dead, "QueueName"]}))
        assert {age, letters} <= watched


@pytest.mark.parametrize("name", QUERIES)
def test_queries_ask_for_fields_that_log_lines_have(name: str) -> None:
    query = re.sub(r"'[^']*'|/[^/]*/|\d+\w?", "", QUERIES[name])
    named = set(re.findall(r"@?[a-z_]{4,}", query))
    words = {"fields", "filter", "sort", "stats", "count", "count_distinct", "parse", "limit", "desc", "latest"}
    words |= {"ispresent", "deletions", "requests", "receives", "newest", "slowest", "media"}
    assert named - words <= FIELDS


def test_the_topic_takes_alarms_of_this_account_alone() -> None:
    [statement] = RESOURCES["AlarmTopicPolicy"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
