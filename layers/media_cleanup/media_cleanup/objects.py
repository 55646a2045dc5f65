"""Looks at objects in S3 as they are now."""

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup import aws
from media_cleanup.media import S3Object


class ObjectUnknownError(Exception):
    """S3 did not say whether an object can be read."""


def is_readable(file: S3Object) -> bool:
    """Whether the object, in its current version, can be read. Raises ObjectUnknownError.

    S3 answers 404 to a role that may list the bucket, and 403 to one that may not, which tells nothing (source: Amazon
    S3 API Reference, "HeadObject").
    """
    try:
        aws.s3().head_object(Bucket=file.bucket, Key=file.key)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return False
        if status == 403:
            need = f"s3:GetObject and s3:ListBucket on the bucket {file.bucket}"
            raise ObjectUnknownError(f"S3 answered 403 to HeadObject; the function's role needs {need}") from None
        raise ObjectUnknownError(f"S3 answered {status} to HeadObject") from None
    except BotoCoreError as error:
        raise ObjectUnknownError(f"HeadObject failed: {type(error).__name__}") from None
    return True
