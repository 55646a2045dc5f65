"""Entry point: files stored, tagged or named, and link messages, from SQS, S3, its batch jobs, EventBridge or SNS."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from media_cleanup.direct import answer_caller
from media_cleanup.events import trigger_of
from media_cleanup.jobs import answer_job
from media_cleanup.linking import Linking
from media_cleanup.observability import logger, metrics
from media_cleanup.redelivery import settle_batch
from media_cleanup.settings import LinkingSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

ANSWERS = {"sqs": settle_batch, "s3_batch": answer_job}

# Made at the first invocation and kept with its connections until the environment goes
_linking = lru_cache(maxsize=1)(Linking.from_settings)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> Any:  # noqa: ANN401 (whatever Lambda sends back)
    """Answers SQS with the messages that must come again, a batch job by its tasks, everyone else with the results."""
    linking = _linking(LinkingSettings.from_environment(os.environ))
    answer = ANSWERS.get(trigger_of(event), answer_caller)
    return answer(event, linking, context.get_remaining_time_in_millis)
