"""Alarms, dashboard and saved queries use metrics and log fields of the code, and pages that exist."""

import json
import re
from typing import Any

import pytest

from localdev.cloud import ROOT
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import DELETION, LINKING, Delivery, log_fields
from media_cleanup.result import Result
from media_cleanup.triggers.backoff import MAX_DELAY_S
from tests.unit.test_template import NESTED as NESTED_TEMPLATES
from tests.unit.test_template import TEMPLATE

COUNTS = {*DELETION.counts, *LINKING.counts}
SWEPT = {"SweptLinks", "SweptGone", "SweptReplaced", "SweptRefused", "SweptUnknown"}
CHECKED = {"Disconnected", "NotChecked", "DryRunDays"}
METRICS = COUNTS | SWEPT | CHECKED | {"ProviderLatency", "DeletionLag"}
FIELDS = {*log_fields(Result(outcome=Outcome.DELETED), Delivery("sqs")), "message", "level", "@timestamp"}
NESTED = TEMPLATE["Resources"]["Monitoring"]["Properties"]
MONITORING = NESTED_TEMPLATES["Monitoring"]
ALARMS = {
    name: one["Properties"] for name, one in MONITORING["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"
}
ROLLBACK = {name for name in ALARMS if "Version" in name}  # for CodeDeploy, and not for people
SERVICE = [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
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


@pytest.mark.parametrize("name", NESTED_TEMPLATES)
def test_root_template_passes_each_parameter_of_nested_template(name: str) -> None:
    passed, template = TEMPLATE["Resources"][name]["Properties"]["Parameters"], NESTED_TEMPLATES[name]
    assert passed.keys() == template["Parameters"].keys()
    assert all(parameter["Description"] for parameter in template["Parameters"].values())


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
def test_alarm_notifies_topic_and_no_data_is_no_fault(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["TreatMissingData"] == ("ignore" if name == "LagAlarm" else "notBreaching")
    topic = {"Fn::If": ["CreatesTopic", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]}
    actions = [] if name in ROLLBACK else [topic]
    assert alarm.get("AlarmActions", []) == alarm.get("OKActions", []) == actions


@pytest.mark.parametrize("name", ["AuthenticationAlarm", "BrakedAlarm", "InternalErrorsAlarm"])
def test_alarm_stays_on_between_two_receives_of_a_message(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["DatapointsToAlarm"] == 1
    assert alarm["EvaluationPeriods"] * alarm["Period"] > 1.2 * MAX_DELAY_S


@each_alarm
def test_alarm_looks_back_no_longer_than_cloudwatch_allows(name: str) -> None:
    alarm = ALARMS[name]
    periods = [alarm.get("Period")] + [each.get("MetricStat", {}).get("Period") for each in alarm.get("Metrics", [])]
    [period] = {each for each in periods if each}
    # source: Amazon CloudWatch User Guide, "Alarm evaluation": a day for periods below an hour, else seven days
    assert period * alarm["EvaluationPeriods"] <= (1 if period < 3600 else 7) * 24 * 3600


@each_alarm
def test_alarm_expression_needs_no_filled_metrics(name: str) -> None:
    assert "FILL" not in json.dumps(ALARMS[name].get("Metrics", []))  # the functions publish zeros


@each_alarm
def test_alarm_on_own_metric_watches_own_stack_only(name: str) -> None:
    queries = [query["MetricStat"]["Metric"] for query in ALARMS[name].get("Metrics", []) if "MetricStat" in query]
    for metric in queries or [ALARMS[name]]:
        if metric["Namespace"] == "MediaCleanup":
            assert metric["Dimensions"][:1] == SERVICE


def test_alarms_and_widgets_use_metrics_of_code(dashboard: dict[str, Any]) -> None:
    ours = {metric["MetricName"] for metric in _metrics() if metric["Namespace"] == "MediaCleanup"}
    rows = [row for widget in dashboard["widgets"] for row in widget["properties"].get("metrics", [])]
    shown = {row[1] for row in rows if row[0] == "MediaCleanup"}
    assert ours == {
        *("AuthenticationFailed", "DeletionLag", "Unavailable", "Deleted", "SweptGone"),
        *("InternalError", "Disconnected", "DryRunSkipped", "DryRunDays", "Braked"),
    }
    assert shown == METRICS
    assert '"service", "${ApplicationName}"' in DASHBOARD
    assert '"service", "media-cleanup"' not in DASHBOARD
    assert NESTED["Parameters"]["ApplicationName"] == {"Ref": "AWS::StackName"}
    assert len({tuple(row[2:4]) for row in rows if row[0] == "MediaCleanup"}) == 1


def test_objective_starts_after_undo_seconds(dashboard: dict[str, Any]) -> None:
    for name, factor in (("LagAlarm", "1000 * "), ("DeletionQueueAgeAlarm", "")):
        expression, measured = ALARMS[name]["Metrics"]
        assert expression["Expression"] == {"Fn::Sub": f"{measured['Id']} - {factor}${{UndoSeconds}}"}
    rows = [row for widget in dashboard["widgets"] for row in widget["properties"].get("metrics", [])]
    lags = [row[4] for row in rows if row[0:2] == ["MediaCleanup", "DeletionLag"]]
    expressions = [row[0]["expression"] for row in rows if isinstance(row[0], dict)]
    assert {f"{lag['id']} - 1000 * 1" for lag in lags if not lag["visible"]} < set(expressions)
    assert len(lags) == 3
    delay = TEMPLATE["Resources"]["DeletionQueue"]["Properties"]["DelaySeconds"]
    assert delay == NESTED["Parameters"]["UndoSeconds"] == {"Ref": "UndoSeconds"}


def test_braked_requests_are_no_outage() -> None:
    expression, *_ = ALARMS["OutageAlarm"]["Metrics"]
    assert expression["Expression"] == "IF(unavailable > braked AND deleted == 0, 1, 0)"


def test_dashboard_states_mode_in_words(dashboard: dict[str, Any]) -> None:
    assert '"markdown": "${Mode}"' in DASHBOARD
    condition, rehearsal, live = NESTED["Parameters"]["Mode"]["Fn::If"]
    assert TEMPLATE["Conditions"][condition] == {"Fn::Equals": [{"Ref": "DryRun"}, "true"]}
    assert "no media file is deleted" in json.loads(f'"{rehearsal}"')
    assert json.loads(f'"{live}"').startswith("## Live\n")
    assert next(one["type"] for one in dashboard["widgets"]) == "text"


def _metrics() -> list[dict[str, Any]]:
    """The metrics of all alarms, those in expressions included."""
    expressed = [query for alarm in ALARMS.values() for query in alarm.get("Metrics", [])]
    watched = [query["MetricStat"]["Metric"] for query in expressed if "MetricStat" in query]
    return [*watched, *(alarm for alarm in ALARMS.values() if "MetricName" in alarm)]


def test_dashboard_shows_each_alarm() -> None:
    assert {name for name in ALARMS if f"${{{name}.Arn}}" in DASHBOARD} == ALARMS.keys() - ROLLBACK


def test_dashboard_widgets_do_not_overlap(dashboard: dict[str, Any]) -> None:
    cells = [
        (x, y)
        for one in dashboard["widgets"]
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24  # the width of a dashboard


def test_each_function_and_queue_has_alarms() -> None:
    watched = {(metric["MetricName"], json.dumps(metric["Dimensions"][0]["Value"])) for metric in _metrics()}
    for function in ("DeleteMediaFunction", "IndexMediaFunction"):
        for metric in ("Errors", "Throttles"):
            assert (metric, json.dumps({"Ref": function})) in watched
    assert (
        "Errors",
        json.dumps({"Ref": "SweepIndexFunction"}),
    ) in watched  # a throttled slice is repeated a minute later
    for rule, name in (("DeletedObjectsRule", "deletions"), ("StoredObjectsRule", "stores")):
        dimension = json.dumps(TEMPLATE["Resources"][rule]["Properties"]["Name"])
        assert f"-{name}" in dimension
        assert {(metric, dimension) for metric in ("FailedInvocations", "InvocationsFailedToBeSentToDlq")} <= watched
    for function in ("DeleteMediaFunction", "IndexMediaFunction"):
        reference = json.dumps({"Ref": function})
        assert {(metric, reference) for metric in ("AsyncEventsDropped", "DestinationDeliveryFailures")} <= watched
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
    assert MONITORING["Resources"]["AlarmTopicPolicy"]["Condition"] == "CreatesTopic"  # an existing topic keeps its own
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
        "TopicArn": {"Fn::If": ["CreatesTopic", {"Ref": "AlarmTopic"}, {"Ref": "AlarmTopicArn"}]},
        "Protocol": "email",
        "Endpoint": {"Ref": "AlarmEmail"},
    }


def test_cost_page_counts_alarms_and_their_metrics() -> None:
    lasting = [alarm for name, alarm in ALARMS.items() if name not in ROLLBACK]
    metrics = sum(max(1, sum("MetricStat" in each for each in alarm.get("Metrics", []))) for alarm in lasting)
    page = (ROOT / "docs/cost.md").read_text()
    assert f"{len(lasting)} alarms on {metrics} metrics, $0.10 each | ${metrics / 10:.2f}" in page
    assert f"{len(ROLLBACK)} alarms | ${len(ROLLBACK) / 10:.2f}" in page
