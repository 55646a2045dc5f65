"""Looks at objects in S3 as they are now."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.aws import Aws
from media_cleanup.media import S3Object


class ObjectUnknownError(Exception):
    """S3 did not say what it was asked."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a HEAD tells of an object; `file` names the version that was seen."""

    file: S3Object
    etag: str
    metadata: dict[str, str]


class Objects:
    """Reads S3, which is strongly consistent: what was stored or deleted before is seen.

    S3 answers 404 to a role that may list the bucket, and 403 to one that may not, which tells nothing (source: Amazon
    S3 API Reference, "HeadObject").
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def look_at(self, file: S3Object, etag: str | None = None) -> Seen | None:
        """The object, in its version where it names one, else the current one; None where it cannot be read.

        With an `etag`, another content than that counts as None. Raises ObjectUnknownError.
        """
        gone = {404} | ({405} if file.version_id else set()) | ({412} if etag else set())  # 405: it is a delete marker
        match: dict[str, Any] = {"IfMatch": f'"{etag}"'} if etag else {}
        permission = "s3:GetObjectVersion" if file.version_id else "s3:GetObject"
        answer = _ask(partial(self._aws.s3.head_object, **_named(file), **match), gone, "HeadObject", permission, file)
        if answer is None:
            return None
        return Seen(
            file=S3Object.checked(file.bucket, file.key, answer.get("VersionId")),
            etag=answer["ETag"].strip('"'),
            metadata={name.lower(): value for name, value in answer["Metadata"].items()},
        )

    def gone_part(self, file: S3Object) -> S3Object | None:
        """What of an object is gone: all of it, else this version of it, else nothing. Raises ObjectUnknownError."""
        seen = self.look_at(current := S3Object(file.bucket, file.key))
        if seen is None:
            return current
        there = not file.version_id or seen.file == file or self.look_at(file)
        return None if there else file

    def tags_of(self, file: S3Object) -> dict[str, str] | None:
        """The object's tags, likewise; None where it cannot be read. Raises ObjectUnknownError."""
        permission = "s3:GetObjectVersionTagging" if file.version_id else "s3:GetObjectTagging"
        read = partial(self._aws.s3.get_object_tagging, **_named(file))
        answer = _ask(read, {404, 405}, "GetObjectTagging", permission, file)
        return None if answer is None else {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _named(file: S3Object) -> dict[str, Any]:
    name = {"Bucket": file.bucket, "Key": file.key}
    return name | {"VersionId": file.version_id} if file.version_id else name


def _ask(ask: Callable[[], Any], gone: set[int], what: str, permission: str, file: S3Object) -> Any:  # noqa: ANN401 (what S3 answers)
    try:
        return ask()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status in gone:
            return None
        if status == 403:
            need = f"{permission} and s3:ListBucket on the bucket {file.bucket}"
            raise ObjectUnknownError(f"S3 answered 403 to {what}; the function's role needs {need}") from None
        raise ObjectUnknownError(f"S3 answered {status} to {what}") from None
    except BotoCoreError as error:
        raise ObjectUnknownError(f"{what} failed: {type(error).__name__}") from None
