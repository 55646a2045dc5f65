"""Asks for deletions: by a message to the deletion queue, so that each goes the way that all go."""

import json

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.aws import Aws
from media_cleanup.media import S3Object


class RequestNotSentError(Exception):
    """The deletion queue did not take a request this time."""


def ask_for_deletion(aws: Aws, queue_url: str, file: S3Object) -> str:
    """Asks that whatever an object, or a version of it, stood for be deleted; returns the message's id.

    Raises RequestNotSentError.
    """
    message = {"bucket": file.bucket, "key": file.key}
    message |= {"version_id": file.version_id} if file.version_id else {}
    try:
        return aws.sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps(message))["MessageId"]
    except ClientError as error:
        raise RequestNotSentError(f"SQS answered {error.response['Error']['Code']}") from None
    except BotoCoreError as error:
        raise RequestNotSentError(f"SQS did not answer: {type(error).__name__}") from None
