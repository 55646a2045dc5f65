"""The sweep's checkpoint: one item of the media index table, whose key no object can have."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.aws.media_index import ItemKey
from media_cleanup.outcome import Reason

_KEY = {"object": {"S": "sweep"}, "link": {"S": "sweep"}}


@dataclass(frozen=True, slots=True)
class SweepCheckpoint:
    """The progress of a pass: everything up to `after` is done, nothing yet where that is None.

    `started_s` is the start of the pass, as Unix seconds; `revision` counts the writes.
    """

    started_s: int
    after: ItemKey | None = None
    finished: bool = False
    revision: int = 0


class SweepCheckpoints:
    """Loads and saves the checkpoint in the table of this name. Each method raises DependencyUnavailable."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def load(self) -> SweepCheckpoint | None:
        """Return the checkpoint, None before the first pass."""
        with unavailable_as(Reason.INDEX_UNREACHABLE, f"the table {self._table}"):
            response = self._clients.dynamodb.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True)
        item: dict[str, Any] | None = response.get("Item")
        if item is None:
            return None
        after = ItemKey(item["after_object"]["S"], item["after_link"]["S"]) if "after_object" in item else None
        revision = int(item["revision"]["N"]) if "revision" in item else 0
        return SweepCheckpoint(int(item["began_s"]["N"]), after, item["ended"]["BOOL"], revision)

    def save(self, checkpoint: SweepCheckpoint) -> bool:
        """Save the successor of the checkpoint with this revision. False if another slice has saved one meanwhile."""
        after = checkpoint.after
        item: dict[str, Any] = _KEY | {
            "began_s": {"N": str(checkpoint.started_s)},
            "ended": {"BOOL": checkpoint.finished},
            "revision": {"N": str(checkpoint.revision + 1)},
        }
        item |= {"after_object": {"S": after.object}, "after_link": {"S": after.link}} if after else {}
        with unavailable_as(Reason.INDEX_UNREACHABLE, f"the table {self._table}"):
            try:
                self._clients.dynamodb.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(revision) OR revision = :loaded",
                    ExpressionAttributeValues={":loaded": {"N": str(checkpoint.revision)}},
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                return False
        return True
