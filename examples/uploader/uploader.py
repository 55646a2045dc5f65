"""Stores a file in S3, uploads it to WhatsApp and links both, in the order in which no deletion is missed.

1. Store. From now on, S3 reports the deletion of the object.
2. Upload.
3. Link, by a message to IndexQueue. If the object is gone by then, the application deletes the media file at once.
4. Remember the Media-ID in the object's tags. A repeated run finds it there, and uploads nothing.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from nxcloud import Credentials, MediaClient, NxCloudError
from nxcloud.files import UploadFile

MEDIA_ID_TAG = "whatsapp-media-id"
BUSINESS_PHONE_TAG = "whatsapp-business-phone"
MAX_TAGS = 10  # source: Amazon S3 User Guide, "Categorizing your objects using tags"


class UploadError(Exception):
    """The file cannot be uploaded; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in S3; `version_id` is None where the bucket has no versions."""

    bucket: str
    key: str
    version_id: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of S3's operations that name the object."""
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {"Bucket": self.bucket, "Key": self.key, **version}


@dataclass(frozen=True, slots=True)
class Account:
    """A business phone, and the credentials to upload under it."""

    business_phone: str
    credentials: Credentials

    @classmethod
    def from_secret(cls, business_phone: str, secret: str) -> "Account":
        """Find the credentials of a business phone in the text of the stack's secret."""
        fields = json.loads(secret)
        own = {number.strip().removeprefix("+"): pair for number, pair in (fields.get("accounts") or {}).items()}
        pair = own.get(business_phone, fields)
        return cls(business_phone, Credentials(pair["accessKey"], pair["accessSecret"]))


class Uploader:
    """Uploads under one business phone. `s3` and `sqs` are boto3's clients."""

    def __init__(self, s3: Any, sqs: Any, client: MediaClient, account: Account, index_queue_url: str) -> None:  # noqa: ANN401 (boto3 creates clients at run time)
        self._s3 = s3
        self._sqs = sqs
        self._client = client
        self._account = account
        self._index_queue_url = index_queue_url

    def store(self, file: UploadFile, bucket: str, key: str) -> StoredObject:
        """Store a file, unless the key has this content already."""
        digest = hashlib.sha256(file.content).hexdigest()
        try:
            stored = self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if not is_missing(error):
                raise
            stored = None
        if stored is None or stored["Metadata"].get("sha256") != digest:
            stored = self._s3.put_object(
                Bucket=bucket, Key=key, Body=file.content, ContentType=file.mime_type, Metadata={"sha256": digest}
            )
        return StoredObject(bucket, key, stored.get("VersionId"))

    def find_upload(self, obj: StoredObject) -> str | None:
        """Return the Media-ID of an earlier upload of the object, None without one. Raises UploadError."""
        tags = self._tags(obj)
        if MEDIA_ID_TAG not in tags and len(tags) > MAX_TAGS - 2:
            raise UploadError(f"{obj.key} has {len(tags)} tags, and needs two more: remove one or two")
        return tags.get(MEDIA_ID_TAG)

    def upload(self, obj: StoredObject, file: UploadFile) -> str:
        """Upload the file of a stored object, link both, and return the Media-ID.

        Where the link cannot be written, the media file is deleted again: no deletion of the object would reach it.
        """
        account = self._account
        media_id = self._client.upload_media(
            account.credentials, account.business_phone, file.content, file.name, file.mime_type
        )
        try:
            self._link(obj, media_id)
        except BaseException as error:  # Ctrl-C, too
            self._delete(media_id, error)
            raise
        self._remember(obj, media_id)
        return media_id

    def _link(self, obj: StoredObject, media_id: str) -> None:
        media = {"business_phone": self._account.business_phone, "media_id": media_id}
        link = {"bucket": obj.bucket, "key": obj.key, **media}
        if obj.version_id:
            link["version_id"] = obj.version_id
        self._sqs.send_message(QueueUrl=self._index_queue_url, MessageBody=json.dumps(link))

    def _delete(self, media_id: str, cause: BaseException) -> None:
        try:
            self._client.delete_media(self._account.credentials, self._account.business_phone, media_id)
        except NxCloudError as error:
            cause.add_note(f"the media file {media_id} is not linked, and could not be deleted: {error}; delete it")

    def _remember(self, obj: StoredObject, media_id: str) -> None:
        """Add two tags; nothing is to be remembered of an object that was deleted in the meantime."""
        own = {MEDIA_ID_TAG: media_id, BUSINESS_PHONE_TAG: self._account.business_phone}
        try:
            tag_set = [{"Key": name, "Value": value} for name, value in (self._tags(obj) | own).items()]
            self._s3.put_object_tagging(**obj.parameters, Tagging={"TagSet": tag_set})
        except ClientError as error:
            if not is_missing(error):
                raise

    def _tags(self, obj: StoredObject) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self._s3.get_object_tagging(**obj.parameters)["TagSet"]}


def is_missing(error: ClientError) -> bool:
    """Whether S3 says that the object, or this version or content of it, does not exist."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] in {404, 405, 412}  # 405: a delete marker
