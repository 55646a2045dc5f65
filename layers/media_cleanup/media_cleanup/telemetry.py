"""Logger and metrics, and text as it may be shown."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from media_cleanup.masking import mask_numbers

NAMESPACE = "MediaCleanup"
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "media-cleanup"  # the template sets the stack's name
MAX_TEXT_CHARACTERS = 1024


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to the current standard output; Powertools' own handler keeps that of import time."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None: ...


# ensure_ascii: a lone surrogate or a line separator in a key must not break the line
logger = Logger(
    service=SERVICE,
    location=None,
    utc=True,
    use_rfc3339=True,
    logger_handler=_StandardOutput(),
    json_serializer=partial(json.dumps, ensure_ascii=True, default=str, separators=(",", ":")),
)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


def emit_counts(**counts: int) -> dict[str, int]:
    """Publish counts as metrics of these names, and return them."""
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
    return counts


@contextmanager
def counted_from_zero(*names: str) -> Iterator[None]:
    """Publish zero for each of these counts that the block does not count, so that alarms always have data."""
    try:
        yield
    finally:
        for name in names:
            if name not in metrics.metric_set:
                metrics.add_metric(name, MetricUnit.Count, 0)


def count_internal_error() -> None:
    """Count a bug: for the stack, and for the function's version, so that CodeDeploy can roll that version back."""
    metrics.add_metric("InternalError", MetricUnit.Count, 1)
    of_version = AmazonCloudWatchEMFProvider(metric_set={}, dimension_set={}, namespace=NAMESPACE, service=SERVICE)
    for dimension in ("function_name", "function_version"):  # Lambda sets AWS_LAMBDA_FUNCTION_NAME, …_VERSION
        of_version.add_dimension(dimension, os.environ.get(f"AWS_LAMBDA_{dimension.upper()}") or "none")
    of_version.add_metric("InternalError", MetricUnit.Count, 1)
    of_version.flush_metrics()


def masked(text: str | None) -> str | None:
    """Return text as logs may show it: phone numbers masked, and cut to a length."""
    return None if text is None else mask_numbers(text)[:MAX_TEXT_CHARACTERS]
