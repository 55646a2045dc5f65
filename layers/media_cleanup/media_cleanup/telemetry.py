"""Logger and metrics, and text as it may be shown."""

import json
import logging
import sys
from functools import partial
from typing import TextIO

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from media_cleanup.masking import mask_numbers

SERVICE = "media-cleanup"
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
metrics = Metrics(namespace="MediaCleanup", service=SERVICE)


def emit_counts(**counts: int) -> dict[str, int]:
    """Publish counts as metrics of these names, and return them."""
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
    return counts


def masked(text: str | None) -> str | None:
    """Return text as logs may show it: phone numbers masked, and cut to a length."""
    return None if text is None else mask_numbers(text)[:MAX_TEXT_CHARACTERS]
