"""docs/removal.md on the local cloud: a stack is removed without loss, and another one adopts what it left."""

from typing import Any

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack, deploy
from tests.conftest import PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import deployed, eventually, send, story
from tests.e2e.test_connect import configuration

pytestmark = pytest.mark.usefixtures("well_behaved")

TABLES = ("MediaIndexTable", "IdempotencyTable")
QUEUES = ("DeletionQueue", "IndexQueue")


def store(stack: Stack, nxcloud: FakeNxCloud, bucket: str, key: str) -> str:
    """Store an object whose metadata names a media file, wait for its link, and return the Media-ID."""
    media_id = nxcloud.provider.add_media(PHONE)
    labels = {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}
    stack.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"", Metadata=labels)
    [line] = story(stack, media_id, function="IndexMediaFunction")
    assert line["outcome"] == "linked"
    return media_id


def drain(stack: Stack) -> None:
    """Wait until no message is visible, in flight or delayed."""
    counts = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]

    def is_empty() -> bool:
        answers = [
            stack.cloud.client("sqs").get_queue_attributes(QueueUrl=stack.resources[queue], AttributeNames=counts)
            for queue in QUEUES
        ]
        return not any(int(value) for answer in answers for value in answer["Attributes"].values())

    eventually(is_empty)


def remove(stack: Stack) -> None:
    formation = stack.cloud.client("cloudformation")
    formation.delete_stack(StackName=stack.name)
    formation.get_waiter("stack_delete_complete").wait(StackName=stack.name, WaiterConfig={"Delay": 1})


def restore(cloud: LocalCloud, table: str, restored: str) -> None:
    """Restore a table from the latest point in time."""
    dynamodb = cloud.client("dynamodb")
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=table, TargetTableName=restored, UseLatestRestorableTime=True
    )
    dynamodb.get_waiter("table_exists").wait(TableName=restored)


def outcome_of_repeat(stack: Stack, media_id: str) -> Any:  # noqa: ANN401 (any JSON)
    send(stack, {"business_phone": PHONE, "media_id": media_id})
    [line] = story(stack, media_id)
    return line["outcome"], line.get("reason")


def test_removed_stack_is_succeeded_by_one_with_its_data(cloud: LocalCloud, nxcloud: FakeNxCloud) -> None:
    first = deployed(cloud, nxcloud, "leaving", CreateSourceBucket="true")
    bucket, s3 = first.outputs["SourceBucketName"], cloud.client("s3")
    done_media = store(first, nxcloud, bucket, "done.png")
    s3.delete_object(Bucket=bucket, Key="done.png")
    eventually(lambda: (PHONE, done_media) not in nxcloud.provider.media)
    adopted_media = store(first, nxcloud, bucket, "adopted.png")
    restored_media = store(first, nxcloud, bucket, "restored.png")
    logs = cloud.client("lambda").get_function_configuration(FunctionName=first.resources["DeleteMediaFunction"])
    group = logs["LoggingConfig"]["LogGroup"]

    # Removal
    done = run(cloud, "disconnect", "--stack", "leaving", "--bucket", bucket, "--yes")
    assert done.returncode == 0, done
    assert configuration(first, bucket) == {}
    drain(first)
    remove(first)
    tables, secret_arn = {name: first.resources[name] for name in TABLES}, first.outputs["CredentialsSecretArn"]
    assert set(tables.values()) <= set(cloud.client("dynamodb").list_tables()["TableNames"])
    assert cloud.client("secretsmanager").get_secret_value(SecretId=secret_arn)["SecretString"]
    printed = cloud.client("logs").filter_log_events(logGroupName=group, filterPattern=f'"{done_media}"')["events"]
    assert printed  # the record of the deletion
    layers = cloud.client("lambda").list_layers()["Layers"]
    assert [layer["LayerName"] for layer in layers if layer["LayerName"].startswith("leaving")] == []

    # Return, with the retained tables, secret and bucket
    adopt = {
        "SourceBucketName": bucket,
        "CredentialsSecretArn": secret_arn,
        "IdempotencyTableName": tables["IdempotencyTable"],
    }
    second = deployed(cloud, nxcloud, "returning", MediaIndexTableName=tables["MediaIndexTable"], **adopt)
    assert not {"MediaIndexTable", "IdempotencyTable", "CredentialsSecret"} & second.resources.keys()
    assert run(cloud, "connect", "--stack", "returning", "--bucket", bucket, "--yes").returncode == 0
    s3.delete_object(Bucket=bucket, Key="adopted.png")
    eventually(lambda: (PHONE, adopted_media) not in nxcloud.provider.media)
    assert outcome_of_repeat(second, done_media) == ("already_gone", "remembered")

    # The index, restored from a point in time
    restore(cloud, tables["MediaIndexTable"], "restored-media-index")
    third = deploy(cloud, "returning", NxCloudBaseUrl=nxcloud.url, MediaIndexTableName="restored-media-index", **adopt)
    s3.delete_object(Bucket=bucket, Key="restored.png")
    eventually(lambda: (PHONE, restored_media) not in nxcloud.provider.media)
    assert story(third, restored_media)[-1]["outcome"] == "deleted"
