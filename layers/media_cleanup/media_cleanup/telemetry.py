"""Logger and metrics, and text as it may be shown."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from media_cleanup.masking import mask_numbers

NAMESPACE = "MediaCleanup"
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "media-cleanup"  # the template sets the stack's name
MAX_TEXT_CHARACTERS = 1024
VERSION_ID = re.compile("[A-Za-z0-9._]{32}")  # as S3 makes them
# At DEBUG, these print the secret, signatures and whole phone numbers
LIBRARIES = ("aws_lambda_powertools", "boto3", "botocore", "requests", "s3transfer", "urllib3")
# Lambda drops lines below its application log level, and takes lines that name no level for INFO (source: AWS Lambda
# Developer Guide, "Log-level filtering"). So that the record of what was deleted is complete, each line has that level.
MIN_LEVEL = max(logging.INFO, logging.getLevelNamesMapping().get(os.environ.get("AWS_LAMBDA_LOG_LEVEL", ""), 0))


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to the current standard output; Powertools' own handler keeps that of import time."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None: ...

    def emit(self, record: logging.LogRecord) -> None:
        record.levelno = max(record.levelno, MIN_LEVEL)
        record.levelname = logging.getLevelName(record.levelno)
        super().emit(record)


class _Metrics(AmazonCloudWatchEMFProvider):
    """Metrics whose lines name their level, where Lambda would drop them without one."""

    def serialize_metric_set(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (as Powertools calls it)
        line = super().serialize_metric_set(*args, **options)
        if MIN_LEVEL == logging.INFO:
            return line
        return {"level": logging.getLevelName(MIN_LEVEL), "timestamp": datetime.now(UTC).isoformat(), **line}


def _quieten_libraries() -> None:
    """Keep the libraries' loggers at INFO or above, whatever level the root logger has or gets."""
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.setLevel(max(logging.INFO, library.getEffectiveLevel()))


def _create_logger() -> Logger:
    """Create the logger, whose level is INFO: the environment's variables would drop the record of deletions."""
    created = Logger(
        service=SERVICE,
        location=None,
        utc=True,
        use_rfc3339=True,
        logger_handler=_StandardOutput(),
        # ensure_ascii: a lone surrogate or a line separator in a key must not break the line
        json_serializer=partial(json.dumps, ensure_ascii=True, default=str, separators=(",", ":")),
    )
    created.initial_log_level = logging.INFO  # Powertools returns to it where it samples
    logging.getLogger(SERVICE).setLevel(logging.INFO)  # Powertools' own setLevel prefers the environment
    return created


_quieten_libraries()
logger = _create_logger()
metrics = Metrics(provider=_Metrics(namespace=NAMESPACE, service=SERVICE))


def emit_counts(**counts: int) -> dict[str, int]:
    """Publish counts as metrics of these names, and return them."""
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
    return counts


@contextmanager
def publish_zeros(*names: str) -> Iterator[None]:
    """Publish zero for each of these counts that the block does not count, so that alarms always have data."""
    try:
        yield
    finally:
        for name in names:
            if name not in metrics.provider.metric_set:
                metrics.add_metric(name, MetricUnit.Count, 0)


def count_internal_error() -> None:
    """Count a bug: for the stack, and for the function's version, so that CodeDeploy can roll that version back."""
    metrics.add_metric("InternalError", MetricUnit.Count, 1)
    of_version = _Metrics(metric_set={}, dimension_set={}, namespace=NAMESPACE, service=SERVICE)
    for dimension in ("function_name", "function_version"):  # Lambda sets AWS_LAMBDA_FUNCTION_NAME, …_VERSION
        of_version.add_dimension(dimension, os.environ.get(f"AWS_LAMBDA_{dimension.upper()}") or "none")
    of_version.add_metric("InternalError", MetricUnit.Count, 1)
    of_version.flush_metrics()


def masked(text: str | None, *own_numbers: str) -> str | None:
    """Return text as logs may show it: phone numbers masked, and cut to a length."""
    return None if text is None else mask_numbers(text, *own_numbers)[:MAX_TEXT_CHARACTERS]


def masked_unless(readable: re.Pattern[str], text: str | None, *own_numbers: str) -> str | None:
    """Return text as logs may show it: as it is where it has a readable form, and holds none of these numbers."""
    if text and readable.fullmatch(text) and not any(number in text for number in own_numbers):
        return text
    return masked(text, *own_numbers)
