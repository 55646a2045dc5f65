"""The record of the hourly check: one item of the media index table, whose key no object can have."""

from dataclasses import dataclass
from typing import Any

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.outcome import Reason

_KEY = {"object": {"S": "sweep"}, "link": {"S": "check"}}


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """The findings of the last check that the next one compares with.

    `unreadable` names the buckets whose notifications could not be read; `dry_run_since_s` is the time of the first
    check of the current dry run, as Unix seconds.
    """

    unreadable: frozenset[str] = frozenset()
    dry_run_since_s: int | None = None


class CheckRecords:
    """Loads and saves the record in the table of this name. Each method raises DependencyUnavailable."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def load(self) -> CheckRecord:
        """Return the record, an empty one before the first check."""
        with unavailable_as(Reason.INDEX_UNREACHABLE, f"the table {self._table}"):
            response = self._clients.dynamodb.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True)
        item: dict[str, Any] = response.get("Item", {})
        since_s = int(item["dry_run_since_s"]["N"]) if "dry_run_since_s" in item else None
        return CheckRecord(frozenset(item["unreadable"]["SS"] if "unreadable" in item else ()), since_s)

    def save(self, record: CheckRecord) -> None:
        """Save the record."""
        item: dict[str, Any] = dict(_KEY)
        item |= {"unreadable": {"SS": sorted(record.unreadable)}} if record.unreadable else {}  # no empty sets
        item |= {"dry_run_since_s": {"N": str(record.dry_run_since_s)}} if record.dry_run_since_s is not None else {}
        with unavailable_as(Reason.INDEX_UNREACHABLE, f"the table {self._table}"):
            self._clients.dynamodb.put_item(TableName=self._table, Item=item)
