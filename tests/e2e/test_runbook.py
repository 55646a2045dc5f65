"""The repairs of docs/operations, run on the local cloud as the pages describe them."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from localdev.cloud import ROOT, LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import BUILT, Stack, for_local_cloud
from sweep_index.app import CHECK
from tests.conftest import CREDENTIALS, PHONE
from tests.e2e.conftest import deployed, eventually, send, story

BUCKET = "runbook-photos"
A_REDELIVERY_S = 120  # the first backoff is at least 30 s


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    nxcloud.behave()
    return deployed(cloud, nxcloud, "runbook", SourceBucketName=BUCKET)


@pytest.fixture
def media(nxcloud: FakeNxCloud) -> dict[str, str]:
    return {"business_phone": PHONE, "media_id": nxcloud.provider.add_media(PHONE)}


def waiting(stack: Stack) -> int:
    """The number of visible messages in the deletion queue."""
    name = "ApproximateNumberOfMessages"
    sqs, url = stack.cloud.client("sqs"), stack.outputs["DeletionQueueUrl"]
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def test_enabled_mapping_processes_waiting_messages(stack: Stack, media: dict[str, str]) -> None:
    client = stack.cloud.client("lambda")
    [mapping] = client.list_event_source_mappings(FunctionName=stack.outputs["DeleteMediaFunctionArn"])[
        "EventSourceMappings"
    ]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    send(stack, media)
    assert eventually(lambda: waiting(stack)) == 1
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert story(stack, media["media_id"])[-1]["outcome"] == "deleted"


def test_function_without_reserved_concurrency_processes_messages(stack: Stack, media: dict[str, str]) -> None:
    client, name = stack.cloud.client("lambda"), stack.resources["DeleteMediaFunction"]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 0
    client.delete_function_concurrency(FunctionName=name)
    send(stack, media)
    assert story(stack, media["media_id"])[-1]["outcome"] == "deleted"


def test_corrected_secret_is_used_within_a_minute(
    cloud: LocalCloud, nxcloud: FakeNxCloud, media: dict[str, str]
) -> None:
    stack = deployed(cloud, nxcloud, "secret")
    stack.store_credentials(CREDENTIALS.access_key, "wrong-secret")
    send(stack, media)
    [refused] = story(stack, media["media_id"])[:1]
    assert (refused["outcome"], refused["reason"].partition(":")[0]) == ("unavailable", "credentials_refused")
    stack.store_credentials(CREDENTIALS.access_key, CREDENTIALS.access_secret)
    lines = eventually(
        lambda: [line for line in story(stack, media["media_id"]) if line["outcome"] == "deleted"], A_REDELIVERY_S
    )
    assert lines


def test_alias_returns_to_previous_version(stack: Stack) -> None:
    client, name = stack.cloud.client("lambda"), stack.resources["SweepIndexFunction"]

    def version_that_runs() -> str:
        alias, payload = stack.outputs["SweepIndexFunctionArn"], json.dumps(CHECK)
        version: str = client.invoke(FunctionName=alias, Payload=payload)["ExecutedVersion"]
        return version

    previous = version_that_runs()
    client.update_function_configuration(FunctionName=name, Description="faulty")
    faulty = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=faulty)
    assert version_that_runs() == faulty != previous
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=previous)
    assert version_that_runs() == previous


def test_disconnected_bucket_is_reported_until_connected(stack: Stack) -> None:
    s3 = stack.cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)

    def check() -> tuple[int, str]:
        answer = stack.cloud.client("lambda").invoke(
            FunctionName=stack.outputs["SweepIndexFunctionArn"], Payload=json.dumps(CHECK), LogType="Tail"
        )
        return json.load(answer["Payload"])["Disconnected"], base64.b64decode(answer["LogResult"]).decode()

    def configure(**configuration: Any) -> None:  # noqa: ANN401 (boto3's own words)
        s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)

    for _ in range(2):  # never made, and then overwritten
        disconnected, log = check()
        assert disconnected == 1
        assert "bucket_disconnected" in log
        configure(EventBridgeConfiguration={})
        assert check()[0] == 0
        configure()
    entry = {
        "LambdaFunctionArn": stack.outputs["DeleteMediaFunctionArn"],
        "Events": ["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"],
    }
    configure(LambdaFunctionConfigurations=[entry])
    assert check()[0] == 0


def test_direct_invocation_feeds_index_too(stack: Stack, nxcloud: FakeNxCloud) -> None:
    s3, bucket = stack.cloud.client("s3"), BUCKET
    arns = [stack.outputs[f"{name}FunctionArn"] for name in ("DeleteMedia", "IndexMedia")]
    events = [["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"], ["s3:ObjectCreated:*", "s3:ObjectTagging:Put"]]
    entries = [{"LambdaFunctionArn": arn, "Events": each} for arn, each in zip(arns, events, strict=True)]
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": entries}
    )
    media_id = nxcloud.provider.add_media(PHONE)
    labels = {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}
    s3.put_object(Bucket=bucket, Key="direct.jpg", Body=b"", Metadata=labels)
    [linked] = story(stack, media_id, function="IndexMediaFunction")
    assert (linked["outcome"], linked["trigger"]) == ("linked", "s3")
    s3.delete_object(Bucket=bucket, Key="direct.jpg")
    [deleted] = story(stack, media_id)
    assert (deleted["outcome"], deleted["trigger"]) == ("deleted", "s3")


def run_sam(cloud: LocalCloud, *arguments: str, answers: str = "") -> None:
    """Run `sam deploy` with answers to its questions."""
    template = for_local_cloud(BUILT)
    command = [str(Path(sys.executable).with_name("sam")), "deploy", "--template-file", str(template), *arguments]
    environment = {**os.environ, **cloud.environment, "SAM_CLI_TELEMETRY": "0"}
    subprocess.run(command, cwd=ROOT, env=environment, input=answers, text=True, check=True, stdout=subprocess.PIPE)


def guided_answers(**parameters: str) -> str:
    """The answers to `sam deploy --guided`: these for parameters, and the defaults for all other questions."""
    names = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
    asked = ["dry-run", "", *(parameters.get(name, "") for name in names)]  # stack name and Region come first
    return "\n".join([*asked, *[""] * 10])


def test_end_of_dry_run_survives_next_deployment(cloud: LocalCloud, tmp_path: Path) -> None:
    saved = tmp_path / "samconfig.toml"
    saved.write_text("version = 0.1\n")
    configuration = ["--config-file", str(saved)]

    def dry_run() -> str:
        outputs = cloud.client("cloudformation").describe_stacks(StackName="dry-run")["Stacks"][0]["Outputs"]
        [arn] = [each["OutputValue"] for each in outputs if each["OutputKey"] == "DeleteMediaFunctionArn"]
        settings = cloud.client("lambda").get_function_configuration(FunctionName=arn)
        value: str = settings["Environment"]["Variables"]["DRY_RUN"]
        return value

    run_sam(cloud, "--guided", *configuration, answers=guided_answers(DryRun="true"))
    assert dry_run() == "true"
    run_sam(cloud, "--guided", *configuration, answers=guided_answers(DryRun="false"))
    assert dry_run() == "false"
    run_sam(cloud, "--no-confirm-changeset", "--no-fail-on-empty-changeset", *configuration)
    assert dry_run() == "false"
    assert 'DryRun=\\"false\\"' in saved.read_text()
