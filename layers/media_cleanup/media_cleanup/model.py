"""Validated values: media files, S3 objects, and the links between them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from media_cleanup.errors import InvalidMediaError, InvalidObjectError

MEDIA_ID_LABEL = "whatsapp-media-id"
BUSINESS_PHONE_LABEL = "whatsapp-business-phone"
_NAME = re.compile(r"[!-~]{1,128}")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
_MAX_KEY_BYTES = 1024
_VERSION_ID = re.compile(r"[!-~]{1,1024}")


@dataclass(frozen=True, slots=True)
class Media:
    """A media file: the business phone's digits with country code, and the Media-ID."""

    business_phone: str
    media_id: str

    @classmethod
    def parse(cls, business_phone: object, media_id: object) -> "Media":
        """Validate the names; a leading plus of the phone is dropped. Raises InvalidMediaError."""
        if isinstance(business_phone, str):
            business_phone = business_phone.removeprefix("+")
        return cls(_validate_name("business_phone", business_phone), _validate_name("media_id", media_id))


@dataclass(frozen=True, slots=True)
class S3Object:
    """An S3 object; `version_id` is None where the bucket has no versions."""

    bucket: str
    key: str
    version_id: str | None = None

    @classmethod
    def parse(cls, bucket: object, key: object, version_id: object = None) -> "S3Object":
        """Validate the names. Raises InvalidObjectError."""
        if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket):
            raise InvalidObjectError("the bucket name must be 3 to 255 letters, digits, dots, hyphens or underscores")
        if not isinstance(key, str) or not 1 <= _utf8_length(key) <= _MAX_KEY_BYTES:
            raise InvalidObjectError(f"the key must be text of 1 to {_MAX_KEY_BYTES} bytes in UTF-8")
        # S3 names the version "null", or omits it, where the object was stored without versioning
        if version_id in (None, "", "null"):
            return cls(bucket, key)
        if not isinstance(version_id, str) or not _VERSION_ID.fullmatch(version_id):
            raise InvalidObjectError("the version id must be 1 to 1024 printable ASCII characters without spaces")
        return cls(bucket, key, version_id)


@dataclass(frozen=True, slots=True)
class Link:
    """A link: this object, in this version or with this eTag, stands for that media file.

    `sequencer` is that of the event that made the link, None where it came from tags or a message.
    """

    obj: S3Object
    etag: str | None
    media: Media
    sequencer: str | None = None


def media_in_key(key: str, pattern: re.Pattern[str], default_business_phone: str | None) -> Media | None:
    """Return the media file that a decoded key names, or None. Raises InvalidMediaError for half a name."""
    match = pattern.search(key)
    if match is None or match["media_id"] is None:
        return None
    business_phone = match.groupdict().get("business_phone") or default_business_phone
    if business_phone is None:
        raise InvalidMediaError("the key names no business_phone, and DEFAULT_BUSINESS_PHONE is not set")
    return Media.parse(business_phone, match["media_id"])


def media_in_labels(
    labels: Iterable[Mapping[str, str]], default_business_phone: str | None
) -> tuple[list[Media], list[InvalidMediaError]]:
    """Return the media files that metadata and tags name, ids separated by spaces, and the errors of invalid ones."""
    media, errors = [], []
    for each in labels:
        business_phone = each.get(BUSINESS_PHONE_LABEL, "").strip() or default_business_phone
        for media_id in each.get(MEDIA_ID_LABEL, "").split():
            try:
                media.append(_parse_label(business_phone, media_id))
            except InvalidMediaError as error:
                errors.append(error)
    return list(dict.fromkeys(media)), errors


def _parse_label(business_phone: str | None, media_id: str) -> Media:
    if business_phone is None:
        raise InvalidMediaError(f"{BUSINESS_PHONE_LABEL} is missing, and DEFAULT_BUSINESS_PHONE is not set")
    return Media.parse(business_phone, media_id)


def _validate_name(name: str, value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidMediaError(f"{name} must be 1 to 128 printable ASCII characters without spaces")
    return value


def _utf8_length(text: str) -> int:
    """The length in bytes; 0 for text with lone surrogates, which has no UTF-8 encoding."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0
