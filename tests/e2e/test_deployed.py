"""The deployed template on the local cloud: events of S3 and EventBridge, queues, functions and alarms."""

import json
from typing import Any

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.conftest import assert_logs_keep_secrets, dead_letter, eventually, send, story

pytestmark = pytest.mark.usefixtures("well_behaved")


def store(stack: Stack, bucket: str, key: str) -> Any:  # noqa: ANN401 (boto3's answer)
    return stack.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"content")


@pytest.mark.parametrize("name", ["plain", "menus & prices/100%+tax", "a b+c%2Fd/ü🏠"])
def test_deleted_object_deletes_its_media(own_bucket: Stack, nxcloud: FakeNxCloud, name: str) -> None:
    media_id = nxcloud.provider.add_media(PHONE)
    bucket, key = own_bucket.outputs["SourceBucketName"], f"{name}/{PHONE}/{media_id}.jpg"
    store(own_bucket, bucket, key)
    assert (PHONE, media_id) in nxcloud.provider.media
    own_bucket.cloud.client("s3").delete_object(Bucket=bucket, Key=key)
    eventually(lambda: (PHONE, media_id) not in nxcloud.provider.media)
    [line] = story(own_bucket, media_id)
    assert (line["outcome"], line["trigger"], line["bucket"]) == ("deleted", "sqs", bucket)
    assert line["object_key"] == f"{name}/86158****1795/{media_id}.jpg"
    assert line["lag_ms"] >= 0


def test_message_deletes_media(own_bucket: Stack, nxcloud: FakeNxCloud) -> None:
    media_id = nxcloud.provider.add_media(PHONE)
    send(own_bucket, {"business_phone": "+" + PHONE, "Media-ID": media_id, "messaging_product": "whatsapp"})
    eventually(lambda: (PHONE, media_id) not in nxcloud.provider.media)


def test_batch_of_deleted_objects_deletes_all_media(own_bucket: Stack, nxcloud: FakeNxCloud) -> None:
    media = [nxcloud.provider.add_media(PHONE) for _ in range(25)]
    bucket, keys = own_bucket.outputs["SourceBucketName"], [f"{PHONE}/{media_id}" for media_id in media]
    for key in keys:
        store(own_bucket, bucket, key)
    own_bucket.cloud.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    eventually(lambda: not any((PHONE, media_id) in nxcloud.provider.media for media_id in media))


def test_version_delete_marker_and_undelete_follow_rules(own_bucket: Stack, nxcloud: FakeNxCloud) -> None:
    s3, bucket = own_bucket.cloud.client("s3"), own_bucket.outputs["SourceBucketName"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept, gone = nxcloud.provider.add_media(PHONE), nxcloud.provider.add_media(PHONE)
    key = f"{PHONE}/{kept}.jpg"
    old = store(own_bucket, bucket, key)
    store(own_bucket, bucket, key)
    s3.delete_object(Bucket=bucket, Key=key, VersionId=old["VersionId"])
    [line] = story(own_bucket, kept)
    assert (line["outcome"], line["reason"]) == ("skipped", "object_exists")

    store(own_bucket, bucket, f"{PHONE}/{gone}.jpg")
    marker = s3.delete_object(Bucket=bucket, Key=f"{PHONE}/{gone}.jpg")
    assert marker["DeleteMarker"]
    eventually(lambda: (PHONE, gone) not in nxcloud.provider.media)

    s3.delete_object(Bucket=bucket, Key=f"{PHONE}/{gone}.jpg", VersionId=marker["VersionId"])  # the undelete
    assert [line["outcome"] for line in story(own_bucket, gone, length=2)] == ["deleted", "skipped"]
    assert (PHONE, kept) in nxcloud.provider.media
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def test_failed_message_is_redelivered_after_thirty_seconds(own_bucket: Stack, nxcloud: FakeNxCloud) -> None:
    media_id = nxcloud.provider.add_media(PHONE)
    nxcloud.misbehave(Fault("status", status=503))
    send(own_bucket, {"business_phone": PHONE, "media_id": media_id})
    eventually(lambda: (PHONE, media_id) not in nxcloud.provider.media)
    first, second = story(own_bucket, media_id, length=2)
    assert [(line["outcome"], line["attempt"]) for line in (first, second)] == [("unavailable", 1), ("deleted", 2)]
    assert second["lag_ms"] >= 30_000  # by the schedule, not by the queue's visibility timeout


def test_repeated_deletion_is_remembered(own_bucket: Stack, nxcloud: FakeNxCloud) -> None:
    media_id = nxcloud.provider.add_media(PHONE)
    for number in (1, 2):
        send(own_bucket, {"business_phone": PHONE, "media_id": media_id})
        lines = story(own_bucket, media_id, length=number)
    assert [(line["outcome"], line.get("reason")) for line in lines] == [
        ("deleted", None),
        ("already_gone", "remembered"),
    ]


def test_malformed_message_is_dead_lettered_with_reason(own_bucket: Stack) -> None:
    send(own_bucket, "Please delete the photo of the blue house")
    message = dead_letter(own_bucket, "blue house")
    assert message["Body"] == "Please delete the photo of the blue house"
    assert message["MessageAttributes"]["reason"]["StringValue"] == "not_understood: the body is not JSON"
    assert message["MessageAttributes"]["source_message_id"]["StringValue"]


def test_eventbridge_event_of_existing_bucket_deletes_media(existing_buckets: Stack, nxcloud: FakeNxCloud) -> None:
    s3 = existing_buckets.cloud.client("s3")
    s3.create_bucket(Bucket="team-offers")
    s3.put_bucket_notification_configuration(
        Bucket="team-offers", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    media_id = nxcloud.provider.add_media(PHONE)
    key = f"100%+tax/{PHONE}/{media_id}.jpg"  # raw in EventBridge's events
    store(existing_buckets, "team-offers", key)
    s3.delete_object(Bucket="team-offers", Key=key)
    eventually(lambda: (PHONE, media_id) not in nxcloud.provider.media)
    call = next(call for call in nxcloud.provider.calls if call.media_id == media_id)
    assert (call.checked, call.algorithm) == ("signature valid", "sha256")


def test_bucket_outside_pattern_is_ignored(existing_buckets: Stack, nxcloud: FakeNxCloud) -> None:
    s3 = existing_buckets.cloud.client("s3")
    for bucket in ("other-offers", "team-menus"):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    other, ours = nxcloud.provider.add_media(PHONE), nxcloud.provider.add_media(PHONE)
    for bucket, media_id in (("other-offers", other), ("team-menus", ours)):
        store(existing_buckets, bucket, f"{PHONE}/{media_id}")
        s3.delete_object(Bucket=bucket, Key=f"{PHONE}/{media_id}")
    eventually(lambda: (PHONE, ours) not in nxcloud.provider.media)
    assert (PHONE, other) in nxcloud.provider.media


def test_direct_s3_event_that_fails_reaches_dead_letter_queue(existing_buckets: Stack, nxcloud: FakeNxCloud) -> None:
    s3 = existing_buckets.cloud.client("s3")
    s3.create_bucket(Bucket="team-direct")

    def notify(function: str) -> None:
        target = {"LambdaFunctionArn": function, "Events": ["s3:ObjectRemoved:*"]}
        s3.put_bucket_notification_configuration(
            Bucket="team-direct", NotificationConfiguration={"LambdaFunctionConfigurations": [target]}
        )

    live = existing_buckets.outputs["DeleteMediaFunctionArn"]
    notify(live)
    gone, stuck = nxcloud.provider.add_media(PHONE), nxcloud.provider.add_media(PHONE)
    store(existing_buckets, "team-direct", f"{PHONE}/{gone}")
    s3.delete_object(Bucket="team-direct", Key=f"{PHONE}/{gone}")
    eventually(lambda: (PHONE, gone) not in nxcloud.provider.media)
    [line] = story(existing_buckets, gone)
    assert (line["outcome"], line["trigger"]) == ("deleted", "s3")

    # MiniStack looks for failure destinations at a function alone, never at the alias that was invoked
    awslambda, function = existing_buckets.cloud.client("lambda"), live.removesuffix(":live")
    of_alias = awslambda.get_function_event_invoke_config(FunctionName=function, Qualifier="live")
    awslambda.put_function_event_invoke_config(FunctionName=function, DestinationConfig=of_alias["DestinationConfig"])
    notify(function)
    store(existing_buckets, "team-direct", f"{PHONE}/{stuck}")
    nxcloud.misbehave(Fault("code", code=9001, times=3))
    s3.delete_object(Bucket="team-direct", Key=f"{PHONE}/{stuck}")
    wrapped = json.loads(dead_letter(existing_buckets, stuck)["Body"])
    assert wrapped["requestPayload"]["Records"][0]["eventName"] == "ObjectRemoved:Delete"
    send(existing_buckets, wrapped)  # the repair: back into the queue, as it is
    eventually(lambda: (PHONE, stuck) not in nxcloud.provider.media)


@pytest.mark.parametrize(
    ("alarm", "dimension", "resource"),
    [
        ("DeletionDeadLettersAlarm", "QueueName", "DeletionDeadLetterQueue"),
        ("IndexDeadLettersAlarm", "QueueName", "IndexDeadLetterQueue"),
        ("IndexQueueAgeAlarm", "QueueName", "IndexQueue"),
        ("DeleteMediaThrottlesAlarm", "FunctionName", "DeleteMediaFunction"),
        ("IndexMediaThrottlesAlarm", "FunctionName", "IndexMediaFunction"),
        ("DeleteMediaErrorsAlarm", "FunctionName", "DeleteMediaFunction"),
    ],
)
def test_alarm_watches_resource_and_notifies_topic(
    own_bucket: Stack, alarm: str, dimension: str, resource: str
) -> None:
    cloudwatch, resources = own_bucket.cloud.client("cloudwatch"), own_bucket.resources
    [deployed] = cloudwatch.describe_alarms(AlarmNames=[resources[alarm]])["MetricAlarms"]
    name = resources[resource].rpartition("/")[2]  # of a queue, the URL ends with it
    assert deployed["Dimensions"] == [{"Name": dimension, "Value": name}]
    assert deployed["AlarmActions"] == deployed["OKActions"] == [resources["AlarmTopic"]]


@pytest.mark.usefixtures("own_bucket", "existing_buckets")
def test_logs_contain_no_secret_and_no_phone_number(cloud: LocalCloud) -> None:
    assert_logs_keep_secrets(cloud, "media_deletion")
