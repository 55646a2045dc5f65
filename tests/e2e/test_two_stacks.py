"""Two stacks in one account and Region: metrics, alarms, dashboards, queries and filters of each are its own."""

import base64
import json
from typing import Any

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack, deploy
from tests.conftest import PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import deployed, send, story

PREFIX = "offers/"
NAMES = ("left", "right")


@pytest.fixture(scope="module")
def stacks(cloud: LocalCloud, nxcloud: FakeNxCloud) -> list[Stack]:
    return [
        deployed(cloud, nxcloud, NAMES[0], CreateSourceBucket="true", ObjectKeyPrefix=PREFIX),
        deployed(cloud, nxcloud, NAMES[1], SourceBucketName="right-*", ObjectKeyPrefix=PREFIX, DryRun="true"),
    ]


def alarms_of(stack: Stack) -> dict[str, dict[str, Any]]:
    """The alarms of a stack, by logical id."""
    pages = stack.cloud.client("cloudwatch").get_paginator("describe_alarms").paginate()
    by_name = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    return {name: by_name[physical] for name, physical in stack.resources.items() if physical in by_name}


def metrics_of(stack: Stack) -> list[dict[str, Any]]:
    """The metrics that a deletion request writes to the log."""
    answer = stack.cloud.client("lambda").invoke(
        FunctionName=stack.outputs["DeleteMediaFunctionArn"],
        Payload=json.dumps({"bucket": "none", "key": f"{PREFIX}none.jpg"}),
        LogType="Tail",
    )
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    return [json.loads(line) for line in lines if '"_aws"' in line]


def test_metrics_of_each_stack_have_its_name(stacks: list[Stack]) -> None:
    for stack in stacks:
        [metrics] = metrics_of(stack)
        assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
        assert metrics["service"] == stack.name


def test_alarms_of_each_stack_watch_its_own_metrics(stacks: list[Stack]) -> None:
    left, right = map(alarms_of, stacks)
    assert left.keys() == right.keys()
    for name, alarm in left.items():
        assert alarm["Dimensions"] != right[name]["Dimensions"], name
        assert alarm["AlarmActions"] != right[name]["AlarmActions"], name
        if alarm["Namespace"] == "MediaCleanup":
            assert alarm["Dimensions"] == [{"Name": "service", "Value": NAMES[0]}]


def test_dashboard_of_each_stack_shows_its_own_metrics_and_mode(stacks: list[Stack]) -> None:
    for stack, mode in zip(stacks, ("Live", "Dry run"), strict=True):
        name = stack.outputs["DashboardName"]
        body = stack.cloud.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
        widgets = json.loads(body)["widgets"]
        rows = [row for widget in widgets for row in widget["properties"].get("metrics", [])]
        assert {row[3] for row in rows if row[0] == "MediaCleanup"} == {stack.name}
        assert widgets[0]["properties"]["markdown"].startswith(f"## {mode}\n")


def test_layers_and_logs_of_each_stack_are_its_own(stacks: list[Stack], cloud: LocalCloud) -> None:
    groups: list[set[str]] = []
    for stack in stacks:
        settings = cloud.client("lambda").get_function_configuration(
            FunctionName=stack.outputs["DeleteMediaFunctionArn"]
        )
        assert {layer["Arn"].split(":")[6] for layer in settings["Layers"]} == {
            f"{stack.name}-nxcloud",
            f"{stack.name}-media-cleanup",
        }
        groups.append({value for name, value in stack.outputs.items() if name.endswith("LogGroupName")})
    assert not groups[0] & groups[1]


def test_object_outside_prefix_sends_no_event(stacks: list[Stack], nxcloud: FakeNxCloud) -> None:
    left, right = stacks
    s3 = left.cloud.client("s3")
    s3.create_bucket(Bucket="right-photos")
    s3.put_bucket_notification_configuration(
        Bucket="right-photos", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    for stack, bucket in ((left, left.outputs["SourceBucketName"]), (right, "right-photos")):
        for key in ("private/first.jpg", f"{PREFIX}second.jpg"):
            media = {"whatsapp-media-id": nxcloud.provider.add_media(PHONE), "whatsapp-business-phone": PHONE}
            s3.put_object(Bucket=bucket, Key=key, Body=b"", Metadata=media)
            s3.delete_object(Bucket=bucket, Key=key)
        story(stack, "second.jpg", function="IndexMediaFunction")
        story(stack, "second.jpg")
        lines = [line for name in ("IndexMediaFunction", "DeleteMediaFunction") for line in stack.log_lines(name)]
        assert "first.jpg" not in json.dumps(lines)


def test_verification_of_dry_run_holds_and_calls_nothing(stacks: list[Stack], nxcloud: FakeNxCloud) -> None:
    _, right = stacks
    calls = len(nxcloud.provider.calls)
    done = run(right.cloud, "verify", "--stack", right.name, "--bucket", "right-photos", "--phone", PHONE)
    assert (done.returncode, " failed" in done.stdout.partition("Step")[2].partition("\n\n")[0]) == (0, False), done
    assert "dry run: outcomes are skipped, reason dry_run" in done.stdout
    assert len(nxcloud.provider.calls) == calls


def test_messages_of_one_stack_do_not_count_for_the_other(stacks: list[Stack]) -> None:
    left, right = stacks
    send(right, {"bucket": "none", "key": f"{PREFIX}only-right.jpg"})
    [line] = story(right, "only-right.jpg")
    assert line["service"] == right.name
    assert "only-right.jpg" not in json.dumps(left.log_lines())


def test_existing_tables_and_topic_are_used(stacks: list[Stack], cloud: LocalCloud, nxcloud: FakeNxCloud) -> None:
    left = stacks[0]
    topic = cloud.client("sns").create_topic(Name="alarms-of-all")["TopicArn"]
    tables = {f"{name}Name": left.outputs[f"{name}Name"] for name in ("MediaIndexTable", "IdempotencyTable")}
    adopting = deploy(cloud, "adopting", NxCloudBaseUrl=nxcloud.url, AlarmTopicArn=topic, RolePath="/media/", **tables)
    assert {"MediaIndexTable", "IdempotencyTable", "AlarmTopic", "AlarmTopicPolicy"}.isdisjoint(adopting.resources)
    assert {name: adopting.outputs[name] for name in tables} == tables
    assert adopting.outputs["AlarmTopicArn"] == topic
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms_of(adopting).values()} == {(topic,)}
    environment = cloud.client("lambda").get_function_configuration(
        FunctionName=adopting.outputs["DeleteMediaFunctionArn"]
    )["Environment"]["Variables"]
    assert environment["MEDIA_INDEX_TABLE"] == tables["MediaIndexTableName"]
    assert environment["IDEMPOTENCY_TABLE"] == tables["IdempotencyTableName"]
    assert tables["MediaIndexTableName"] in json.dumps(adopting.policies("DeleteMediaRole"))
    role = cloud.client("iam").get_role(RoleName=adopting.resources["DeleteMediaRole"])["Role"]
    assert role["Path"] == "/media/"
