"""The requests that triggers deliver, whatever their envelope."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media, S3Object
from media_cleanup.outcome import Reason

# Time reserves: how much of the invocation has to be left. Those of NXCloud's calls are in seconds, as in its client:
#   MIN_STEP_MS                         to begin a step: a few calls to AWS and one to NXCloud; else it is redelivered
#   MIN_AWS_CALL_MS                     to begin a call to AWS after which nothing but the response to Lambda remains
#   FINISH_MS_PER_REQUEST               for a request's log line and metrics; thousands of parts take seconds
#   gateway.py: MIN_NXCLOUD_CALL_S      to begin a call to NXCloud, beyond FINISH_S
#   sweep_index.py: FINISH_MS           for the grace period and the deletion requests of a slice
#   gateway.py, absence.py: FINISH_S    after a call or an experiment: records, links, log lines, dead letters, response
MIN_STEP_MS = 6_000
MIN_AWS_CALL_MS = 2_000
FINISH_MS_PER_REQUEST = 2
QUEUE_RETENTION_S = 10 * 24 * 3600  # of both queues, which delete older messages; a test compares it with the template


class ObjectEventType(StrEnum):
    """The type of an object event.

    `requested` is a message or task that names an object; `unsupported_removal` is a deletion in a form that does not
    say enough, such as CloudTrail's.
    """

    CREATED = "created"
    REMOVED = "removed"
    TAGGED = "tagged"
    REQUESTED = "requested"
    UNSUPPORTED_REMOVAL = "unsupported_removal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """An event of S3, or a request that names an object; `name` is the sender's name of the event.

    `obj` has a version where one version is meant; an event that created a delete marker means none. It is None where
    an event other than a removal has no valid object.
    """

    type: ObjectEventType
    name: str
    obj: S3Object | None
    etag: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A request to link an object to a media file."""

    obj: S3Object
    media: Media


@dataclass(frozen=True, slots=True)
class Ignored:
    """A valid event that asks for nothing."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Malformed:
    """An event or message of no known form, with the error."""

    detail: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a deletion or a link, and why, as far as the event or message says; None where it does not.

    `requester` is S3's name of the account, principal or service, `deletion_reason` S3's reason, `requested_by` the
    name in a message. `version_id` is the event's own: after the creation of a delete marker, that of the marker.
    """

    version_id: str | None = None
    requester: str | None = None
    deletion_reason: str | None = None
    requested_by: str | None = None


NO_ORIGIN = Origin()


Action = Media | ObjectEvent | LinkRequest | Ignored | Malformed


@dataclass(frozen=True, slots=True)
class Request:
    """One part of an event or message.

    `occurred_ms` is S3's time of the event, as Unix milliseconds. `message` is the part as a message of its own, None
    where the part is the whole message.
    """

    action: Action
    occurred_ms: int | None = None
    message: Mapping[str, Any] | None = None
    origin: Origin = NO_ORIGIN

    @property
    def obj(self) -> S3Object | None:
        """The object that the request is about."""
        return self.action.obj if isinstance(self.action, ObjectEvent | LinkRequest) else None


class Deadline(Protocol):
    """The end of the invocation; Lambda's context is one."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One receive of a message with its requests: `number` is 1 for the first; without SQS, there is no id.

    `reserve_ms` is the time that log lines and metrics of the whole batch take.
    """

    number: int
    deadline: Deadline
    message_id: str | None = None
    reserve_ms: int = 0

    @property
    def remaining_ms(self) -> int:
        """The milliseconds left for the request in the invocation."""
        return self.deadline.get_remaining_time_in_millis() - self.reserve_ms

    def require_time(self, least_ms: int = MIN_STEP_MS) -> None:
        """Raise DependencyUnavailable where there is too little time left to begin a step, or a call to AWS."""
        if self.remaining_ms < least_ms:
            raise DependencyUnavailable(Reason.OUT_OF_TIME)
