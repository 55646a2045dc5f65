"""The sweep: the deletion of linked objects whose event was missed is requested, and no other."""

import hashlib
import json
from functools import cache
from typing import Any

import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup import sweep_index
from media_cleanup.aws.clients import AwsClients
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.settings import SweepIndexSettings
from sweep_index import app
from tests.conftest import MEDIA_ID, PHONE, Context
from tests.integration.conftest import AWS, BUCKET, TABLE, Environment, aws_error, inject_aws_error, sqs_event

DAY_S = 24 * 3600


class Clock:
    """The time of the sweep in Unix seconds, and its pauses; `sleep` may be replaced."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        self.pauses: list[float] = []
        self.sleep = self.pauses.append


@pytest.fixture
def clock(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Clock:  # noqa: ARG001 (its execution environment is replaced)
    """The clock of the sweep function's execution environment."""
    clock = Clock()

    class ClockedSweep(sweep_index.SweepIndex):
        def __init__(self, settings: SweepIndexSettings, clients: AwsClients) -> None:
            super().__init__(settings, clients, lambda: clock.now_s, clock.sleep)

    monkeypatch.setattr(app, "_sweep_index", cache(ClockedSweep))
    return clock


def file_object(key: str = "photos/house.jpg", version_id: str | None = None) -> dict[str, str]:
    return {"bucket": BUCKET, "key": key} | ({"version_id": version_id} if version_id else {})


ETAG = hashlib.md5(b"", usedforsecurity=False).hexdigest()  # of store_object's content


def write_link(file: dict[str, str], number: int = 0, **fields: str) -> None:
    """Write a link of an earlier event into the index."""
    names = {"object": f"{file['bucket']}/{file['key']}", "link": str(number), "media_id": MEDIA_ID, "etag": ETAG}
    names |= {"business_phone": PHONE} | ({"version_id": file["version_id"]} if "version_id" in file else {}) | fields
    AWS.dynamodb.put_item(TableName=TABLE, Item={name: {"S": value} for name, value in names.items()})


def store_object(key: str = "photos/house.jpg") -> str:
    """Store an object. Returns its version id, empty without versioning."""
    return AWS.s3.put_object(Bucket=BUCKET, Key=key, Body=b"").get("VersionId", "")


def counts(links: int, gone: int = 0, replaced: int = 0, refused: int = 0, unknown: int = 0) -> dict[str, int]:
    return {
        "SweptLinks": links,
        "SweptGone": gone,
        "SweptReplaced": replaced,
        "SweptRefused": refused,
        "SweptUnknown": unknown,
    }


def log_messages(environment: Environment) -> list[str]:
    return [line["message"] for line in environment.log_lines]


@pytest.mark.usefixtures("clock")
def test_deletion_is_requested_only_for_missing_objects(environment: Environment) -> None:
    write_link(file_object("photos/gone.jpg"))
    write_link(file_object("photos/here.jpg"))
    store_object("photos/here.jpg")
    assert environment.sweep_index() == counts(links=2, gone=1)
    assert environment.deletion_requests() == [file_object("photos/gone.jpg")]
    assert {name: environment.metrics[name] for name in counts(0)} == {
        name: [float(count)] for name, count in counts(links=2, gone=1).items()
    }
    assert log_messages(environment) == ["object_gone", "index_sweep"]
    assert environment.deletion_calls == []
    assert len(environment.links()) == 2


@pytest.mark.usefixtures("clock")
def test_requested_deletion_is_handled_by_deletion_function(environment: Environment) -> None:
    write_link(file_object())
    environment.sweep_index()
    [message] = environment.deletion_requests()
    environment.delete_media({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(message)}]})
    assert environment.deletion_calls == [MEDIA_ID]
    assert environment.outcomes == [("deleted", None)]


@pytest.mark.usefixtures("clock")
def test_links_of_one_object_make_one_message(environment: Environment) -> None:
    for number in range(3):
        write_link(file_object(), number)
    assert environment.sweep_index() == counts(links=3, gone=3)
    assert environment.deletion_requests() == [file_object()]


@pytest.mark.usefixtures("clock")
def test_missing_version_of_existing_object_is_requested(environment: Environment) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    versions = [store_object() for _ in range(3)]
    for number, version in enumerate(versions):
        write_link(file_object(version_id=version), number)
    AWS.s3.delete_object(Bucket=BUCKET, Key=file_object()["key"], VersionId=versions[0])
    assert environment.sweep_index() == counts(links=3, gone=1)
    assert environment.deletion_requests() == [file_object(version_id=versions[0])]
    assert environment.log_lines[0]["version_id"] == versions[0]


@pytest.mark.usefixtures("clock")
def test_business_phone_in_a_version_is_not_logged(environment: Environment) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    store_object()
    write_link(file_object(version_id=PHONE))
    events: Any = environment.sweep_index_clients.s3.meta.events
    events.register(
        "before-call.s3.HeadObject", lambda params, **_: aws_error(404) if "versionId" in params["url"] else None
    )
    assert environment.sweep_index() == counts(links=1, gone=1)
    assert environment.log_lines[0]["version_id"] == "86158****1795"
    assert PHONE not in environment.output


@pytest.mark.usefixtures("clock")
def test_object_under_delete_marker_is_missing(environment: Environment) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    write_link(file_object(version_id=store_object()))
    AWS.s3.delete_object(Bucket=BUCKET, Key=file_object()["key"])
    assert environment.sweep_index() == counts(links=1, gone=1)
    assert environment.deletion_requests() == [file_object()]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "S3 answered 400 to HeadObject; the object is encrypted with a customer-provided key"),
        (403, "S3 answered 403 to HeadObject"),
        (503, "S3 HeadObject answered 503"),
    ],
)
def test_object_with_failed_head_is_unknown(environment: Environment, status: int, reason: str) -> None:
    for number in range(2):
        write_link(file_object(f"photos/{PHONE}/{number}.jpg"))
    inject_aws_error(environment.sweep_index_clients.s3, "HeadObject", status, str(status))
    assert environment.sweep_index() == counts(links=2, unknown=2)
    assert environment.deletion_requests() == []
    [line, _] = environment.log_lines
    assert (line["message"], line["objects"]) == ("objects_unknown", 2)
    assert line["reason"].startswith(f"{BUCKET}: {reason}")
    assert PHONE not in environment.output


@pytest.mark.usefixtures("clock")
def test_phone_numbers_in_keys_are_masked(environment: Environment) -> None:
    write_link(file_object(f"{PHONE}/gone.jpg"))
    environment.sweep_index()
    assert PHONE not in environment.output
    assert environment.log_lines[0]["object_key"] == "86158****1795/gone.jpg"


def test_phone_numbers_in_bucket_names_are_masked(environment: Environment, clock: Clock) -> None:
    AWS.s3.create_bucket(Bucket=f"photos-{PHONE}")
    write_link({"bucket": f"photos-{PHONE}", "key": "gone.jpg"})
    environment.sweep_index()
    assert environment.log_lines[0]["bucket"] == "photos-86158****1795"
    clock.now_s += DAY_S
    inject_aws_error(environment.sweep_index_clients.s3, "HeadObject", 403)
    environment.sweep_index()
    assert environment.log_lines[0]["reason"].startswith("photos-86158****1795: S3 answered 403")
    assert PHONE not in environment.output


def test_deletion_in_progress_is_not_requested_again(environment: Environment, clock: Clock) -> None:
    write_link(file_object())

    def finish_deletion(seconds: float) -> None:
        if seconds == sweep_index.GRACE_PERIOD_S:  # meanwhile the deletion function removes the link
            item = {"object": {"S": f"{BUCKET}/photos/house.jpg"}, "link": {"S": "0"}}
            AWS.dynamodb.delete_item(TableName=TABLE, Key=item)

    clock.sleep = finish_deletion
    assert environment.sweep_index() == counts(links=1)
    assert environment.deletion_requests() == []


def test_heads_are_paced(environment: Environment, clock: Clock) -> None:
    for number in range(4):
        store_object(f"{number}.jpg")
        write_link(file_object(f"{number}.jpg"))
        write_link(file_object(f"{number}.jpg"), 1)  # of the same object, which is read once
    environment.sweep_index()
    assert clock.pauses == [sweep_index.PAUSE_S] * 4


def test_slice_continues_at_checkpoint(environment: Environment, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media_cleanup.aws.media_index.PAGE_ITEMS", 2)
    monkeypatch.setattr(sweep_index, "MAX_MISSING_PER_SLICE", 3)
    keys = [f"{number}.jpg" for number in range(8)]
    for key in keys:
        write_link(file_object(key))
    requested: list[str] = []
    responses = []
    for _ in range(4):
        responses.append(environment.sweep_index())
        requested += [message["key"] for message in environment.deletion_requests()]
        clock.now_s += 60
    assert responses == [counts(3, 3), counts(3, 3), counts(2, 2), counts(0)]
    assert sorted(requested) == keys
    clock.now_s += DAY_S
    assert environment.sweep_index() == counts(3, 3)


@pytest.mark.usefixtures("clock")
def test_slice_ends_with_time_left_for_requests(environment: Environment) -> None:
    write_link(file_object())
    assert environment.sweep_index(time_left_ms=sweep_index.FINISH_MS - 1) == counts(0)
    assert environment.sweep_index(time_left_ms=sweep_index.FINISH_MS) == counts(1, 1)


def test_next_pass_starts_after_configured_days(
    environment: Environment, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_EVERY_DAYS", "7")
    store_object()
    write_link(file_object())
    assert environment.sweep_index() == counts(1)
    clock.now_s += 7 * DAY_S - 1
    assert environment.sweep_index() == counts(0)
    assert log_messages(environment) == []
    clock.now_s += 1
    assert environment.sweep_index() == counts(1)


@pytest.mark.usefixtures("clock")
def test_object_key_prefix_limits_sweep(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    for key in ("offers/a.jpg", "photos/a.jpg"):
        write_link(file_object(key))
    assert environment.sweep_index() == counts(links=1, gone=1)
    assert environment.deletion_requests() == [file_object("offers/a.jpg")]


@pytest.mark.usefixtures("clock")
def test_invalid_index_item_does_not_stop_the_sweep(environment: Environment) -> None:
    item = {"object": {"S": f"{BUCKET}/a.jpg"}, "link": {"S": "by hand"}, "media_id": {"N": "7"}}
    AWS.dynamodb.put_item(TableName=TABLE, Item=item)
    write_link(file_object())
    assert environment.sweep_index() == counts(links=1, gone=1)


@pytest.mark.usefixtures("clock")
def test_slice_with_failed_request_is_repeated(environment: Environment) -> None:
    write_link(file_object())
    url = environment.deletion_queue_url
    AWS.sqs.delete_queue(QueueUrl=url)
    with pytest.raises(DependencyUnavailable, match="SQS answered"):
        environment.sweep_index()
    assert AWS.sqs.create_queue(QueueName="deletions")["QueueUrl"] == url
    assert environment.sweep_index() == counts(links=1, gone=1)
    assert environment.deletion_requests() == [file_object()]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("operation", ["GetItem", "Scan", "Query", "PutItem"])
def test_unreachable_index_fails_the_slice(environment: Environment, operation: str) -> None:
    write_link(file_object())
    inject_aws_error(environment.sweep_index_clients.dynamodb, operation, 400)
    with pytest.raises(DependencyUnavailable, match=f"the table {TABLE} answered Refused"):
        environment.sweep_index()


@pytest.mark.usefixtures("clock")
def test_replaced_object_is_requested_and_counted_apart(environment: Environment) -> None:
    write_link(file_object(), etag="of an object that was overwritten")
    store_object()
    assert environment.sweep_index() == counts(links=1, replaced=1)
    assert environment.deletion_requests() == [file_object()]
    assert log_messages(environment) == ["object_replaced", "index_sweep"]


@pytest.mark.usefixtures("clock")
def test_same_content_without_digest_is_not_replaced(environment: Environment) -> None:
    write_link(file_object(), etag="of-a-multipart-upload", size="0", etag_is_digest="false")
    store_object()
    assert environment.sweep_index() == counts(links=1)


@pytest.mark.usefixtures("clock")
def test_link_without_version_and_etag_is_gone(environment: Environment) -> None:
    write_link(file_object(), etag="")
    store_object()
    assert environment.sweep_index() == counts(links=1, replaced=1)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("removed", [False, True])
def test_null_version_below_versions_is_read_by_its_name(environment: Environment, *, removed: bool) -> None:
    store_object()
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    AWS.s3.put_object(Bucket=BUCKET, Key=file_object()["key"], Body=b"newer")
    write_link(file_object())
    if removed:
        AWS.s3.delete_object(Bucket=BUCKET, Key=file_object()["key"], VersionId="null")
    assert environment.sweep_index() == counts(links=1, replaced=1 if removed else 0)
    assert environment.deletion_requests() == ([file_object()] if removed else [])


@pytest.mark.usefixtures("clock")
def test_refused_media_is_counted_and_not_requested(environment: Environment) -> None:
    write_link(file_object("photos/refused.jpg"), refused="yes")
    write_link(file_object("photos/gone.jpg"))
    assert environment.sweep_index() == counts(links=2, gone=1, refused=1)
    assert environment.deletion_requests() == [file_object("photos/gone.jpg")]
    assert environment.metrics["SweptRefused"] == [1.0]


def test_refused_deletion_is_not_requested_by_any_pass(environment: Environment, clock: Clock) -> None:
    write_link(file_object())
    AWS.dynamodb.delete_item(TableName=TABLE, Key={"object": {"S": f"{BUCKET}/photos/house.jpg"}, "link": {"S": "0"}})
    environment.index_media(
        sqs_event({"bucket": BUCKET, "key": "photos/house.jpg", "business_phone": PHONE, "media_id": MEDIA_ID})
    )
    [request] = environment.deletion_requests()
    environment.fake_nxcloud.misbehave(Fault("code", code=9002))
    environment.delete_media(sqs_event(request))
    assert environment.outcomes == [("rejected", "refused_by_provider")]
    assert len(environment.dead_letters()) == 1
    for _ in range(2):
        clock.now_s += DAY_S
        assert environment.sweep_index() == counts(links=1, refused=1)
        assert environment.deletion_requests() == []


def test_requests_without_time_left_are_made_by_the_next_slice(environment: Environment, clock: Clock) -> None:
    keys = [f"{number}.jpg" for number in range(4)]
    for key in keys:
        write_link(file_object(key))
    context = {"time_left_ms": 60_000}
    requests: list[dict[str, str]] = []

    class EndingContext(Context):
        """The time ends once two deletions have been requested."""

        def get_remaining_time_in_millis(self) -> int:
            return self.time_left_ms if len(sent) < 2 or len(requests) else 5_999

    sent: list[object] = []
    environment.sweep_index_clients.sqs.meta.events.register("before-call.sqs.SendMessage", lambda **_: sent.append(1))
    response = app.lambda_handler({}, EndingContext(**context))  # type: ignore[arg-type]  # as much of it as is used
    assert response == counts(links=4, gone=2)
    requests += environment.deletion_requests()
    assert environment.sweep_index() == counts(links=2, gone=2)
    requests += environment.deletion_requests()
    assert sorted(request["key"] for request in requests) == keys
    clock.now_s += 60
    assert environment.sweep_index() == counts(0)
