"""Remembers confirmed deletions for 30 days: a repeat calls nobody, and two workers keep off the same media."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
)

from media_cleanup.aws import Aws
from media_cleanup.media import Media
from media_cleanup.observability import logger
from media_cleanup.outcome import Outcome, Result

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

REMEMBERED_S = 30 * 24 * 3600


class _NotConfirmedError(Exception):
    """Takes every outcome but a confirmed deletion through Powertools, which then remembers nothing."""


@dataclass(frozen=True, slots=True)
class _TimeLeft:
    """What Powertools asks of Lambda's context, so that a record in progress outlives no invocation, killed or not."""

    time_left_ms: Callable[[], int]

    def get_remaining_time_in_millis(self) -> int:
        return self.time_left_ms()


class ConfirmedDeletions:
    """The records in the table of this name, keyed on business_phone and media_id."""

    def __init__(self, aws: Aws, table: str) -> None:
        self._aws = aws
        self._table = table

    @cached_property
    def _store(self) -> DynamoDBPersistenceLayer:
        return DynamoDBPersistenceLayer(table_name=self._table, boto3_client=self._aws.dynamodb)

    def once(self, media: Media, delete: Callable[[], Outcome], time_left_ms: Callable[[], int]) -> Outcome:
        """The outcome of deleting a media, which is not even tried where it is known to be gone or being deleted."""
        outcomes: list[Outcome] = []

        def delete_and_tell(*, media: list[str]) -> None:  # noqa: ARG001 (what Powertools makes the key of)
            outcomes.append(delete())
            if outcomes[0].result is not Result.DELETED:
                raise _NotConfirmedError

        config = IdempotencyConfig(
            expires_after_seconds=REMEMBERED_S,
            hash_function="sha256",
            lambda_context=cast("LambdaContext", _TimeLeft(time_left_ms)),
        )
        remembered = idempotent_function(
            delete_and_tell,
            data_keyword_argument="media",
            persistence_store=self._store,
            config=config,
            key_prefix="deleteMedia",
        )
        try:
            remembered(media=[media.business_phone, media.media_id])
        except _NotConfirmedError:
            return outcomes[0]
        except (IdempotencyAlreadyInProgressError, IdempotencyInconsistentStateError):
            return Outcome(result=Result.UNAVAILABLE, reason="in_progress", media=media)
        except IdempotencyPersistenceLayerError as error:
            cause = type(error.__cause__ or error).__name__
            if not outcomes:
                reason = f"idempotency_unreachable: the table {self._table} did not answer: {cause}"
                return Outcome(result=Result.UNAVAILABLE, reason=reason, media=media)
            if outcomes[0].result is Result.DELETED:  # done all the same; a repeat may call once more
                logger.warning("deletion_not_remembered", extra={"error": cause, "media_id": media.media_id})
            return outcomes[0]
        if outcomes:
            return outcomes[0]
        return Outcome(result=Result.ALREADY_GONE, reason="remembered", media=media)
