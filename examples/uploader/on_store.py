"""The uploader as a function: uploads each object that is stored in a bucket (../upload-on-store.yaml)."""

import json
import os
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import boto3
from botocore.exceptions import ClientError

from nxcloud import MediaClient
from nxcloud.files import UploadFile, load_file
from uploader import Account, StoredObject, Uploader, is_missing

UNKNOWN_TYPES = {"binary/octet-stream", "application/octet-stream"}  # S3's and browsers' names for "not said"


@lru_cache(maxsize=1)
def _clients() -> tuple[Any, ...]:
    return tuple(boto3.client(service) for service in ("s3", "sqs", "secretsmanager"))


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Upload the objects of SQS messages with EventBridge's "Object Created"; SQS retries what raises."""
    s3, sqs, secretsmanager = _clients()
    phone = os.environ["BUSINESS_PHONE"]
    secret = secretsmanager.get_secret_value(SecretId=os.environ["NXCLOUD_SECRET_ID"])["SecretString"]
    client = MediaClient(os.environ["NXCLOUD_BASE_URL"])
    uploader = Uploader(s3, sqs, client, Account.from_secret(phone, secret), os.environ["INDEX_QUEUE_URL"])
    for record in event["Records"]:
        detail = json.loads(record["body"])["detail"]
        stored = detail["object"]  # EventBridge's keys are not encoded
        obj = StoredObject(detail["bucket"]["name"], stored["key"], stored.get("version-id"))
        try:
            uploader.find_upload(obj) or uploader.upload(obj, _read(s3, obj, stored["etag"]))
        except ClientError as error:
            if not is_missing(error):  # else it was deleted or replaced, and nothing was uploaded
                raise


def _read(s3: Any, obj: StoredObject, etag: str) -> UploadFile:  # noqa: ANN401 (boto3 creates clients at run time)
    """Read the content that the event is about, not a later one."""
    response = s3.get_object(**obj.parameters, IfMatch=f'"{etag}"')
    mime_type = None if response["ContentType"] in UNKNOWN_TYPES else response["ContentType"]
    return load_file(response["Body"], PurePosixPath(obj.key).name, mime_type)
