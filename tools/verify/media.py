"""Media files for the steps: uploaded to the stack's NXCloud, or, for a dry run, ids that name none."""

import uuid
from typing import Protocol

from media_cleanup.masking import mask_numbers
from nxcloud import Credentials, MediaClient, NxCloudError, RequestFailedError
from tools.program import ToolError

REAL_HOST = "nxcloud.com"
# The smallest PNG: one transparent pixel
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000020001"
    "e221bc330000000049454e44ae426082"
)


def is_real(host: str) -> bool:
    """Whether a host is NXCloud's own, where real media files are at stake."""
    host = host.removesuffix(".")  # of the root of the name system
    return host == REAL_HOST or host.endswith(f".{REAL_HOST}")


class MediaSource(Protocol):
    """Media files of one business phone, and the outcome that their deletion has."""

    business_phone: str
    deletion: tuple[str, str | None]

    def add(self, name: str) -> str:
        """Add a media file, and return its Media-ID."""

    def exists(self, media_id: str) -> bool | None:
        """Whether NXCloud has the media file; None where it is not asked."""

    def remove_all(self) -> None:
        """Remove all media files that were added and still exist."""


class UploadedMedia:
    """Media files at the NXCloud that the stack calls."""

    deletion: tuple[str, str | None] = ("deleted", None)

    def __init__(self, client: MediaClient, credentials: Credentials, business_phone: str) -> None:
        self.business_phone = business_phone
        self._client = client
        self._credentials = credentials
        self._added: set[str] = set()

    def add(self, name: str) -> str:
        """Upload a picture of one pixel."""
        media_id = self._client.upload_media(self._credentials, self.business_phone, _PIXEL, f"{name}.png")
        self._added.add(media_id)
        return media_id

    def exists(self, media_id: str) -> bool:
        """Ask NXCloud with `getMedia`. Raises NxCloudError where the response does not say."""
        try:
            self._client.get_media(self._credentials, self.business_phone, media_id)
        except RequestFailedError:
            return False
        return True

    def remove_all(self) -> None:
        """Delete the media files that still exist. Raises ToolError, naming those that are left."""
        left = []
        for media_id in sorted(self._added):
            try:
                self._client.delete_media(self._credentials, self.business_phone, media_id)
            except RequestFailedError:
                continue  # it is deleted already
            except NxCloudError as error:
                left.append(f"{media_id} ({mask_numbers(str(error), self.business_phone)})")
        if left:
            raise ToolError("; ".join(left))


class DryRunMedia:
    """Ids of media files that do not exist: a dry run calls nothing."""

    deletion: tuple[str, str | None] = ("skipped", "dry_run")

    def __init__(self, business_phone: str) -> None:
        self.business_phone = business_phone

    def add(self, name: str) -> str:  # noqa: ARG002 (as the protocol has it)
        """Return a new id."""
        return str(uuid.uuid4())

    def exists(self, media_id: str) -> None:  # noqa: ARG002 (as the protocol has it)
        """Return None: it is not asked."""
        return

    def remove_all(self) -> None:
        """Remove nothing."""
