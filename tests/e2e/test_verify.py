"""`make verify` on the local cloud: all steps hold on a deployed stack, a failed step is named, nothing remains."""

import re
import subprocess

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import Stack
from tests.e2e.commands import run
from tests.e2e.conftest import deployed


def verify(stack: Stack) -> subprocess.CompletedProcess[str]:
    return run(stack.cloud, "verify", "--stack", stack.name)


def results(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The result of each step in the printed table."""
    table = done.stdout.partition("Step")[2].partition("\n\n")[0]
    rows = re.findall(r"^ *(.+?)  +(held|failed|not run) ", table, re.MULTILINE)
    assert rows, done
    return dict(rows)


def remains(stack: Stack, bucket: str) -> list[object]:
    """What a run left behind: objects, links, dead letters, queues and forced alarms."""
    cloud = stack.cloud
    versions = cloud.client("s3").list_object_versions(Bucket=bucket)
    found: list[object] = [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]
    items = cloud.client("dynamodb").scan(TableName=stack.resources["MediaIndexTable"])["Items"]
    found += [item for item in items if item["object"]["S"].startswith(bucket)]
    found += (
        cloud.client("sqs").receive_message(QueueUrl=stack.resources["DeletionDeadLetterQueue"]).get("Messages", [])
    )
    found += [url for url in cloud.client("sqs").list_queues()["QueueUrls"] if "media-cleanup-verify" in url]
    alarms = cloud.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    return found + [alarm["AlarmName"] for alarm in alarms if alarm["StateReason"] == "make verify"]


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    verified = deployed(cloud, nxcloud, "verified", CreateSourceBucket="true")
    cloud.client("s3").put_bucket_versioning(
        Bucket=verified.outputs["SourceBucketName"], VersioningConfiguration={"Status": "Enabled"}
    )
    return verified


@pytest.mark.usefixtures("well_behaved")
def test_all_steps_hold_and_nothing_remains(stack: Stack, nxcloud: FakeNxCloud) -> None:
    done = verify(stack)
    assert set(results(done).values()) == {"held"}, done.stdout
    assert (done.returncode, len(results(done))) == (0, 14), done
    assert remains(stack, stack.outputs["SourceBucketName"]) == []
    assert nxcloud.provider.media == {} or not {
        media_id for (_, media_id), file in nxcloud.provider.media.items() if file["file_name"].endswith(".png")
    }


@pytest.mark.usefixtures("well_behaved")
def test_failed_step_is_named_with_exit_status_1(stack: Stack, nxcloud: FakeNxCloud) -> None:
    nxcloud.misbehave(Fault("code", code=9006, action="deleteMedia"))  # the first deletion alone
    done = verify(stack)
    assert [name for name, result in results(done).items() if result == "failed"] == ["Deletion by message"]
    assert (done.returncode, "Failed: Deletion by message" in done.stdout) == (1, True), done
    assert "rejected: refused_by_provider" in done.stdout


def test_unusable_secret_fails_before_any_step(stack: Stack) -> None:
    stack.store_credentials("REPLACE_ME", "REPLACE_ME")
    done = verify(stack)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done
    assert "placeholder" in done.stderr
