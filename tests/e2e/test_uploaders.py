"""The example uploaders on the local cloud: the program, and the function behind S3 uploads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.cloud import ROOT, LocalCloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import Stack, deploy, sam
from tests.conftest import PHONE
from tests.e2e.conftest import eventually, story

pytestmark = pytest.mark.usefixtures("well_behaved")

BUCKET = "team-uploads"


def run_uploader(stack: Stack, nxcloud: FakeNxCloud, file: Path, key: str) -> subprocess.CompletedProcess[str]:
    own = {"NXCLOUD_BASE_URL": nxcloud.url, "PYTHONPATH": str(ROOT / "layers/nxcloud")}
    return subprocess.run(
        [sys.executable, ROOT / "examples/uploader", file, "--stack", stack.name, "--phone", f"+{PHONE}", "--key", key],
        env={**os.environ, **stack.cloud.environment, **own},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_deleted_with_object(stack: Stack, bucket: str, key: str, media_id: str) -> None:
    assert {line["outcome"] for line in story(stack, media_id, function="IndexMediaFunction")} == {"linked"}
    stack.cloud.client("s3").delete_object(Bucket=bucket, Key=key)
    assert story(stack, media_id)[-1]["outcome"] == "deleted"


def test_program_uploads_once_and_file_goes_with_its_object(
    own_bucket: Stack, nxcloud: FakeNxCloud, tmp_path: Path
) -> None:
    file, bucket = tmp_path / "house.jpg", own_bucket.outputs["SourceBucketName"]
    file.write_bytes(b"the house of the uploader")
    first = run_uploader(own_bucket, nxcloud, file, "uploader/house.jpg")
    assert (first.returncode, first.stderr) == (0, "")
    again = run_uploader(own_bucket, nxcloud, file, "uploader/house.jpg")
    assert again.stdout == first.stdout
    assert_deleted_with_object(own_bucket, bucket, "uploader/house.jpg", first.stdout.strip())


def test_program_reports_a_failed_upload_in_one_line(own_bucket: Stack, nxcloud: FakeNxCloud, tmp_path: Path) -> None:
    file = tmp_path / "garden.jpg"
    file.write_bytes(b"the garden of the uploader")
    nxcloud.misbehave(Fault("code", code=9003, action="uploadMedia"))
    failed = run_uploader(own_bucket, nxcloud, file, "uploader/garden.jpg")
    assert failed.returncode == 1
    assert failed.stderr.startswith("python examples/uploader: NXCloud refused the call with code 9003")
    assert len(failed.stderr.splitlines()) == 1
    assert run_uploader(own_bucket, nxcloud, file, "uploader/garden.jpg").returncode == 0


@pytest.fixture(scope="module")
def upload_on_store(cloud: LocalCloud, nxcloud: FakeNxCloud, existing_buckets: Stack) -> Stack:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
    built = ROOT / ".aws-sam/upload-on-store"
    sam("build", "--template", "examples/upload-on-store.yaml", "--build-dir", str(built))
    outputs = {
        name: existing_buckets.outputs[name] for name in ("IndexQueueUrl", "IndexQueueArn", "CredentialsSecretArn")
    }
    return deploy(
        cloud,
        "uploader",
        built / "template.yaml",
        SourceBucketName=BUCKET,
        ObjectKeyPrefix="offers/",
        BusinessPhone=PHONE,
        NxCloudBaseUrl=nxcloud.url,
        **outputs,
    )


def test_function_uploads_stored_object_which_goes_with_it(
    upload_on_store: Stack, existing_buckets: Stack, nxcloud: FakeNxCloud
) -> None:
    s3, key = upload_on_store.cloud.client("s3"), "offers/lake & house.jpg"
    before = set(nxcloud.provider.media)
    s3.put_object(Bucket=BUCKET, Key="elsewhere/lake.jpg", Body=b"not to be uploaded")
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"the lake of the uploader")
    [(_, media_id)] = eventually(lambda: set(nxcloud.provider.media) - before)
    assert nxcloud.provider.media[PHONE, media_id]["file_name"] == "lake & house.jpg"
    eventually(lambda: s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"])
    assert_deleted_with_object(existing_buckets, BUCKET, key, media_id)
