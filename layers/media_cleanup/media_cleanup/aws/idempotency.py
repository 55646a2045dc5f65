"""Remembers results about media files in the idempotency table: confirmed deletions, refusals, proofs of absence.

Powertools' persistence layer, without its decorator, which can neither return a result that it does not record nor say
which of its writes failed.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from threading import Lock
from typing import Any

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

from media_cleanup.aws.clients import AWS_ERRORS, AwsClients, describe_error, unavailable_as
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import QUEUE_RETENTION_S, Attempt
from media_cleanup.result import Confirmation, Result
from media_cleanup.telemetry import logger

DAY_S = 24 * 3600
CONFIRMATION_TTL_S = 30 * DAY_S
REFUSAL_TTL_S = QUEUE_RETENTION_S  # as long as the deletion queue keeps a message
PROOF_TTL_S = 2 * DAY_S


class DeletionRecords:
    """The records in the table of this name. `now_s` returns Unix seconds.

    Each method raises DependencyUnavailable, except where its description says otherwise. While a deployment shifts
    traffic, and after a rollback, records of other versions of this application are read too.
    """

    def __init__(self, clients: AwsClients, table: str, now_s: Callable[[], float] = time.time) -> None:
        self._clients = clients
        self._table = table
        self.now_s = now_s
        self._lock = Lock()
        self._stores: dict[str, DynamoDBPersistenceLayer] = {}

    def prepare(self) -> None:
        """Configure the store of confirmations, and connect to DynamoDB by reading a record that does not exist."""
        self._get(self._confirmations, ["initialization"])

    def once(self, media: Media, attempt: Attempt, delete: Callable[[], Result]) -> Result:
        """Delete a media file, unless it is recorded as deleted or refused, or another worker is deleting it."""
        if earlier := self._get_refusal(media, attempt) or self._begin(media, attempt):
            return earlier
        result = None
        try:
            result = delete()
        finally:
            self._record_result(media, attempt, result)
        return result

    def _begin(self, media: Media, attempt: Attempt) -> Result | None:
        """Record that a deletion is in progress, until the invocation ends; or return the result that prevents it."""
        try:
            with self._translated_errors():
                self._confirmations.save_inprogress(_data(media), attempt.remaining_ms)
        except IdempotencyItemAlreadyExistsError as error:
            if error.old_data_record and error.old_data_record.status == "COMPLETED":
                return _remembered(media, error.old_data_record)
            return Result(outcome=Outcome.UNAVAILABLE, reason=Reason.IN_PROGRESS, media=media)
        return None

    def _record_result(self, media: Media, attempt: Attempt, result: Result | None) -> None:
        """Record a confirmation or a refusal; else remove the record in progress."""
        if result and result.outcome is Outcome.DELETED:
            self.confirm(media, result.confirmation)
            return
        self._release(media)
        if result and result.reason is Reason.REFUSED_BY_PROVIDER and attempt.message_id:
            self._put_refusal(media, attempt.message_id, result)

    def get_confirmed(self, media: Media) -> Result | None:
        """Return the result for a media file that is recorded as gone, or None."""
        record = self._get_record(self._confirmations, _data(media))
        return None if record is None else _remembered(media, record)

    def confirm(self, media: Media, confirmation: Confirmation | None) -> None:
        """Record that a media file is gone. A failing write is logged, never raised: a repeat may call once more."""
        facts = asdict(confirmation) if confirmation else {}
        try:
            self._confirmations.save_success(_data(media), result=facts)
        except AWS_ERRORS as error:
            extra = {"error": describe_error(error), "media_id": media.shown_id}
            logger.warning("idempotency_record_not_saved", extra=extra)

    def _release(self, media: Media) -> None:
        """Remove the record in progress; where that fails, it expires with the invocation."""
        try:
            self._confirmations.delete_record(_data(media), exception=Exception())
        except AWS_ERRORS as error:
            extra = {"error": describe_error(error), "media_id": media.shown_id}
            logger.warning("idempotency_record_not_removed", extra=extra)

    def _get_refusal(self, media: Media, attempt: Attempt) -> Result | None:
        """Return the permanent refusal that an earlier receive of the message has recorded, or None."""
        if attempt.message_id is None or attempt.number == 1:
            return None
        match self._get(self._refusals, _data(media, attempt.message_id)):
            case {"provider_code": code, "provider_message": message, "http_status": status}:
                return Result(
                    outcome=Outcome.REJECTED,
                    reason=Reason.REFUSED_BY_PROVIDER,
                    media=media,
                    provider_code=code,
                    provider_message=message,
                    http_status=status,
                )
        return None

    def _put_refusal(self, media: Media, message_id: str, result: Result) -> None:
        """Record a permanent refusal for as long as the message may be redelivered. A failing write is logged."""
        facts = {
            "provider_code": result.provider_code,
            "provider_message": result.provider_message,
            "http_status": result.http_status,
        }
        try:
            self._refusals.save_success(_data(media, message_id), result=facts)
        except AWS_ERRORS as error:
            extra = {"error": describe_error(error), "media_id": media.shown_id}
            logger.warning("idempotency_record_not_saved", extra=extra)

    def is_dead_lettered(self, message_id: str) -> bool:
        """Return whether a message has been dead-lettered, though it is still on its queue."""
        return self._get_record(self._dead_letters, {"message_id": message_id}) is not None

    def put_dead_lettered(self, message_id: str) -> None:
        """Record that a message has been dead-lettered, while it may be redelivered. A failing write is logged."""
        try:
            self._dead_letters.save_success({"message_id": message_id}, result={})
        except AWS_ERRORS as error:
            extra = {"error": describe_error(error), "message_id": message_id}
            logger.warning("idempotency_record_not_saved", extra=extra)

    def get_proof_age_s(self, media: Media) -> float | None:
        """Return the seconds since a media file's first proof of absence, None where there is none."""
        match self._get(self._proofs, _data(media)):
            case {"proved_s": int(proved_s) | float(proved_s)}:
                return self.now_s() - proved_s
        return None

    def put_proof(self, media: Media) -> None:
        """Record the first proof of a media file's absence."""
        with self._translated_errors():
            self._proofs.save_success(_data(media), result={"proved_s": self.now_s()})

    def remove_proof(self, media: Media) -> None:
        """Remove the first proof of a media file's absence: `getMedia` has found the media file since."""
        with self._translated_errors():
            self._proofs.delete_record(_data(media), exception=Exception())

    def _get(self, store: DynamoDBPersistenceLayer, data: Any) -> Any:  # noqa: ANN401 (JSON)
        record = self._get_record(store, data)
        return record and record.response_json_as_dict()

    def _get_record(self, store: DynamoDBPersistenceLayer, data: Any) -> DataRecord | None:  # noqa: ANN401 (JSON)
        try:
            with self._translated_errors():
                record = store.get_record(data)
        except IdempotencyItemNotFoundError:
            return None
        return None if record is None or record.status != "COMPLETED" else record

    def _translated_errors(self) -> Any:  # noqa: ANN401 (a context manager)
        return unavailable_as(Reason.IDEMPOTENCY_UNREACHABLE, f"the table {self._table}")

    @property
    def _confirmations(self) -> DynamoDBPersistenceLayer:
        return self._store("deleteMedia", CONFIRMATION_TTL_S)

    @property
    def _refusals(self) -> DynamoDBPersistenceLayer:
        return self._store("refused", REFUSAL_TTL_S)

    @property
    def _dead_letters(self) -> DynamoDBPersistenceLayer:
        return self._store("deadLettered", REFUSAL_TTL_S)

    @property
    def _proofs(self) -> DynamoDBPersistenceLayer:
        return self._store("absent", PROOF_TTL_S)

    def _store(self, key_prefix: str, ttl_s: int) -> DynamoDBPersistenceLayer:
        """Return the store of this prefix, configured by one worker before any other uses it.

        A store that is being configured already counts as configured, with MD5 and a memory of an hour.
        """
        with self._lock:
            if key_prefix not in self._stores:
                store = DynamoDBPersistenceLayer(table_name=self._table, boto3_client=self._clients.dynamodb)
                config = IdempotencyConfig(expires_after_seconds=ttl_s, hash_function="sha256")
                store.configure(config, key_prefix=key_prefix)
                self._stores[key_prefix] = store
            return self._stores[key_prefix]


def _remembered(media: Media, record: DataRecord) -> Result:
    recorded = _confirmation(record)
    return Result(outcome=Outcome.ALREADY_GONE, reason=Reason.REMEMBERED, media=media, earlier_confirmation=recorded)


def _confirmation(record: DataRecord) -> Confirmation:
    """Return what a record says; one of another version of this application may say no more than its expiry."""
    match record.response_json_as_dict():
        case {"outcome": outcome, "reason": reason, "provider_code": code, "confirmed_ms": int(confirmed_ms)} if (
            outcome in list(Outcome) and reason in [None, *Reason]
        ):
            return Confirmation(Outcome(outcome), Reason(reason) if reason else None, code, confirmed_ms)
    confirmed_s = int(record.expiry_timestamp or CONFIRMATION_TTL_S) - CONFIRMATION_TTL_S
    return Confirmation(Outcome.ALREADY_GONE, Reason.REMEMBERED, None, confirmed_s * 1000)


def _data(media: Media, *more: str) -> Any:  # noqa: ANN401 (Powertools declares a dict, and hashes any JSON)
    return [media.business_phone, media.media_id, *more]
