"""`make connect` and `make disconnect` on the local cloud, also for a bucket whose stack is gone."""

import uuid
from typing import Any

import pytest

from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import eventually

DELETIONS = ["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"]


@pytest.fixture
def bucket(existing_buckets: Stack) -> str:
    """A bucket within the stack's pattern that already notifies a queue of another application."""
    name, cloud = f"team-{uuid.uuid4().hex}", existing_buckets.cloud
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    s3.create_bucket(Bucket=name)
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*",'
        ' "Principal": {"Service": "s3.amazonaws.com"}}]}'
    )
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    other = {"Id": "other", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": [other]})
    return name


def configuration(stack: Stack, bucket: str) -> dict[str, Any]:
    answer = stack.cloud.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def delete_object(stack: Stack, nxcloud: FakeNxCloud, bucket: str) -> str:
    """Store and delete an object whose key contains a media file, and return its Media-ID."""
    media_id, s3 = nxcloud.provider.add_media(PHONE), stack.cloud.client("s3")
    s3.put_object(Bucket=bucket, Key=f"{PHONE}/{media_id}.jpg", Body=b"")
    s3.delete_object(Bucket=bucket, Key=f"{PHONE}/{media_id}.jpg")
    return media_id


@pytest.mark.parametrize("direct", [False, True])
def test_connected_bucket_deletes_media_until_disconnected(
    existing_buckets: Stack, nxcloud: FakeNxCloud, bucket: str, *, direct: bool
) -> None:
    stack, before = existing_buckets, configuration(existing_buckets, bucket)
    names = ["--stack", stack.name, "--bucket", bucket, "--yes"]
    for answer in ("Done. S3 needs about five minutes", "Nothing to change."):
        done = run(stack.cloud, "connect", *names, *(["--direct"] if direct else []))
        assert (done.returncode, answer in done.stdout) == (0, True), done
    connected = configuration(stack, bucket)
    assert connected.pop("QueueConfigurations") == before["QueueConfigurations"]
    if direct:
        entries = {one["LambdaFunctionArn"]: one["Events"] for one in connected["LambdaFunctionConfigurations"]}
        assert entries.pop(stack.outputs["DeleteMediaFunctionArn"]) == DELETIONS
        assert entries == {}  # S3 refuses a second entry for stores
    else:
        assert connected == {"EventBridgeConfiguration": {}}
    media_id = delete_object(stack, nxcloud, bucket)
    eventually(lambda: (PHONE, media_id) not in nxcloud.provider.media)

    done = run(stack.cloud, "disconnect", *names)
    assert (done.returncode, "Done. S3 needs about five minutes" in done.stdout) == (0, True), done
    assert configuration(stack, bucket) == before
    assert "Nothing to change." in run(stack.cloud, "disconnect", *names).stdout


def test_disconnection_of_deleted_stack_frees_bucket(existing_buckets: Stack, bucket: str) -> None:
    stack, s3 = existing_buckets, existing_buckets.cloud.client("s3")
    before = configuration(stack, bucket)
    place = stack.outputs["DeleteMediaFunctionArn"].split(":")[3:5]
    dead = [
        {"QueueArn": f"arn:aws:sqs:{':'.join(place)}:deleted-{queue}-AbCdEf123456", "Events": [event]}
        for queue, event in (("DeletionQueue", "s3:ObjectRemoved:*"), ("IndexQueue", "s3:ObjectTagging:Put"))
    ]
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"QueueConfigurations": before["QueueConfigurations"] + dead},
        SkipDestinationValidation=True,
    )
    with pytest.raises(s3.exceptions.ClientError, match="Unable to validate"):  # any change is refused now
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration(stack, bucket))
    refused = run(stack.cloud, "connect", "--stack", stack.name, "--bucket", bucket, "--direct", "--yes")
    assert refused.returncode == 1
    assert "make disconnect" in refused.stderr
    done = run(stack.cloud, "disconnect", "--stack", "deleted", "--bucket", bucket, "--yes")
    assert (done.returncode, "not deployed" in done.stdout) == (0, True), done
    assert configuration(stack, bucket) == before


def test_eventbridge_stays_on_for_rule_of_another_application(existing_buckets: Stack, bucket: str) -> None:
    stack, events = existing_buckets, existing_buckets.cloud.client("events")
    names = ["--stack", stack.name, "--bucket", bucket, "--yes"]
    run(stack.cloud, "connect", *names)
    pattern = f'{{"source": ["aws.s3"], "detail": {{"bucket": {{"name": ["{bucket}"]}}}}}}'
    events.put_rule(Name="audit", EventPattern=pattern)
    done = run(stack.cloud, "disconnect", *names)
    events.delete_rule(Name="audit")
    assert "EventBridge stays on for other rules: audit" in done.stdout
    assert configuration(stack, bucket)["EventBridgeConfiguration"] == {}
    run(stack.cloud, "disconnect", *names)
    assert "EventBridgeConfiguration" not in configuration(stack, bucket)


@pytest.mark.parametrize(
    ("bucket_name", "message"),
    [("other-bucket", "SourceBucketName=other-bucket"), ("team-missing", "there is no bucket team-missing")],
)
def test_connection_of_unfit_bucket_is_refused(existing_buckets: Stack, bucket_name: str, message: str) -> None:
    if bucket_name == "other-bucket":
        existing_buckets.cloud.client("s3").create_bucket(Bucket=bucket_name)
    done = run(existing_buckets.cloud, "connect", "--stack", existing_buckets.name, "--bucket", bucket_name, "--yes")
    assert (done.returncode, message in done.stderr, len(done.stderr.splitlines())) == (1, True, 1), done


def test_change_without_terminal_needs_yes(existing_buckets: Stack, bucket: str) -> None:
    before = configuration(existing_buckets, bucket)
    done = run(existing_buckets.cloud, "connect", "--stack", existing_buckets.name, "--bucket", bucket)
    assert (done.returncode, "YES=1" in done.stderr) == (1, True), done
    assert configuration(existing_buckets, bucket) == before


def test_overwritten_settings_of_own_bucket_are_restored(own_bucket: Stack, nxcloud: FakeNxCloud) -> None:
    bucket, s3 = own_bucket.outputs["SourceBucketName"], own_bucket.cloud.client("s3")
    names = ["--stack", own_bucket.name, "--bucket", bucket, "--yes"]
    assert "Nothing to change." in run(own_bucket.cloud, "connect", *names).stdout  # as the template made them
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    done = run(own_bucket.cloud, "connect", *names)
    assert (done.returncode, "Done." in done.stdout) == (0, True), done
    media_id = delete_object(own_bucket, nxcloud, bucket)
    eventually(lambda: (PHONE, media_id) not in nxcloud.provider.media)
