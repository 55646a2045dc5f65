"""Entry point of the sweep function: a schedule for slices of the sweep, and one for the hourly check."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from media_cleanup.hourly_check import HourlyCheck
from media_cleanup.settings import HourlyCheckSettings, SweepIndexSettings
from media_cleanup.sweep_index import SweepIndex
from media_cleanup.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CHECK = {"task": "check"}  # the input of the hourly schedule

# Created at the first invocation, and kept with its connections for the life of the execution environment
_sweep_index = lru_cache(maxsize=1)(SweepIndex.from_settings)
_hourly_check = lru_cache(maxsize=1)(HourlyCheck.from_settings)


@logger.inject_lambda_context(log_event=False)  # whatever POWERTOOLS_LOGGER_LOG_EVENT says
def lambda_handler(event: object, context: "LambdaContext") -> dict[str, int]:
    """Check the stack, or sweep a slice of the index. Returns counts."""
    if event == CHECK:
        return _hourly_check(HourlyCheckSettings.from_environment(os.environ)).check()
    return _sweep_index(SweepIndexSettings.from_environment(os.environ)).sweep_slice(context)
