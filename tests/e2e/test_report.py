"""`make report` on the local cloud: requests of a deployed stack, by period, media file and object, in each format."""

import csv
import json
import subprocess
from pathlib import Path

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import send, story

pytestmark = pytest.mark.usefixtures("well_behaved")


def report(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = run(stack.cloud, "report", "--stack", stack.name, *arguments)
    assert PHONE not in done.stdout
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def deletion(own_bucket: Stack, nxcloud: FakeNxCloud) -> tuple[str, str]:
    """The key of a deleted object, and its Media-ID."""
    nxcloud.behave()
    media_id = nxcloud.provider.add_media(PHONE)
    bucket, key = own_bucket.outputs["SourceBucketName"], f"reported/{PHONE}/{media_id}.jpg"
    s3 = own_bucket.cloud.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=media_id.encode())
    s3.delete_object(Bucket=bucket, Key=key)
    story(own_bucket, media_id)
    return key, media_id


def test_report_of_an_object_shows_its_deletion(own_bucket: Stack, deletion: tuple[str, str]) -> None:
    key, media_id = deletion
    done = report(own_bucket, "--bucket", own_bucket.outputs["SourceBucketName"], "--key", key)
    assert done.returncode == 0, done
    for text in (media_id, "deleted", "Of 1 requests, 1 ended with the media file deleted or gone", "DeletionQueue"):
        assert text in done.stdout


def test_csv_and_json_of_a_media_file_agree(own_bucket: Stack, deletion: tuple[str, str], tmp_path: Path) -> None:
    for suffix in ("csv", "json"):
        done = report(own_bucket, "--media", deletion[1], "--out", str(tmp_path / f"report.{suffix}"))
        assert done.returncode == 0, done
    with (tmp_path / "report.csv").open() as file:
        [row] = csv.DictReader(file)
    whole = json.loads((tmp_path / "report.json").read_text())
    [request] = whole["requests"]
    assert row == {name: "" if value is None else str(value) for name, value in request.items()}
    assert (request["outcome"], request["provider_code"], request["media_id"]) == ("deleted", 0, deletion[1])
    assert request["requested_at"] < request["confirmed_at"]
    assert request["requester"]
    assert next(queue["name"] for queue in whole["summary"]["queues"]) == "DeletionQueue"


def test_html_of_a_period_shows_failures(own_bucket: Stack, tmp_path: Path) -> None:
    send(own_bucket, {"media_id": 4711, "requested_by": "report-desk"})
    story(own_bucket, "report-desk")
    file = tmp_path / "report.html"
    assert report(own_bucket, "--from", "2026-01-01", "--out", str(file)).returncode == 0
    text = file.read_text()
    assert "report-desk" in text
    assert "not_understood" in text
    assert PHONE not in text


def test_period_without_requests_is_empty(own_bucket: Stack) -> None:
    done = report(own_bucket, "--from", "2020-01-01", "--to", "2020-01-31")
    assert done.returncode == 0
    assert "Of 0 requests" in done.stdout


def test_log_group_of_a_deleted_stack_can_be_named(own_bucket: Stack, deletion: tuple[str, str]) -> None:
    group = own_bucket.outputs["DeleteMediaLogGroupName"]
    done = run(own_bucket.cloud, "report", "--log-group", group, "--media", deletion[1])
    assert done.returncode == 0, done
    assert deletion[1] in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--stack", "missing"], "make report: there is no stack missing in us-east-1"),
        (["--log-group", "missing"], "make report: there is no log group missing; pass LOG_GROUP=…"),
        (["--stack", "own", "--out", "report.pdf"], "make report: OUT=report.pdf has no known format"),
        (["--stack", "own", "--key", "a"], "make report: KEY needs BUCKET"),
    ],
)
def test_error_is_one_line(cloud: LocalCloud, arguments: list[str], error: str) -> None:
    done = run(cloud, "report", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert done.stderr.startswith(error)
