"""Entry point of the sweep function: a schedule, whatever its event holds."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from media_cleanup.settings import SweepIndexSettings
from media_cleanup.sweep_index import SweepIndex
from media_cleanup.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Created at the first invocation, and kept with its connections for the life of the execution environment
_sweep_index = lru_cache(maxsize=1)(SweepIndex.from_settings)


@logger.inject_lambda_context(log_event=False)  # whatever POWERTOOLS_LOGGER_LOG_EVENT says
def lambda_handler(_event: object, context: "LambdaContext") -> dict[str, int]:
    """Sweep a slice of the index, and return its counts."""
    return _sweep_index(SweepIndexSettings.from_environment(os.environ)).sweep_slice(context)
