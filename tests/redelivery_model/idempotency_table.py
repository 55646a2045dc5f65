"""A fake of the idempotency table as Powertools uses it, its times moved from the machine's clock to the model's."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.redelivery_model.queue import Clock

POWERTOOLS_CONDITION = (
    "attribute_not_exists(#id) OR #expiry < :now OR (#status = :inprogress AND "
    "attribute_exists(#in_progress_expiry) AND #in_progress_expiry < :now_in_millis)"
)
LIMIT_CONDITION = "attribute_not_exists(deletions) OR deletions < :limit"
_UNIT_MS = {
    "expiration": 1000,
    "in_progress_expiration": 1,
    ":now": 1000,
    ":now_in_millis": 1,
    ":expiry": 1000,
}


class FakeIdempotencyTable:
    """A client of DynamoDB with one table.

    Powertools reads the machine's clock, and takes no other. So the times that it writes and compares are moved by as
    much as the model's clock was ahead at that moment, and those that it reads are moved back. `call` surrounds each
    effect.
    """

    def __init__(self, clock: Clock, call: Callable[[str], AbstractContextManager[None]]) -> None:
        self._clock = clock
        self._call = call
        self._items: dict[str, dict[str, Any]] = {}

    def put_item(self, **parameters: Any) -> None:  # noqa: ANN401 (boto3's parameters)
        """Write a record, unless there is one that may not be replaced."""
        ahead_ms = self._ahead_ms()
        key, item = parameters["Item"]["id"]["S"], _moved(parameters["Item"], ahead_ms)
        values = _moved(parameters["ExpressionAttributeValues"], ahead_ms)
        if parameters["ConditionExpression"] != POWERTOOLS_CONDITION:
            raise AssertionError(f"Powertools has changed its condition: {parameters['ConditionExpression']}")
        with self._call("put_item"):
            existing = self._items.get(key)
            if existing and not _may_be_replaced(existing, values):
                error = {"Error": {"Code": "ConditionalCheckFailedException"}}
                old = _moved(existing, -self._ahead_ms())
                raise ClientError(error | {"Item": old}, "PutItem")  # type: ignore[arg-type]  # as DynamoDB answers
            self._items[key] = item

    def get_item(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 (boto3's parameters)
        """Read a record."""
        with self._call("get_item"):
            item = self._items.get(parameters["Key"]["id"]["S"])
            return {} if item is None else {"Item": _moved(item, -self._ahead_ms())}

    def update_item(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 (boto3's parameters)
        """Set a record's attributes, and add to its numbers and sets of numbers."""
        values = _moved(parameters["ExpressionAttributeValues"], self._ahead_ms())
        names = parameters.get("ExpressionAttributeNames", {})
        assigned, _, added = parameters["UpdateExpression"].removeprefix("SET ").partition(" ADD ")
        with self._call("update_item" if names else "add"):
            item = self._items.setdefault(parameters["Key"]["id"]["S"], dict(parameters["Key"]))
            if "ConditionExpression" in parameters and int(item.get("deletions", {"N": "0"})["N"]) >= _limit(
                parameters
            ):
                raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")
            for name, value in (pair.split(" = ") for pair in assigned.split(", ")):
                item[names.get(name, name)] = values[value]
            for name, value in (pair.split(" ") for pair in added.split(", ") if pair):
                item[name] = _sum(item.get(name, {}), values[value])
            return {"Attributes": item}

    def delete_item(self, **parameters: Any) -> None:  # noqa: ANN401 (boto3's parameters)
        """Remove a record."""
        with self._call("delete_item"):
            self._items.pop(parameters["Key"]["id"]["S"], None)

    def fill(self, key: str, attributes: dict[str, Any]) -> None:
        """Set a record's attributes, as other invocations would."""
        self._items[key] = {"id": {"S": key}} | attributes

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """Return a media index without links: the index has tests of its own."""
        return SimpleNamespace(paginate={"query": lambda **_: [{"Items": []}]}[operation])

    def _ahead_ms(self) -> int:
        return self._clock.now_s * 1000 - time.time_ns() // 1_000_000


def _limit(parameters: dict[str, Any]) -> int:
    if parameters["ConditionExpression"] != LIMIT_CONDITION:
        raise AssertionError(f"an unknown condition: {parameters['ConditionExpression']}")
    return int(parameters["ExpressionAttributeValues"][":limit"]["N"])


def _sum(old: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """Add as DynamoDB's ADD does."""
    if "NS" in added:
        return {"NS": sorted({*old.get("NS", []), *added["NS"]})}
    return {"N": str(int(old.get("N", "0")) + int(added["N"]))}


def _moved(values: dict[str, Any], by_ms: int) -> dict[str, Any]:
    """Return the same attributes, with all times moved."""
    return {
        name: {"N": str(float(value["N"]) + by_ms / _UNIT_MS[name])} if name in _UNIT_MS else value
        for name, value in values.items()
    }


def _may_be_replaced(existing: dict[str, Any], values: dict[str, Any]) -> bool:
    """Evaluate the condition for an existing record."""
    if float(existing["expiration"]["N"]) < float(values[":now"]["N"]):
        return True
    in_progress = existing["status"] == values[":inprogress"] and "in_progress_expiration" in existing
    return in_progress and float(existing["in_progress_expiration"]["N"]) < float(values[":now_in_millis"]["N"])
