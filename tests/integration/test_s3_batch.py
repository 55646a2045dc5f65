"""S3 Batch Operations invokes the index function with existing objects, as tasks that each have a result."""

import copy
from typing import TYPE_CHECKING, Any

import pytest

from media_cleanup.errors import MalformedError, RequestsFailedError
from tests.conftest import MEDIA_ID, PHONE, sample
from tests.integration.conftest import AWS, BUCKET, Environment, inject_aws_error

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import TagTypeDef

OTHER_ID = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"
JOB = sample("index/s3-batch-job")
KEY = "photos/haus & garten 100%+tür.jpg"
ENCODED = "photos/haus+%26+garten+100%25%2Bt%C3%BCr.jpg"


def labels(media_id: str) -> dict[str, str]:
    return {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}


def store_object(key: str = KEY, metadata: str = "", tags: str = "") -> str | None:
    """Store an object with these Media-IDs in its metadata and tags. Returns the version id, if it has one."""
    version = AWS.s3.put_object(Bucket=BUCKET, Key=key, Body=b"", Metadata=labels(metadata) if metadata else {})
    if tags:
        tag_set: list[TagTypeDef] = [{"Key": name, "Value": value} for name, value in labels(tags).items()]
        AWS.s3.put_object_tagging(Bucket=BUCKET, Key=key, Tagging={"TagSet": tag_set})
    return version.get("VersionId")


def job(*objects: Any, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 (any JSON)
    """Return an invocation with a task for each encoded key, or key and version."""
    pairs = [each if isinstance(each, tuple) else (each, None) for each in objects]
    tasks = [
        {"taskId": f"task-{number}", "s3Key": key, "s3VersionId": version, "s3Bucket": BUCKET}
        for number, (key, version) in enumerate(pairs)
    ]
    return {**JOB, "tasks": tasks, **fields}


def results(response: dict[str, Any]) -> list[tuple[str, str]]:
    """Return code and text of each task's result, in the order of the tasks."""
    task_ids = [result["taskId"] for result in response["results"]]
    assert task_ids == [f"task-{number}" for number in range(len(task_ids))]
    return [(result["resultCode"], result["resultString"]) for result in response["results"]]


def test_task_links_object_by_metadata_and_tags(environment: Environment) -> None:
    store_object(metadata=MEDIA_ID, tags=OTHER_ID)
    store_object("plain.jpg")
    response = environment.index_media(job(ENCODED, "plain.jpg"))
    assert results(response) == [
        ("Succeeded", f"linked: {MEDIA_ID}; linked: {OTHER_ID}"),
        ("Succeeded", "skipped: no_media"),
    ]
    assert {link["media_id"] for link in environment.links()} == {MEDIA_ID, OTHER_ID}
    assert all("sequencer" not in link for link in environment.links())
    assert response["invocationId"] == JOB["invocationId"]
    assert response["invocationSchemaVersion"] == "2.0"
    assert response["treatMissingKeysAs"] == "TemporaryFailure"
    assert [(line["trigger"], line["object_key"]) for line in environment.log_lines] == [("s3_batch", KEY)] * 2 + [
        ("s3_batch", "plain.jpg")
    ]


def test_equal_metadata_and_tags_make_one_link(environment: Environment) -> None:
    store_object(metadata=MEDIA_ID, tags=MEDIA_ID)
    assert results(environment.index_media(job(ENCODED))) == [("Succeeded", f"linked: {MEDIA_ID}")]
    assert len(environment.links()) == 1


def test_repeated_task_makes_one_link(environment: Environment) -> None:
    store_object(metadata=MEDIA_ID)
    assert environment.index_media(job(ENCODED)) == environment.index_media(job(ENCODED))
    assert len(environment.links()) == 1


def test_versions_are_linked_and_deleted_ones_requested(environment: Environment) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    versions = [store_object(metadata=media_id) for media_id in (MEDIA_ID, OTHER_ID)]
    response = environment.index_media(job(*((ENCODED, version) for version in versions)))
    assert [code for code, _ in results(response)] == ["Succeeded"] * 2
    assert {link["version_id"] for link in environment.links()} == set(versions)
    assert environment.deletion_requests() == []
    AWS.s3.delete_object(Bucket=BUCKET, Key=KEY)
    environment.index_media(job((ENCODED, versions[0])))
    assert environment.deletion_requests() == [{"bucket": BUCKET, "key": KEY}]


@pytest.mark.parametrize("version", ["null", "", None])
def test_task_without_version_links_unversioned_object(environment: Environment, version: str | None) -> None:
    store_object(metadata=MEDIA_ID)
    assert results(environment.index_media(job((ENCODED, version)))) == [("Succeeded", f"linked: {MEDIA_ID}")]


def test_task_of_deleted_object_succeeds(environment: Environment) -> None:
    assert results(environment.index_media(job("gone.jpg"))) == [("Succeeded", "skipped: gone_or_replaced")]


def test_unreadable_object_is_temporary_failure(environment: Environment) -> None:
    store_object(metadata=MEDIA_ID)
    inject_aws_error(environment.index_media_clients.s3, "HeadObject", 403)
    [(code, text)] = results(environment.index_media(job(ENCODED)))
    assert code == "TemporaryFailure"
    assert text.startswith("unavailable: object_unknown: S3 answered 403 to HeadObject; the function's role needs")


def test_task_without_time_left_is_temporary_failure(environment: Environment) -> None:
    store_object(metadata=MEDIA_ID)
    response = environment.index_media(job(ENCODED), time_left_ms=1)
    assert results(response) == [("TemporaryFailure", "unavailable: out_of_time")]


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ({"s3Key": None}, "rejected: not_understood: the key must be text"),
        ({"s3Key": "%FF"}, "rejected: not_understood: the key must be text"),
        (
            {"s3Bucket": None, "s3BucketArn": f"arn:aws:s3:::{BUCKET}"},
            "rejected: not_understood: the bucket name must be",
        ),
        ({"s3VersionId": 7}, "rejected: not_understood: the version id must be"),
    ],
)
def test_malformed_task_fails_alone(environment: Environment, task: dict[str, Any], text: str) -> None:
    store_object(metadata=MEDIA_ID)
    event = job(ENCODED, ENCODED)
    event["tasks"][0] |= task
    bad, good = results(environment.index_media(event))
    assert bad[0] == "PermanentFailure"
    assert bad[1].startswith(text)
    assert good == ("Succeeded", f"linked: {MEDIA_ID}")


def test_invalid_label_is_permanent_failure_with_masked_number(environment: Environment) -> None:
    AWS.s3.put_object(Bucket=BUCKET, Key=f"{PHONE}.jpg", Body=b"", Metadata=labels(f"{MEDIA_ID} {129 * 'x'}"))
    response = environment.index_media(job(f"{PHONE}.jpg"))
    [(code, text)] = results(response)
    assert code == "PermanentFailure"
    assert text.startswith(f"linked: {MEDIA_ID}; rejected: not_understood: media_id must be")
    assert PHONE not in str(response) + environment.output


def test_object_outside_prefix_is_skipped(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    store_object(metadata=MEDIA_ID)
    assert results(environment.index_media(job(ENCODED))) == [("Succeeded", "skipped: outside_prefix")]


@pytest.mark.parametrize("version", ["1.0", "3.0", None, 2, f"+{PHONE}"])
def test_other_schema_version_raises_and_names_supported_one(environment: Environment, version: object) -> None:
    store_object(metadata=MEDIA_ID)
    with pytest.raises(MalformedError, match=r'"InvocationSchemaVersion": "2\.0"') as raised:
        environment.index_media(job(ENCODED, invocationSchemaVersion=version))
    assert PHONE not in str(raised.value) + environment.output
    assert environment.outcomes == [("rejected", "not_understood")]
    assert environment.links() == []


@pytest.mark.parametrize(
    "fields", [{"tasks": None}, {"tasks": []}, {"tasks": [7]}, {"tasks": [{"s3Key": "a"}]}, {"invocationId": None}]
)
def test_malformed_invocation_raises(environment: Environment, fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match="S3 Batch Operations named no"):
        environment.index_media(job(**fields))


def test_deletion_function_rejects_batch_jobs(environment: Environment) -> None:
    with pytest.raises(RequestsFailedError, match="1 of 1 requests failed: rejected: not_understood"):
        environment.delete_media(copy.deepcopy(JOB))
