"""What HEAD returns for an object, with a fake S3 client."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.s3_objects import S3Objects
from media_cleanup.errors import RequestRejectedError
from media_cleanup.model import Content, Link, Media, S3Object

OBJECT = S3Object("example-bucket", "house.jpg")
NULL = S3Object("example-bucket", "house.jpg", "null")
HEAD: dict[str, Any] = {"ETag": '"a"', "ContentLength": 7, "Metadata": {}, "ResponseMetadata": {}}


class FakeS3:
    """S3's client: each version's HEAD, by its id; None for the current object. `asked` are the parameters."""

    def __init__(self, heads: dict[str | None, dict[str, Any]]) -> None:
        self.heads = heads
        self.asked: list[dict[str, str]] = []

    def head_object(self, **parameters: str) -> dict[str, Any]:
        self.asked.append(parameters)
        head = self.heads.get(parameters.get("VersionId"))
        status = 404 if head is None else 412 if parameters.get("IfMatch", head["ETag"]) != head["ETag"] else 200
        if head is None or status != 200:
            raise ClientError(_error(status), "HeadObject")  # type: ignore[arg-type]  # the stub requires more
        return head


def _error(status: int) -> dict[str, Any]:
    return {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}


def objects(s3: object) -> S3Objects:
    return S3Objects(cast("AwsClients", SimpleNamespace(s3=s3)))


def content_of(**head: object) -> Content:
    found = objects(FakeS3({None: HEAD | head})).head(OBJECT)
    assert found
    return found.content


@pytest.mark.parametrize(
    ("head", "content"),
    [
        ({}, Content("a", 7)),
        ({"ServerSideEncryption": "AES256"}, Content("a", 7)),
        ({"ETag": '"a-2"'}, Content("a-2", 7, etag_is_digest=False)),
        ({"ServerSideEncryption": "aws:kms"}, Content("a", 7, etag_is_digest=False)),
        ({"ServerSideEncryption": "aws:kms:dsse"}, Content("a", 7, etag_is_digest=False)),
        ({"SSECustomerAlgorithm": "AES256"}, Content("a", 7, etag_is_digest=False)),
    ],
)
def test_etag_is_a_digest_unless_multipart_or_encrypted(head: dict[str, object], content: Content) -> None:
    assert content_of(**head) == content


@pytest.mark.parametrize(
    ("head", "has_tags"),
    [
        ({}, False),
        ({"TagCount": 2}, True),
        ({"TagCount": 0}, False),
        ({"ResponseMetadata": {"HTTPHeaders": {"x-amz-tagging-count": "1"}}}, True),
        ({"ResponseMetadata": {"HTTPHeaders": {}}}, False),
    ],
)
def test_number_of_tags_is_read_from_field_or_header(head: dict[str, object], *, has_tags: bool) -> None:
    found = objects(FakeS3({None: HEAD | head})).head(OBJECT)
    assert found
    assert found.has_tags is has_tags


@pytest.mark.parametrize(
    ("heads", "found", "versions"),
    [
        ({None: HEAD}, OBJECT, [None]),  # a bucket without versions
        ({None: HEAD | {"VersionId": "null"}}, NULL, [None]),  # suspended
        ({None: HEAD | {"VersionId": "v2"}, "null": HEAD | {"VersionId": "null"}}, NULL, [None, "null"]),
        ({"null": HEAD | {"VersionId": "null"}}, NULL, [None, "null"]),  # under a delete marker
        ({None: HEAD | {"VersionId": "v2"}}, None, [None, "null"]),
        ({}, None, [None, "null"]),
    ],
)
def test_null_version_is_read_as_current_object_or_by_name(
    heads: dict[str | None, dict[str, Any]], found: S3Object | None, versions: list[str | None]
) -> None:
    s3 = FakeS3(heads)
    head = objects(s3).head(NULL)
    assert (head and head.obj) == found
    assert [asked.get("VersionId") for asked in s3.asked] == versions


@pytest.mark.parametrize("heads", [{None: HEAD}, {None: HEAD | {"VersionId": "v2"}, "null": HEAD}])
def test_null_version_with_another_etag_does_not_match(heads: dict[str | None, dict[str, Any]]) -> None:
    assert objects(FakeS3(heads)).head(NULL, "b") is None
    assert objects(FakeS3(heads)).head(NULL, "a")


@pytest.mark.parametrize(
    ("link", "exists"),
    [
        (Link(S3Object("example-bucket", "house.jpg", "v1"), None, Media("1", "m")), True),
        (Link(S3Object("example-bucket", "house.jpg", "v0"), Content("a"), Media("1", "m")), False),
        (Link(OBJECT, Content("a"), Media("1", "m")), True),
        (Link(OBJECT, Content("c"), Media("1", "m")), False),
        (Link(OBJECT, None, Media("1", "m")), False),
    ],
)
def test_object_of_link_exists_by_version_or_etag(link: Link, *, exists: bool) -> None:
    heads = {None: HEAD | {"VersionId": "v2", "ETag": '"b"'}, "v1": HEAD, "null": HEAD | {"VersionId": "null"}}
    assert objects(FakeS3(dict(heads))).exists(link) is exists


def test_head_400_is_an_unreadable_object() -> None:
    def refuse(**_: str) -> None:
        raise ClientError(_error(400), "HeadObject")  # type: ignore[arg-type]  # the stub requires more

    with pytest.raises(RequestRejectedError, match="customer-provided key"):
        objects(SimpleNamespace(head_object=refuse)).head(OBJECT)
