"""S3 Batch Operations hands the index function the objects that were there before, by tasks that each have a result."""

import copy
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from media_cleanup.errors import MalformedError
from tests.conftest import MEDIA_ID, PHONE, sample
from tests.integration.conftest import BUCKET, World, forbid

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import TagTypeDef

OTHER_ID = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"
JOB = sample("index/s3-batch-job")
KEY = "photos/haus & garten 100%+tür.jpg"
ENCODED = "photos/haus+%26+garten+100%25%2Bt%C3%BCr.jpg"


def labels(media_id: str) -> dict[str, str]:
    return {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}


def store(key: str = KEY, metadata: str = "", tags: str = "") -> str | None:
    """Stores an object with a media in its metadata, and one in its tags."""
    s3 = boto3.client("s3")
    version = s3.put_object(Bucket=BUCKET, Key=key, Body=b"", Metadata=labels(metadata) if metadata else {})
    if tags:
        tag_set: list[TagTypeDef] = [{"Key": name, "Value": value} for name, value in labels(tags).items()]
        s3.put_object_tagging(Bucket=BUCKET, Key=key, Tagging={"TagSet": tag_set})
    return version.get("VersionId")


def job(*names: Any, **words: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """An invocation with a task for each encoded key, or key and version."""
    named = [name if isinstance(name, tuple) else (name, None) for name in names]
    tasks = [
        {"taskId": f"task-{number}", "s3Key": key, "s3VersionId": version, "s3Bucket": BUCKET}
        for number, (key, version) in enumerate(named)
    ]
    return {**JOB, "tasks": tasks, **words}


def results(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and text of each task's result, in the tasks' order."""
    assert [result["taskId"] for result in answer["results"]] == [f"task-{n}" for n in range(len(answer["results"]))]
    return [(result["resultCode"], result["resultString"]) for result in answer["results"]]


def test_each_object_is_linked_as_its_metadata_and_its_tags_say(world: World) -> None:
    store(metadata=MEDIA_ID, tags=OTHER_ID)
    store("plain.jpg")
    answer = world.index(job(ENCODED, "plain.jpg"))
    assert results(answer) == [
        ("Succeeded", f"linked: {MEDIA_ID}; linked: {OTHER_ID}"),
        ("Succeeded", "skipped: no_media"),
    ]
    assert {link["media_id"] for link in world.links()} == {MEDIA_ID, OTHER_ID}
    assert all("sequencer" not in link for link in world.links())
    assert answer["invocationId"] == JOB["invocationId"]
    assert answer["invocationSchemaVersion"] == "2.0"
    assert answer["treatMissingKeysAs"] == "TemporaryFailure"
    assert [(line["trigger"], line["object_key"]) for line in world.lines] == [("s3_batch", KEY)] * 2 + [
        ("s3_batch", "plain.jpg")
    ]


def test_metadata_and_tags_that_say_the_same_make_one_link(world: World) -> None:
    store(metadata=MEDIA_ID, tags=MEDIA_ID)
    assert results(world.index(job(ENCODED))) == [("Succeeded", f"linked: {MEDIA_ID}")]
    assert len(world.links()) == 1


def test_a_task_may_come_again(world: World) -> None:
    store(metadata=MEDIA_ID)
    assert world.index(job(ENCODED)) == world.index(job(ENCODED))
    assert len(world.links()) == 1


def test_versions_are_linked_by_their_names_and_what_is_hidden_is_asked_for(world: World) -> None:
    boto3.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    versions = [store(metadata=media_id) for media_id in (MEDIA_ID, OTHER_ID)]
    assert [code for code, _ in results(world.index(job(*((ENCODED, one) for one in versions))))] == ["Succeeded"] * 2
    assert {link["version_id"] for link in world.links()} == set(versions)
    assert world.asked() == []
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    world.index(job((ENCODED, versions[0])))
    assert world.asked() == [{"bucket": BUCKET, "key": KEY}]


@pytest.mark.parametrize("version", ["null", "", None])
def test_an_inventory_names_unversioned_objects_in_several_ways(world: World, version: str | None) -> None:
    store(metadata=MEDIA_ID)
    assert results(world.index(job((ENCODED, version)))) == [("Succeeded", f"linked: {MEDIA_ID}")]


def test_what_is_gone_by_then_has_succeeded(world: World) -> None:
    assert results(world.index(job("gone.jpg"))) == [("Succeeded", "skipped: gone_or_replaced")]


def test_what_may_work_later_is_a_temporary_failure(world: World) -> None:
    store(metadata=MEDIA_ID)
    forbid(world.index_aws.s3, "HeadObject", 403)
    [(code, text)] = results(world.index(job(ENCODED)))
    assert code == "TemporaryFailure"
    assert text.startswith("unavailable: object_unknown: S3 answered 403 to HeadObject; the function's role needs")


def test_what_is_left_when_time_runs_out_is_a_temporary_failure(world: World) -> None:
    store(metadata=MEDIA_ID)
    answer = world.index(job(ENCODED), time_left_ms=1)
    assert results(answer) == [("TemporaryFailure", "unavailable: out_of_time")]


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ({"s3Key": None}, "rejected: not_understood: the key must be text"),
        ({"s3Key": "%FF"}, "rejected: not_understood: the key must be text"),
        (
            {"s3Bucket": None, "s3BucketArn": f"arn:aws:s3:::{BUCKET}"},
            "rejected: not_understood: the bucket must be named",
        ),
        ({"s3VersionId": 7}, "rejected: not_understood: the version id must be"),
    ],
)
def test_a_task_that_names_no_object_fails_alone(world: World, task: dict[str, Any], text: str) -> None:
    store(metadata=MEDIA_ID)
    event = job(ENCODED, ENCODED)
    event["tasks"][0] |= task
    bad, good = results(world.index(event))
    assert bad[0] == "PermanentFailure"
    assert bad[1].startswith(text)
    assert good == ("Succeeded", f"linked: {MEDIA_ID}")


def test_labels_that_no_media_has_are_a_permanent_failure_without_whole_numbers(world: World) -> None:
    boto3.client("s3").put_object(
        Bucket=BUCKET, Key=f"{PHONE}.jpg", Body=b"", Metadata=labels(f"{MEDIA_ID} {129 * 'x'}")
    )
    answer = world.index(job(f"{PHONE}.jpg"))
    [(code, text)] = results(answer)
    assert code == "PermanentFailure"
    assert text.startswith(f"linked: {MEDIA_ID}; rejected: not_understood: media_id must be")
    assert PHONE not in str(answer) + world.output


def test_an_object_outside_of_the_prefix_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    store(metadata=MEDIA_ID)
    assert results(world.index(job(ENCODED))) == [("Succeeded", "skipped: outside_prefix")]


@pytest.mark.parametrize("version", ["1.0", "3.0", None, 2, f"+{PHONE}"])
def test_another_schema_raises_and_says_which_to_ask_for(world: World, version: object) -> None:
    store(metadata=MEDIA_ID)
    with pytest.raises(MalformedError, match=r'"InvocationSchemaVersion": "2\.0"') as raised:
        world.index(job(ENCODED, invocationSchemaVersion=version))
    assert PHONE not in str(raised.value) + world.output
    assert world.outcomes == [("rejected", "not_understood")]
    assert world.links() == []


@pytest.mark.parametrize(
    "words", [{"tasks": None}, {"tasks": []}, {"tasks": [7]}, {"tasks": [{"s3Key": "a"}]}, {"invocationId": None}]
)
def test_an_invocation_that_cannot_be_answered_raises(world: World, words: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match="S3 Batch Operations named no"):
        world.index(job(**words))


def test_the_deletion_function_takes_no_jobs(world: World) -> None:
    with pytest.raises(Exception, match="1 of 1 requests failed: rejected: not_understood"):
        world.invoke(copy.deepcopy(JOB))
