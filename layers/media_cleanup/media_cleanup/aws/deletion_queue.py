"""Requests deletions by messages to the deletion queue, so that every deletion takes the same path."""

import json

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.model import S3Object
from media_cleanup.outcome import Reason


class DeletionQueue:
    """The deletion queue, as its senders use it."""

    def __init__(self, clients: AwsClients, url: str) -> None:
        self._clients = clients
        self._url = url

    def request_deletion(self, obj: S3Object) -> str:
        """Request the deletion of what an object, or one version, stood for. Returns the message id.

        Raises DependencyUnavailable.
        """
        message = {"bucket": obj.bucket, "key": obj.key}
        message |= {"version_id": obj.version_id} if obj.version_id else {}
        with unavailable_as(Reason.DELETION_NOT_ASKED, "SQS"):
            return self._clients.sqs.send_message(QueueUrl=self._url, MessageBody=json.dumps(message))["MessageId"]
