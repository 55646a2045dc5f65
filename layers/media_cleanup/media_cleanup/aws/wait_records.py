"""Records the receives of a message that only waited, in the idempotency table."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.outcome import Reason
from media_cleanup.request import QUEUE_RETENTION_S

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import UniversalAttributeValueTypeDef


class WaitRecords:
    """The records in the table of this name, one item for each message. Each method raises DependencyUnavailable.

    The item has the numbers of the receives, not their count, so that a repeated write changes nothing.
    """

    def __init__(self, clients: AwsClients, table: str, now_s: Callable[[], float] = time.time) -> None:
        self._clients = clients
        self._table = table
        self._now_s = now_s

    def add(self, message_id: str, receive: int) -> None:
        """Record a receive that only waited, for as long as the queue keeps the message."""
        expiration = str(int(self._now_s()) + QUEUE_RETENTION_S)
        with unavailable_as(Reason.IDEMPOTENCY_UNREACHABLE, f"the table {self._table}"):
            self._clients.dynamodb.update_item(
                TableName=self._table,
                Key=_key(message_id),
                UpdateExpression="SET expiration = :expiration ADD waits :receive",
                ExpressionAttributeValues={":expiration": {"N": expiration}, ":receive": {"NS": [str(receive)]}},
            )

    def count(self, message_id: str) -> int:
        """Return the number of the message's receives that only waited."""
        with unavailable_as(Reason.IDEMPOTENCY_UNREACHABLE, f"the table {self._table}"):
            response = self._clients.dynamodb.get_item(TableName=self._table, Key=_key(message_id), ConsistentRead=True)
        return len(response["Item"]["waits"]["NS"]) if "Item" in response else 0


def _key(message_id: str) -> "dict[str, UniversalAttributeValueTypeDef]":
    return {"id": {"S": f"waits#{message_id}"}}
