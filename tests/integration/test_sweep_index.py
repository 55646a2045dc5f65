"""The sweep: what is gone although no event said so is asked for, and nothing else."""

import json

import boto3
import pytest

from media_cleanup import sweep
from media_cleanup.errors import DependencyUnavailable
from tests.conftest import MEDIA_ID, PHONE
from tests.integration.conftest import BUCKET, TABLE, World, forbid

DAY_S = 24 * 3600


class Clock:
    """The time as the sweep sees it, and how long it has paused."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        self.pauses: list[float] = []


@pytest.fixture
def clock(world: World, monkeypatch: pytest.MonkeyPatch) -> Clock:  # noqa: ARG001 (before the function's first use)
    clock = Clock()
    monkeypatch.setattr(sweep.SweepIndex.__init__, "__defaults__", (lambda: clock.now_s, clock.pauses.append))
    return clock


def file(key: str = "photos/house.jpg", version_id: str | None = None) -> dict[str, str]:
    return {"bucket": BUCKET, "key": key} | ({"version_id": version_id} if version_id else {})


def link(file: dict[str, str], number: int = 0) -> None:
    """Puts a link into the index as an event of long ago made it."""
    names = {"object": f"{file['bucket']}/{file['key']}", "link": str(number), "media_id": MEDIA_ID, "etag": "etag"}
    names |= {"business_phone": PHONE} | ({"version_id": file["version_id"]} if "version_id" in file else {})
    boto3.client("dynamodb").put_item(TableName=TABLE, Item={name: {"S": value} for name, value in names.items()})


def store(key: str = "photos/house.jpg") -> str:
    """Stores an object; the name of its version where there are any."""
    return boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"").get("VersionId", "")


def swept(links: int, gone: int = 0, unknown: int = 0) -> dict[str, int]:
    return {"SweptLinks": links, "SweptGone": gone, "SweptUnknown": unknown}


def messages(world: World) -> list[str]:
    return [line["message"] for line in world.lines]


@pytest.mark.usefixtures("clock")
def test_what_is_gone_is_asked_for_and_what_is_there_is_not(world: World) -> None:
    link(file("photos/gone.jpg"))
    link(file("photos/here.jpg"))
    store("photos/here.jpg")
    assert world.sweep() == swept(links=2, gone=1)
    assert world.asked() == [file("photos/gone.jpg")]
    assert {name: world.metrics[name] for name in swept(0)} == {
        name: [float(count)] for name, count in swept(links=2, gone=1).items()
    }
    assert messages(world) == ["object_gone", "index_sweep"]
    assert world.calls == []
    assert len(world.links()) == 2


@pytest.mark.usefixtures("clock")
def test_what_was_asked_for_goes_by_the_rules_of_all_deletions(world: World) -> None:
    link(file())
    world.sweep()
    [message] = world.asked()
    world.invoke({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(message)}]})
    assert world.calls == [MEDIA_ID]
    assert world.outcomes == [("deleted", None)]


@pytest.mark.usefixtures("clock")
def test_all_links_of_an_object_cost_one_message(world: World) -> None:
    for number in range(3):
        link(file(), number)
    assert world.sweep() == swept(links=3, gone=3)
    assert world.asked() == [file()]


@pytest.mark.usefixtures("clock")
def test_a_version_that_is_gone_under_a_living_object_is_asked_for_by_its_name(world: World) -> None:
    boto3.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    versions = [store() for _ in range(3)]
    for number, version in enumerate(versions):
        link(file(version_id=version), number)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=file()["key"], VersionId=versions[0])
    assert world.sweep() == swept(links=3, gone=1)
    assert world.asked() == [file(version_id=versions[0])]


@pytest.mark.usefixtures("clock")
def test_an_object_under_a_delete_marker_is_gone(world: World) -> None:
    boto3.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    link(file(version_id=store()))
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=file()["key"])
    assert world.sweep() == swept(links=1, gone=1)
    assert world.asked() == [file()]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("status", [403, 503])
def test_what_s3_does_not_tell_is_not_gone(world: World, status: int) -> None:
    for number in range(2):
        link(file(f"photos/{PHONE}/{number}.jpg"))
    forbid(world.sweep_aws.s3, "HeadObject", status)
    assert world.sweep() == swept(links=2, unknown=2)
    assert world.asked() == []
    [line, _] = world.lines
    assert (line["message"], line["objects"]) == ("objects_unknown", 2)
    assert line["reason"].startswith(f"{BUCKET}: S3 answered {status} to HeadObject")
    assert PHONE not in world.output


@pytest.mark.usefixtures("clock")
def test_numbers_in_keys_are_masked(world: World) -> None:
    link(file(f"{PHONE}/gone.jpg"))
    world.sweep()
    assert PHONE not in world.output
    assert world.lines[0]["object_key"] == "86158****1795/gone.jpg"


def test_a_deletion_that_is_under_way_is_waited_for(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(file())

    def pause(seconds: float) -> None:
        clock.pauses.append(seconds)
        if seconds == sweep.PATIENCE_S:  # meanwhile the deletion function ends its work
            item = {"object": {"S": f"{BUCKET}/photos/house.jpg"}, "link": {"S": "0"}}
            boto3.client("dynamodb").delete_item(TableName=TABLE, Key=item)

    monkeypatch.setattr(sweep.SweepIndex.__init__, "__defaults__", (lambda: clock.now_s, pause))
    assert world.sweep() == swept(links=1)
    assert world.asked() == []


def test_looks_are_spread(world: World, clock: Clock) -> None:
    for number in range(4):
        store(f"{number}.jpg")
        link(file(f"{number}.jpg"))
    world.sweep()
    assert clock.pauses == [sweep.PAUSE_S] * 4


def test_a_slice_goes_on_where_the_last_one_ended(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media_cleanup.aws.media_index.PAGE_ITEMS", 2)
    monkeypatch.setattr(sweep, "MAX_MISSING_PER_SLICE", 3)
    keys = [f"{number}.jpg" for number in range(8)]
    for key in keys:
        link(file(key))
    asked: list[str] = []
    answers = []
    for _ in range(4):
        answers.append(world.sweep())
        asked += [message["key"] for message in world.asked()]
        clock.now_s += 60
    assert answers == [swept(3, 3), swept(3, 3), swept(2, 2), swept(0)]
    assert sorted(asked) == keys
    clock.now_s += DAY_S
    assert world.sweep() == swept(3, 3)


def test_a_slice_ends_while_there_is_time_to_ask(world: World, clock: Clock) -> None:  # noqa: ARG001 (see its fixture)
    link(file())
    assert world.sweep(time_left_ms=sweep.TIME_TO_FINISH_MS - 1) == swept(0)
    assert world.sweep(time_left_ms=sweep.TIME_TO_FINISH_MS) == swept(1, 1)


def test_a_new_pass_begins_so_many_days_after_the_last_one_began(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_EVERY_DAYS", "7")
    store()
    link(file())
    assert world.sweep() == swept(1)
    clock.now_s += 7 * DAY_S - 1
    assert world.sweep() == swept(0)
    assert messages(world) == []
    clock.now_s += 1
    assert world.sweep() == swept(1)


@pytest.mark.usefixtures("clock")
def test_the_prefix_narrows_what_is_swept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    for key in ("offers/a.jpg", "photos/a.jpg"):
        link(file(key))
    assert world.sweep() == swept(links=1, gone=1)
    assert world.asked() == [file("offers/a.jpg")]


@pytest.mark.usefixtures("clock")
def test_an_item_that_makes_no_sense_holds_nobody_up(world: World) -> None:
    item = {"object": {"S": f"{BUCKET}/a.jpg"}, "link": {"S": "by hand"}, "media_id": {"N": "7"}}
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)
    link(file())
    assert world.sweep() == swept(links=1, gone=1)


@pytest.mark.usefixtures("clock")
def test_a_slice_that_could_not_ask_fails_and_is_done_again(world: World) -> None:
    link(file())
    url = world.deletion_queue_url
    boto3.client("sqs").delete_queue(QueueUrl=url)
    with pytest.raises(DependencyUnavailable, match="SQS answered"):
        world.sweep()
    assert boto3.client("sqs").create_queue(QueueName="deletions")["QueueUrl"] == url
    assert world.sweep() == swept(links=1, gone=1)
    assert world.asked() == [file()]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("operation", ["GetItem", "Scan", "Query", "PutItem"])
def test_an_index_that_does_not_answer_fails_the_slice(world: World, operation: str) -> None:
    link(file())
    forbid(world.sweep_aws.dynamodb, operation, 400)
    with pytest.raises(DependencyUnavailable, match=f"DynamoDB answered Refused for the table {TABLE}"):
        world.sweep()
