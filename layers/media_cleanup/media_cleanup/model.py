"""Validated values: media files, S3 objects, and the links between them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header

from media_cleanup.errors import InvalidMediaError, InvalidObjectError
from media_cleanup.masking import mask_number

MEDIA_ID_LABEL = "whatsapp-media-id"
BUSINESS_PHONE_LABEL = "whatsapp-business-phone"
MIN_DIGITS_IN_ID = 10  # fewer can be a part of any Media-ID
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

    @property
    def shown_id(self) -> str:
        """The Media-ID as logs show it: without the business phone, which only a mistake can have put into it."""
        number = self.business_phone
        return self.media_id.replace(number, mask_number(number)) if len(number) >= MIN_DIGITS_IN_ID else self.media_id


@dataclass(frozen=True, slots=True)
class S3Object:
    """An S3 object; `version_id` is None where the bucket has no versions.

    S3 names the version `null` that was stored before versioning, or while it was suspended: a name to read by, which
    many objects share one after another.
    """

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
        if version_id in (None, ""):
            return cls(bucket, key)
        if not isinstance(version_id, str) or not _VERSION_ID.fullmatch(version_id):
            raise InvalidObjectError("the version id must be 1 to 1024 printable ASCII characters without spaces")
        return cls(bucket, key, version_id)

    @property
    def without_null_version(self) -> "S3Object":
        """The object as links identify it: `null` is not a version: its objects are distinguished by eTag."""
        return S3Object(self.bucket, self.key) if self.version_id == "null" else self

    @property
    def without_version(self) -> "S3Object":
        """The object without a version."""
        return S3Object(self.bucket, self.key)


@dataclass(frozen=True, slots=True)
class Content:
    """The content of an object, as far as S3 shows it; without `etag_is_digest`, the same content may differ in eTag.

    `size` is in bytes, None where it is unknown.
    """

    etag: str
    size: int | None = None
    etag_is_digest: bool = True

    def equals(self, other: "Content | None") -> bool:
        """Whether the contents are the same: by eTag or, where an eTag is not a digest, by size."""
        if other is None or self.etag == other.etag:
            return other is not None
        return not (self.etag_is_digest and other.etag_is_digest) and self.size == other.size and self.size is not None


@dataclass(frozen=True, slots=True)
class Link:
    """A link: this object, in this version or with this content, stands for that media file.

    `content` is None where the object was gone before it could be read. `sequencer` is that of the event that made the
    link, None where it came from tags or a message. `refused`: NXCloud refused the media file's deletion permanently.
    """

    obj: S3Object
    content: Content | None
    media: Media
    sequencer: str | None = None
    refused: bool = False


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
    """Return the media files that metadata and tags name, and the errors of invalid ones.

    Names match in any letter case. Ids are separated by spaces, or by commas where S3 joined repeated headers.
    """
    media_files, errors = [], []
    for each in labels:
        try:
            media_ids = _label(each, MEDIA_ID_LABEL)
            business_phone = _business_phone(each, default_business_phone) if media_ids else ""
        except InvalidMediaError as error:
            errors.append(error)
            continue
        for media_id in media_ids:
            try:
                media_files.append(Media.parse(business_phone, media_id))
            except InvalidMediaError as error:
                errors.append(error)
    return list(dict.fromkeys(media_files)), errors


def _business_phone(labels: Mapping[str, str], default_business_phone: str | None) -> str:
    match _label(labels, BUSINESS_PHONE_LABEL):
        case [business_phone]:
            return business_phone
        case []:
            if default_business_phone is None:
                raise InvalidMediaError(f"{BUSINESS_PHONE_LABEL} is missing, and DEFAULT_BUSINESS_PHONE is not set")
            return default_business_phone
        case _:
            raise InvalidMediaError(f"{BUSINESS_PHONE_LABEL} must be one number without spaces")


def _label(labels: Mapping[str, str], name: str) -> list[str]:
    """The distinct words of a label, decoded, without invisible characters."""
    values = (_decode_words(name, value) for label, value in labels.items() if label.lower() == name)
    words = (word for value in values for word in re.split(r"[\s,]+", _strip_invisible(value)) if word)
    return list(dict.fromkeys(words))


def _strip_invisible(text: str) -> str:
    """Remove control and format characters, such as a byte order mark or the direction marks of a copied number."""
    return "".join(each for each in text if each.isspace() or unicodedata.category(each) not in {"Cc", "Cf"})


def _decode_words(name: str, value: str) -> str:
    """Decode RFC 2047 encoded words, as which S3 returns metadata beyond ASCII."""
    try:
        decoded = str(make_header(decode_header(value))) if "=?" in value else value
    except (ValueError, LookupError, MessageError):
        decoded = "=?"
    if "=?" in decoded:  # decode_header leaves an incomplete word as it is
        raise InvalidMediaError(f"{name} is not a valid RFC 2047 encoded word")
    return decoded


def _validate_name(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidMediaError(f"{name} must be text, not JSON of the type {type(value).__name__}")
    if not _NAME.fullmatch(value):
        raise InvalidMediaError(f"{name} must be 1 to 128 printable ASCII characters without spaces")
    return value


def _utf8_length(text: str) -> int:
    """The length in bytes; 0 for text with lone surrogates, which has no UTF-8 encoding."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0
