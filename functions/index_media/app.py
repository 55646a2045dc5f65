"""Entry point of the index function: SQS batches, S3 Batch Operations, and direct invocations."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from media_cleanup.index_media import IndexMedia
from media_cleanup.initialization import initialize
from media_cleanup.settings import IndexMediaSettings
from media_cleanup.telemetry import logger, metrics, publish_zeros
from media_cleanup.triggers.direct import process_direct_invocation
from media_cleanup.triggers.parsing import detect_trigger
from media_cleanup.triggers.s3_batch import process_s3_batch
from media_cleanup.triggers.sqs import process_sqs_batch

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

PROCESSES: dict[str, Callable[..., dict[str, Any]]] = {"sqs": process_sqs_batch, "s3_batch": process_s3_batch}

# Kept with its connections for the life of the execution environment
_create_use_case = lru_cache(maxsize=1)(IndexMedia.from_settings)


def use_case() -> IndexMedia:
    """Return the use case, created in the initialization phase or by the first request. Raises SettingsError."""
    return _create_use_case(IndexMediaSettings.from_environment(os.environ))


@logger.inject_lambda_context(log_event=False)  # whatever POWERTOOLS_LOGGER_LOG_EVENT says
@metrics.log_metrics
@publish_zeros(*IndexMedia.log_profile.counts)
def lambda_handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Return SQS's partial batch response, a batch job's task results, or the results of a direct invocation."""
    process: Callable[..., dict[str, Any]] = PROCESSES.get(detect_trigger(event), process_direct_invocation)
    return process(event, use_case(), context)


initialize(use_case, os.environ)
