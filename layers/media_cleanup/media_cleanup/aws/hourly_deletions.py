"""Counts the deletions of each hour, in the idempotency table."""

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.brake import HOUR_S
from media_cleanup.outcome import Reason

KEPT_HOURS = 48


class HourlyDeletions:
    """The counter in the table of this name, one item for each hour, of which at most `limit` are granted."""

    def __init__(self, clients: AwsClients, table: str, limit: int) -> None:
        self._clients = clients
        self._table = table
        self._limit = limit

    def reserve(self, hour: int, count: int) -> int:
        """Reserve deletions of an hour since 1970. Returns how many there were; raises DependencyUnavailable."""
        with unavailable_as(Reason.IDEMPOTENCY_UNREACHABLE, f"the table {self._table}"):
            before = self._add(hour, count)
        return min(count, self._limit - before)

    def _add(self, hour: int, count: int) -> int:
        """Count deletions, unless the limit is reached. Returns the number before."""
        try:
            response = self._clients.dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": f"deletions#{hour}"}},
                UpdateExpression="SET expiration = :expiration ADD deletions :count",
                ConditionExpression="attribute_not_exists(deletions) OR deletions < :limit",
                ExpressionAttributeValues={
                    ":expiration": {"N": str((hour + KEPT_HOURS) * HOUR_S)},
                    ":count": {"N": str(count)},
                    ":limit": {"N": str(self._limit)},
                },
                ReturnValues="UPDATED_NEW",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return self._limit
        return int(response["Attributes"]["deletions"]["N"]) - count
