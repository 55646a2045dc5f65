"""The number of AWS calls per batch: no message costs a call that the batch can make once."""

import hashlib
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup.aws.media_index import MediaIndex
from media_cleanup.model import Content, Link, Media, S3Object
from tests.conftest import MEDIA_ID, PHONE, sample
from tests.integration.conftest import AWS, BUCKET, TABLE, Environment, failed_ids, sqs_event

SERVICES = ("dynamodb", "s3", "secretsmanager", "sqs")


@pytest.fixture
def calls(environment: Environment) -> Counter[str]:
    """The number of calls of each AWS operation by the deletion function."""
    counted: Counter[str] = Counter()

    def count(model: Any, **_: object) -> None:  # noqa: ANN401 (botocore declares no public type)
        counted[model.name] += 1

    for service in SERVICES:
        getattr(environment.delete_media_clients, service).meta.events.register("before-call", count)
    return counted


def messages(environment: Environment, count: int) -> list[dict[str, str]]:
    return [
        {"business_phone": PHONE, "media_id": environment.fake_nxcloud.provider.add_media(PHONE)} for _ in range(count)
    ]


def test_deletion_costs_two_writes_and_the_secret_one_read(environment: Environment, calls: Counter[str]) -> None:
    environment.delete_media(sqs_event(*messages(environment, 10)))
    assert calls == {"GetSecretValue": 1, "PutItem": 10, "UpdateItem": 10}
    environment.delete_media(sqs_event(*messages(environment, 10)))
    assert calls == {"GetSecretValue": 1, "PutItem": 20, "UpdateItem": 20}


def test_repeated_deletion_costs_one_call(environment: Environment, calls: Counter[str]) -> None:
    media = messages(environment, 1)
    environment.delete_media(sqs_event(*media))
    calls.clear()
    environment.delete_media(sqs_event(*media))
    assert calls == {"PutItem": 1}


def test_failed_batch_sets_visibility_timeouts_in_one_call(environment: Environment, calls: Counter[str]) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9003, times=10))  # 5xx would open the circuit
    assert len(failed_ids(environment.delete_media(sqs_event(*messages(environment, 10))))) == 10
    assert calls == {"GetSecretValue": 1, "PutItem": 10, "DeleteItem": 10, "ChangeMessageVisibilityBatch": 1}


LABELS = {"whatsapp-media-id": MEDIA_ID, "whatsapp-business-phone": PHONE}
DELETION_OF_ONE_MEDIA = {"PutItem": 1, "UpdateItem": 1, "DeleteItem": 1, "GetSecretValue": 1}
OBJECT = {"bucket": BUCKET, "key": "photos/house.jpg"}


def link(version_id: str | None = None, etag: str = "etag") -> None:
    obj = S3Object(OBJECT["bucket"], OBJECT["key"], version_id)
    MediaIndex(AWS, TABLE).put(Link(obj, Content(etag, 1), Media(PHONE, MEDIA_ID)))


def store(body: bytes, tagging: dict[str, str] | None = None) -> str:
    """Store the object. Returns its version id, empty without versioning."""
    stored = AWS.s3.put_object(Bucket=OBJECT["bucket"], Key=OBJECT["key"], Body=body, Tagging=urlencode(tagging or {}))
    return stored.get("VersionId", "")


def test_object_with_one_link_costs_a_query_and_a_head(environment: Environment, calls: Counter[str]) -> None:
    link()
    environment.delete_media(sqs_event(OBJECT))
    assert environment.outcomes == [("deleted", None)]
    assert calls == DELETION_OF_ONE_MEDIA | {"Query": 1, "HeadObject": 1}


def test_existing_object_costs_a_second_query(environment: Environment, calls: Counter[str]) -> None:
    link()
    store(b"another")
    environment.delete_media(sqs_event(OBJECT))
    assert environment.outcomes == [("deleted", None)]
    assert calls == DELETION_OF_ONE_MEDIA | {"Query": 2, "HeadObject": 1}


def test_tags_of_existing_object_cost_one_call(environment: Environment, calls: Counter[str]) -> None:
    link()
    store(b"another", {"other": "tag"})
    environment.delete_media(sqs_event(OBJECT))
    assert environment.outcomes == [("deleted", None)]
    assert calls == DELETION_OF_ONE_MEDIA | {"Query": 2, "HeadObject": 1, "GetObjectTagging": 1}


def test_tags_are_not_read_where_nothing_would_be_deleted(environment: Environment, calls: Counter[str]) -> None:
    store(b"the same", {"other": "tag"})
    link(etag=hashlib.md5(b"the same", usedforsecurity=False).hexdigest())
    environment.delete_media(sqs_event(OBJECT))
    assert environment.outcomes == [("skipped", "object_exists")]
    assert calls == {"Query": 2, "HeadObject": 1}


def test_deletion_of_a_version_costs_a_second_query(environment: Environment, calls: Counter[str]) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    link("v1")
    store(b"another")
    environment.delete_media(sqs_event(OBJECT | {"version_id": "v1"}))
    assert environment.outcomes == [("deleted", None)]
    assert calls == DELETION_OF_ONE_MEDIA | {"Query": 2, "HeadObject": 1}


def test_link_of_kept_media_costs_four_calls_to_replace(environment: Environment, calls: Counter[str]) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    store(b"another", LABELS)
    # moto answers 400 to a version id that it has not made
    old = store(b"old")
    AWS.s3.delete_object(Bucket=BUCKET, Key=OBJECT["key"], VersionId=old)
    link(old)
    environment.delete_media(sqs_event(OBJECT | {"version_id": old}))
    assert environment.outcomes == [("skipped", "object_exists")]
    replacement = {"UpdateItem": 1, "HeadObject": 3, "DeleteItem": 1}
    assert calls == {"Query": 2, "GetObjectTagging": 1} | replacement


@pytest.mark.parametrize(
    ("tagging", "expected"),
    [({}, {"HeadObject": 1}), (LABELS, {"HeadObject": 3, "GetObjectTagging": 1, "UpdateItem": 1})],
    ids=["no tags", "tags"],
)
def test_stored_object_costs_more_with_tags_alone(
    environment: Environment, tagging: dict[str, str], expected: dict[str, int]
) -> None:
    counted: Counter[str] = Counter()
    for service in ("dynamodb", "s3", "sqs"):
        getattr(environment.index_media_clients, service).meta.events.register(
            "before-call", lambda model, **_: counted.update([model.name])
        )
    store(b"a picture", tagging)
    event = sample("s3-created")
    event["Records"][0]["s3"]["object"] = {"key": OBJECT["key"]}
    environment.index_media(sqs_event(event))
    assert counted == expected


def test_object_without_media_costs_one_call(environment: Environment, calls: Counter[str]) -> None:
    environment.delete_media(sqs_event({"bucket": "some-bucket", "key": "plain.txt"}))
    assert calls == {"Query": 1}


def test_dry_run_reads_only_the_secret(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    counted: Counter[str] = Counter()
    for service in SERVICES:
        getattr(environment.delete_media_clients, service).meta.events.register(
            "before-call", lambda model, **_: counted.update([model.name])
        )
    environment.delete_media(sqs_event(*messages(environment, 3)))
    assert counted == {"GetSecretValue": 1}
