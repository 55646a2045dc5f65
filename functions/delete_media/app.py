"""Entry point: deletion events and requests, in SQS batches or straight from S3, EventBridge, SNS or a caller."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from media_cleanup.deletion import Deletion
from media_cleanup.direct import answer_caller
from media_cleanup.events import trigger_of
from media_cleanup.observability import logger, metrics
from media_cleanup.redelivery import settle_batch
from media_cleanup.settings import DeletionSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Made at the first invocation and kept with its connections until the environment goes
_deletion = lru_cache(maxsize=1)(Deletion.from_settings)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> Any:  # noqa: ANN401 (whatever Lambda sends back)
    """Answers SQS with the messages that must come again, and everyone else with the results."""
    deletion = _deletion(DeletionSettings.from_environment(os.environ))
    answer = settle_batch if trigger_of(event) == "sqs" else answer_caller
    return answer(event, deletion, context.get_remaining_time_in_millis)
