"""Reads S3 objects as they are now: HEAD and tags."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.errors import DependencyUnavailable, RequestRejectedError
from media_cleanup.model import Content, Link, S3Object
from media_cleanup.outcome import Reason

_OTHER_ACCOUNT = "; in another account, the bucket's policy must allow it, too"
_SSE_C_WAY_OUT = (
    "the object is encrypted with a customer-provided key: store it with SSE-S3 or SSE-KMS and redrive this message, "
    "or request the deletion by business_phone and media_id"
)


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """The result of a HEAD; `obj` has the version that was read.

    `has_tags` is False also where the caller may not read tags: S3 then reports no number of tags.
    """

    obj: S3Object
    content: Content
    metadata: dict[str, str]
    has_tags: bool


class S3Objects:
    """Reads S3, which is strongly consistent: finished stores and deletions are seen.

    S3 answers 404 to a role with s3:ListBucket; to others it answers 403, which is inconclusive (source: Amazon S3 API
    Reference, "HeadObject"). It answers 400 for an object that is encrypted with a customer-provided key (source:
    Amazon S3 User Guide, "Using server-side encryption with customer-provided keys (SSE-C)"): `head` then raises
    RequestRejectedError, and elsewhere the object counts as existing. Each method raises DependencyUnavailable.
    """

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def head(self, obj: S3Object, etag: str | None = None) -> ObjectHead | None:
        """HEAD the object's version, or the current object; None where it does not exist or `etag` does not match.

        Where the `null` version is the current object, it is read as such: a bucket without versions has no other name.
        """
        if obj.version_id == "null":
            current = self._head(obj.without_version, None)
            if current and current.obj.without_null_version == obj.without_null_version:
                return current if etag in {None, current.content.etag} else None
        return self._head(obj, etag)

    def _head(self, obj: S3Object, etag: str | None) -> ObjectHead | None:
        missing = {404} | ({405} if obj.version_id else set()) | ({412} if etag else set())  # 405: a delete marker
        if_match: dict[str, Any] = {"IfMatch": f'"{etag}"'} if etag else {}
        permission = "s3:GetObjectVersion" if obj.version_id else "s3:GetObject"
        read = partial(self._clients.s3.head_object, **_parameters(obj), **if_match)
        response = _call("HeadObject", read, missing, permission, obj)
        if response is None:
            return None
        return ObjectHead(
            obj=S3Object(obj.bucket, obj.key, response.get("VersionId") or obj.version_id),
            content=_content(response),
            metadata=response["Metadata"],
            has_tags=_tag_count(response) > 0,
        )

    def missing_part(self, obj: S3Object) -> S3Object | None:
        """Return the part of an object that does not exist: the whole object, this version, or None."""
        current = self._find(obj.without_version)
        if current is None:
            return obj.without_version
        return None if not obj.without_null_version.version_id or current == obj or self._find(obj) else obj

    def exists(self, link: Link) -> bool:
        """Whether the link's own object exists, current or not: its version, or the `null` version with its eTag."""
        if link.obj.version_id:
            return self._find(link.obj) is not None
        if link.content is None:
            return False
        return self._find(replace(link.obj, version_id="null"), link.content.etag) is not None

    def _find(self, obj: S3Object, etag: str | None = None) -> S3Object | None:
        """Return the object as S3 names it, or as it is named here where S3 cannot read it; None if it is missing."""
        try:
            head = self.head(obj, etag)
        except RequestRejectedError:
            return obj
        return head.obj if head else None

    def tags(self, obj: S3Object) -> dict[str, str] | None:
        """Read the tags of the object's version, or of the current object; None where it does not exist."""
        permission = "s3:GetObjectVersionTagging" if obj.version_id else "s3:GetObjectTagging"
        read = partial(self._clients.s3.get_object_tagging, **_parameters(obj))
        response = _call("GetObjectTagging", read, {404, 405}, permission, obj)
        return None if response is None else {tag["Key"]: tag["Value"] for tag in response["TagSet"]}


def _content(response: dict[str, Any]) -> Content:
    """The content. Its eTag is not a digest after a multipart upload, or with SSE-KMS or SSE-C.

    Source: Amazon S3 API Reference, "Object".
    """
    etag = response["ETag"].strip('"')
    encrypted = response.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in response
    return Content(etag, response.get("ContentLength"), etag_is_digest="-" not in etag and not encrypted)


def _tag_count(response: dict[str, Any]) -> int:
    """The number of tags; an older botocore knows its header only."""
    header = response["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-tagging-count", 0)
    return int(response.get("TagCount", header))


def _parameters(obj: S3Object) -> dict[str, Any]:
    parameters = {"Bucket": obj.bucket, "Key": obj.key}
    return parameters | {"VersionId": obj.version_id} if obj.version_id else parameters


def _call(operation: str, call: Callable[[], Any], missing: set[int], permission: str, obj: S3Object) -> Any:  # noqa: ANN401 (a response of S3)
    """Call S3; None for a status that means missing."""
    with unavailable_as(Reason.OBJECT_UNKNOWN, f"S3 {operation}"):
        try:
            return call()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status in missing:
                return None
            if status == 400 and operation == "HeadObject":
                raise RequestRejectedError(
                    Reason.SSE_C_OBJECT, f"S3 answered 400 to HeadObject; {_SSE_C_WAY_OUT}"
                ) from None
            if status == 403:
                need = f"{permission} and s3:ListBucket on the bucket {obj.bucket}"
                detail = f"S3 answered 403 to {operation}; the function's role needs {need}{_OTHER_ACCOUNT}"
                raise DependencyUnavailable(Reason.OBJECT_UNKNOWN, detail) from None
            raise
