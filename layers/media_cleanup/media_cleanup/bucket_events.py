"""Decides which event types of a bucket reach the application, by the bucket's notification settings. Pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

DELETIONS = frozenset({"s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"})  # ObjectRemoved does not include expirations
STORES = frozenset({"s3:ObjectCreated:*", "s3:ObjectTagging:Put"})
_KINDS = {
    "s3:ObjectRemoved:*": {"s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"},
    "s3:LifecycleExpiration:*": {"s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated"},
    "s3:ObjectTagging:Put": {"s3:ObjectTagging:*"},
}


@dataclass(frozen=True, slots=True)
class Destination:
    """A queue, function or topic that a bucket notifies, and of what: event types, key prefix and key suffix."""

    arn: str
    events: frozenset[str]
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Notifications:
    """A bucket's notification settings."""

    eventbridge: bool
    destinations: tuple[Destination, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """The events that a bucket should send: these types, of keys with this prefix, to these queues and functions.

    `queue_urls` and `function_arns` name the application's own. A topic counts as a destination too: its subscribers
    are unknown. `eventbridge` is True where the application has EventBridge rules for the bucket.
    """

    events: frozenset[str]
    prefix: str
    queue_urls: frozenset[str]
    function_arns: frozenset[str]
    eventbridge: bool

    def missing_events(self, notifications: Notifications) -> frozenset[str]:
        """Return the event types that do not reach the application."""
        if self.eventbridge and notifications.eventbridge:
            return frozenset()
        sent: set[str] = set()
        for destination in notifications.destinations:
            if self._is_ours(destination.arn) and self._covers_prefix(destination):
                sent |= destination.events
        return frozenset(event for event in self.events if not _is_sent(event, sent))

    def _is_ours(self, arn: str) -> bool:
        if arn.split(":")[2] == "sns":
            return True
        owned = {tuple(url.split("/")[-2:]) for url in self.queue_urls}  # account and name
        return arn in self.function_arns or tuple(arn.split(":")[-2:]) in owned

    def _covers_prefix(self, destination: Destination) -> bool:
        return self.prefix.startswith(destination.prefix) and not destination.suffix


def _is_sent(event: str, sent: AbstractSet[str]) -> bool:
    """Whether an event type is sent: by its own name, or by all of its kinds."""
    return event in sent or (event in _KINDS and sent >= _KINDS[event])
