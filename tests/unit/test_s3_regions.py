"""Requests to buckets of other Regions, by the SDK itself and a fake of S3's endpoints."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.s3_objects import S3Objects
from media_cleanup.model import S3Object

HOME = {"near": "us-east-1", "far": "eu-west-1"}


class Endpoints:
    """S3's endpoints; `asked` are the bucket and the Region of each request."""

    def __init__(self, clients: AwsClients) -> None:
        self.asked: list[tuple[str, str]] = []
        hooks: Any = clients.s3.meta.events  # their types know no handler that answers
        hooks.register("before-send.s3", self.answer)

    def answer(self, request: Any, **_: object) -> AWSResponse:  # noqa: ANN401 (botocore has no types)
        bucket, _s3, place, *_rest = str(urlsplit(request.url).hostname).split(".")
        region = "us-east-1" if place == "amazonaws" else place
        self.asked.append((bucket, region))
        status, headers = 301, {"x-amz-bucket-region": HOME[bucket]}
        if region == HOME[bucket]:
            status, headers = 200, {"ETag": '"a"', "Content-Length": "7"}
        return AWSResponse(request.url, status, headers, Raw())  # type: ignore[arg-type]  # the stub wants its own mapping


class Raw:
    """The body of an answer to HEAD."""

    def stream(self, **_: object) -> list[bytes]:
        return []


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> AwsClients:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return AwsClients()


def test_region_of_bucket_is_learned_once(clients: AwsClients) -> None:
    endpoints, objects = Endpoints(clients), S3Objects(clients)
    for bucket, key in (("far", "a"), ("far", "b"), ("near", "a"), ("far", "c")):
        assert objects.head(S3Object(bucket, key))
    assert endpoints.asked == [
        ("far", "us-east-1"),
        ("far", "eu-west-1"),
        ("far", "eu-west-1"),
        ("near", "us-east-1"),
        ("far", "eu-west-1"),
    ]
