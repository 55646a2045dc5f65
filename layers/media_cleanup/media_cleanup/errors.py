"""Errors of this application.

MediaCleanupError
├── SettingsError             an environment variable is missing or invalid
├── InvalidMediaError         a business phone or Media-ID that no media file can have
├── InvalidObjectError        a bucket, key or version id that no object can have
├── MalformedError            an event or message of no known form
├── UnreadableObjectError     an object whose state S3 can never tell the functions
├── RequestsFailedError       requests without a queue failed; Lambda retries the event
└── DependencyUnavailable     AWS or NXCloud cannot be used now; carries the reason

Every message says what happened, to which thing, and what to do. None holds a secret or a signature.
"""

from media_cleanup.outcome import Reason


class MediaCleanupError(Exception):
    """Base class."""


class SettingsError(MediaCleanupError):
    """An environment variable is missing or invalid: the message names it, and says what to set."""


class InvalidMediaError(MediaCleanupError, ValueError):
    """A business phone or a Media-ID that no media file can have."""


class InvalidObjectError(MediaCleanupError, ValueError):
    """A bucket, key or version id that no object can have."""


class MalformedError(MediaCleanupError, ValueError):
    """An event or message of no known form."""


class UnreadableObjectError(MediaCleanupError):
    """An object whose state S3 can never tell the functions; the request is rejected."""


class RequestsFailedError(MediaCleanupError):
    """Requests without a queue failed: Lambda retries the event, then sends it to the failure destination."""


class DependencyUnavailable(MediaCleanupError):  # noqa: N818 (a state of the dependency, as the result's reason names it)
    """AWS or NXCloud cannot be used now. `reason` and `detail` become those of the request's result."""

    def __init__(self, reason: Reason, detail: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
