"""Records confirmed deletions for 30 days: a repeat makes no call, and one worker at a time deletes a media file."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyItemAlreadyExistsError

from media_cleanup.aws.clients import AWS_ERRORS, AwsClients, describe_error, unavailable_as
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from media_cleanup.telemetry import logger

RECORD_TTL_S = 30 * 24 * 3600


class ConfirmedDeletions:
    """The records in the table of this name, by business phone and Media-ID, in Powertools' format."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    @cached_property
    def _store(self) -> DynamoDBPersistenceLayer:
        store = DynamoDBPersistenceLayer(table_name=self._table, boto3_client=self._clients.dynamodb)
        config = IdempotencyConfig(expires_after_seconds=RECORD_TTL_S, hash_function="sha256")
        store.configure(config, key_prefix="deleteMedia")
        return store

    def once(self, media: Media, attempt: Attempt, delete: Callable[[], Result]) -> Result:
        """Delete a media file, unless it is recorded as deleted, or another worker is deleting it.

        Powertools' steps without its decorator, which can neither return a result that it does not record nor say
        which of its writes failed. A record in progress expires with the invocation, finished or not. Raises
        DependencyUnavailable.
        """
        data: Any = [media.business_phone, media.media_id]  # Powertools declares a dict, and hashes any JSON
        try:
            with unavailable_as(Reason.IDEMPOTENCY_UNREACHABLE, f"the table {self._table}"):
                self._store.save_inprogress(data, attempt.remaining_ms)
        except IdempotencyItemAlreadyExistsError as error:
            if error.old_data_record and error.old_data_record.status == "COMPLETED":
                return Result(outcome=Outcome.ALREADY_GONE, reason=Reason.REMEMBERED, media=media)
            return Result(outcome=Outcome.UNAVAILABLE, reason=Reason.IN_PROGRESS, media=media)
        confirmed = False
        try:
            result = delete()
            confirmed = result.outcome is Outcome.DELETED
        finally:
            self._finish(media, data, confirmed=confirmed)
        return result

    def _finish(self, media: Media, data: Any, *, confirmed: bool) -> None:  # noqa: ANN401 (see above)
        """Record a confirmed deletion, or remove the record in progress; a failing write changes no result."""
        try:
            if confirmed:
                self._store.save_success(data, result={})
            else:
                self._store.delete_record(data, exception=Exception())
        except AWS_ERRORS as error:
            if confirmed:  # a repeat may call once more
                extra = {"error": describe_error(error), "media_id": media.media_id}
                logger.warning("idempotency_record_not_saved", extra=extra)
