"""Entry point of the deletion function: SQS batches, and direct invocations by S3, EventBridge, SNS or a caller."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from media_cleanup.delete_media import DeleteMedia
from media_cleanup.initialization import initialize
from media_cleanup.settings import DeleteMediaSettings
from media_cleanup.telemetry import logger, metrics, publish_zeros
from media_cleanup.triggers.direct import process_direct_invocation
from media_cleanup.triggers.parsing import detect_trigger
from media_cleanup.triggers.sqs import process_sqs_batch

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Kept with its connections for the life of the execution environment
_create_use_case = lru_cache(maxsize=1)(DeleteMedia.from_settings)


def use_case() -> DeleteMedia:
    """Return the use case, created in the initialization phase or by the first request. Raises SettingsError."""
    return _create_use_case(DeleteMediaSettings.from_environment(os.environ))


@logger.inject_lambda_context(log_event=False)  # whatever POWERTOOLS_LOGGER_LOG_EVENT says
@metrics.log_metrics
@publish_zeros(*DeleteMedia.log_profile.counts)
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Return SQS's partial batch response, or the results of a direct invocation."""
    process = process_sqs_batch if detect_trigger(event) == "sqs" else process_direct_invocation
    return process(event, use_case(), context)


initialize(use_case, os.environ)
