"""Alarms, dashboard and saved queries use metrics and log fields of the code, and pages that exist."""

import json
import re
from typing import Any

import pytest

from localdev.cloud import ROOT
from localdev.expanded import monitoring
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import DELETION, LINKING, Delivery, log_fields
from media_cleanup.result import Result
from tests.unit.test_template import TEMPLATE

COUNTS = {*DELETION.counters.values(), *LINKING.counters.values()}
SWEPT = {"SweptLinks", "SweptGone", "SweptUnknown"}
METRICS = COUNTS | SWEPT | {"AuthenticationFailed", "ProviderLatency", "DeletionLag"}
FIELDS = {*log_fields(Result(outcome=Outcome.DELETED), Delivery("sqs")), "message", "level", "@timestamp"}
NESTED = TEMPLATE["Resources"]["Monitoring"]["Properties"]
MONITORING = monitoring()
ALARMS = {
    name: one["Properties"]
    for template in (TEMPLATE, MONITORING)
    for name, one in template["Resources"].items()
    if one["Type"] == "AWS::CloudWatch::Alarm"
}
QUERIES = {
    name: one["Properties"]["QueryString"]
    for name, one in MONITORING["Resources"].items()
    if one["Type"] == "AWS::Logs::QueryDefinition"
}
DASHBOARD = MONITORING["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
OPERATIONS = ROOT / "docs/operations"
each_alarm = pytest.mark.parametrize("name", ALARMS)


@pytest.fixture
def dashboard() -> Any:  # noqa: ANN401 (whatever JSON holds)
    """The dashboard after CloudFormation's substitutions; each is a number or a part of a string."""
    return json.loads(re.sub(r"\$\{[^}]+\}", "1", DASHBOARD))


def test_root_template_passes_each_parameter_of_nested_template() -> None:
    assert NESTED["TemplateURL"] == "monitoring.yaml"
    assert NESTED["Parameters"].keys() == MONITORING["Parameters"].keys()
    assert all(parameter["Description"] for parameter in MONITORING["Parameters"].values())


@each_alarm
def test_alarm_description_names_first_step_and_page(name: str) -> None:
    description = ALARMS[name]["AlarmDescription"]
    assert ". First " in description
    [page] = re.findall(r"docs/operations/([a-z-]+\.md)", description)
    text = (OPERATIONS / page).read_text()
    assert f"`{name}`" in text
    assert "\n## First look\n" in text
    assert "\n## Repair\n" in text
    assert f"`{name}`" in (OPERATIONS / "index.md").read_text()


@each_alarm
def test_alarm_notifies_topic_and_ignores_missing_data(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert alarm["TreatMissingData"] == "notBreaching"


def test_alarms_and_widgets_use_metrics_of_code(dashboard: dict[str, Any]) -> None:
    ours = {metric["MetricName"] for metric in _metrics() if metric["Namespace"] == "MediaCleanup"}
    rows = [row for widget in dashboard["widgets"] for row in widget["properties"].get("metrics", [])]
    shown = {row[1] for row in rows if row[0] == "MediaCleanup"}
    assert ours == {"AuthenticationFailed", "DeletionLag", "Unavailable", "Deleted", "SweptGone"}
    assert shown == METRICS
    assert all(row[2:4] == ["service", "media-cleanup"] for row in rows if row[0] == "MediaCleanup")


def _metrics() -> list[dict[str, Any]]:
    """The metrics of all alarms, those in expressions included."""
    expressed = [query for alarm in ALARMS.values() for query in alarm.get("Metrics", [])]
    watched = [query["MetricStat"]["Metric"] for query in expressed if "MetricStat" in query]
    return [*watched, *(alarm for alarm in ALARMS.values() if "MetricName" in alarm)]


def test_dashboard_shows_each_alarm() -> None:
    passed = {name: {"Fn::GetAtt": [name, "Arn"]} for name in ALARMS.keys() & TEMPLATE["Resources"].keys()}
    assert {name: NESTED["Parameters"][f"{name}Arn"] for name in passed} == passed
    shown = {name for name in ALARMS if (f"${{{name}Arn}}" if name in passed else f"${{{name}.Arn}}") in DASHBOARD}
    assert shown == ALARMS.keys()


def test_rollback_alarms_are_in_root_template() -> None:
    assert ALARMS.keys() & TEMPLATE["Resources"].keys() == {
        "DeleteMediaErrorsAlarm",
        "IndexMediaErrorsAlarm",
        "SweepIndexErrorsAlarm",
    }


def test_each_function_and_queue_has_alarms() -> None:
    watched = {(metric["MetricName"], json.dumps(metric["Dimensions"][0]["Value"])) for metric in _metrics()}
    for function in ("DeleteMediaFunction", "IndexMediaFunction"):
        for metric in ("Errors", "Throttles"):
            assert (metric, json.dumps({"Ref": function})) in watched
    assert (
        "Errors",
        json.dumps({"Ref": "SweepIndexFunction"}),
    ) in watched  # a throttled slice is repeated a minute later
    for queue in ("DeletionQueue", "IndexQueue"):
        age = ("ApproximateAgeOfOldestMessage", json.dumps({"Fn::GetAtt": [queue, "QueueName"]}))
        dead = queue.replace("Queue", "DeadLetterQueue")
        letters = ("ApproximateNumberOfMessagesVisible", json.dumps({"Fn::GetAtt": [dead, "QueueName"]}))
        assert {age, letters} <= watched


@pytest.mark.parametrize("name", QUERIES)
def test_query_uses_fields_of_log_lines(name: str) -> None:
    query = re.sub(r"'[^']*'|/[^/]*/|\d+\w?", "", QUERIES[name])
    named = set(re.findall(r"@?[a-z_]{4,}", query))
    words = {"fields", "filter", "sort", "stats", "count", "count_distinct", "parse", "limit", "desc", "latest"}
    words |= {"ispresent", "deletions", "requests", "receives", "newest", "maximum", "media_files", "reason_word"}
    assert named - words <= FIELDS


def test_topic_admits_alarms_of_own_account_only() -> None:
    policy = MONITORING["Resources"]["AlarmTopicPolicy"]["Properties"]
    assert policy["Topics"] == [{"Ref": "AlarmTopic"}]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sns:Publish")
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


def test_alarm_mail_is_sent_only_to_given_address() -> None:
    mail = MONITORING["Resources"]["AlarmMail"]
    assert mail["Condition"] == "HasAlarmEmail"
    assert MONITORING["Conditions"]["HasAlarmEmail"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]}]}
    assert mail["Properties"] == {
        "TopicArn": {"Ref": "AlarmTopic"},
        "Protocol": "email",
        "Endpoint": {"Ref": "AlarmEmail"},
    }
