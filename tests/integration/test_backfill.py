"""`make backfill` sends each version of each object once, at its rate, and continues where it stopped."""

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.integration.conftest import AWS
from tools import backfill
from tools.backfill import BackfillError, Checkpoint, RateLimiter, queue_for, send

BUCKET = "old-bucket"


@pytest.fixture
def queue_url(empty_aws: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:  # noqa: ARG001 (before the resources are created)
    """The index queue, without a consumer, of a stack with SourceBucketName old-*; one such bucket exists, empty."""
    monkeypatch.chdir(tmp_path)
    AWS.s3.create_bucket(Bucket=BUCKET)
    url = AWS.sqs.create_queue(QueueName="index")["QueueUrl"]
    outputs = {"IndexQueueUrl": url, "SourceBucketName": "old-*"}
    # The end-to-end tests read a deployed stack's outputs; moto's CloudFormation would need a dozen more packages
    monkeypatch.setattr(backfill, "outputs_of", lambda *_: outputs)
    return url


def store_objects(*keys: str) -> None:
    for key in keys:
        AWS.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")


def run_backfill(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Run the command as `make` does; a repeated option overrides the earlier one."""
    command = ["backfill", "--stack", "media-cleanup", "--bucket", BUCKET, "--prefix", "", "--rate", "100000", *options]
    monkeypatch.setattr(sys, "argv", command)
    backfill.main()


def receive_all(queue_url: str) -> list[Any]:
    """Receive and delete all messages of the queue."""
    sqs, messages = AWS.sqs, []
    while received := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in received:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            messages.append(json.loads(message["Body"]))
    return messages


def test_backfill_sends_raw_key_of_each_object(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [*(f"photos/{number:02}.jpg" for number in range(23)), "haus & garten 100%+tür.jpg"]
    store_objects(*keys)
    monkeypatch.setattr(backfill, "PAGE", 7)
    run_backfill(monkeypatch)
    messages = receive_all(queue_url)
    assert sorted(message["key"] for message in messages) == sorted(keys)
    assert all(message["version_id"] == "null" for message in messages)  # as S3 names objects without versions
    assert list(Path().iterdir()) == []


def test_backfill_sends_each_version_and_no_delete_marker(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store_objects("a.jpg")
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    store_objects("b.jpg", "b.jpg")
    AWS.s3.delete_object(Bucket=BUCKET, Key="b.jpg")
    run_backfill(monkeypatch)
    messages = receive_all(queue_url)
    versions = {version["VersionId"] for version in AWS.s3.list_object_versions(Bucket=BUCKET)["Versions"]}
    assert {message["version_id"] for message in messages} == versions
    assert "null" in versions
    assert len(messages) == 3


def test_prefix_limits_the_backfill(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store_objects("offers/a.jpg", "photos/a.jpg")
    run_backfill(monkeypatch, "--prefix", "offers/")
    assert [message["key"] for message in receive_all(queue_url)] == ["offers/a.jpg"]


def test_interrupted_backfill_continues_at_its_checkpoint(
    queue_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [f"{number}.jpg" for number in range(6)]
    store_objects(*keys)
    monkeypatch.setattr(backfill, "PAGE", 2)
    batches = iter(range(2))

    def interrupt(_rate_limiter: RateLimiter, _messages: int) -> None:
        if next(batches, None) is None:
            raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(RateLimiter, "wait_for", interrupt)
        with pytest.raises(SystemExit) as ended:
            run_backfill(monkeypatch)
    assert ended.value.code == 130
    assert "run the same command again to continue" in capsys.readouterr().err
    assert [message["key"] for message in receive_all(queue_url)] == keys[:4]
    os.utime(f".backfill-{BUCKET}.json", (time.time() - 26 * 3600,) * 2)
    run_backfill(monkeypatch)
    assert "continuing where a run stopped 1 day, 2:00:0" in capsys.readouterr().out
    assert [message["key"] for message in receive_all(queue_url)] == keys[4:]
    run_backfill(monkeypatch)
    assert "starting at the first object" in capsys.readouterr().out
    assert len(receive_all(queue_url)) == 6  # the last run was complete, so this one starts again


def test_again_starts_over_at_the_first_object(
    queue_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store_objects("a.jpg", "b.jpg")
    Checkpoint(Path(), BUCKET, [queue_url, ""]).save({"KeyMarker": "a.jpg"})
    run_backfill(monkeypatch, "--again")
    assert "starting at the first object" in capsys.readouterr().out
    assert [message["key"] for message in receive_all(queue_url)] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b"\xff", b"{}", b'{"of": ["queue", ""], "place": {}}', b'{"of": 1, "place": null}'],
)
def test_damaged_checkpoint_is_reported_in_one_line(
    queue_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    store_objects("a.jpg")
    Path(f".backfill-{BUCKET}.json").write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        run_backfill(monkeypatch)
    assert ended.value.code == 1
    error = f"make backfill: the checkpoint .backfill-{BUCKET}.json is damaged; AGAIN=1 starts over\n"
    assert capsys.readouterr().err == error
    run_backfill(monkeypatch, "--again")
    assert len(receive_all(queue_url)) == 1


def test_checkpoint_of_other_prefix_or_queue_is_ignored(tmp_path: Path) -> None:
    Checkpoint(tmp_path, BUCKET, ["queue", ""]).save({"KeyMarker": "a"})
    assert Checkpoint(tmp_path, BUCKET, ["queue", ""]).load() == {"KeyMarker": "a"}
    assert Checkpoint(tmp_path, BUCKET, ["queue", "offers/"]).load() == {}
    assert Checkpoint(tmp_path, BUCKET, ["another", ""]).load() == {}


def test_rate_limiter_limits_messages_per_second() -> None:
    now_s, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now_s[0] += seconds

    rate_limiter = RateLimiter(20, lambda: now_s[0], sleep)
    for _ in range(3):
        rate_limiter.wait_for(10)
    assert slept == [0, 0.5, 0.5]
    now_s[0] += 60  # no burst after a pause
    for _ in range(2):
        rate_limiter.wait_for(10)
    assert slept[3:] == [0, 0.5]


def test_messages_refused_by_sqs_stop_the_backfill() -> None:
    refusing = SimpleNamespace(send_message_batch=lambda **_: {"Failed": [{"Id": "0", "Code": "InternalError"}]})
    with pytest.raises(BackfillError, match=r"SQS did not accept 1 messages \(InternalError\); run the command again"):
        list(send(cast("Any", refusing), "queue", ["a"], RateLimiter(1000)))


@pytest.mark.usefixtures("queue_url")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bucket", "new"], "the stack is connected to old-*, so it may not read new: set SourceBucketName first"),
        (["--bucket", "old-missing"], "NoSuchBucket"),
        (["--bucket", ""], "name a BUCKET"),
        (["--rate", "0"], "a RATE above 0"),
        (["--rate", "nan"], "a RATE above 0"),
    ],
)
def test_invalid_option_is_reported(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_backfill(monkeypatch, *options)
    assert ended.value.code
    assert message in capsys.readouterr().err


def test_stack_without_source_buckets_is_refused() -> None:
    with pytest.raises(BackfillError, match="the stack is connected to no bucket, so it may not read old-bucket"):
        queue_for({"IndexQueueUrl": "index"}, BUCKET)
