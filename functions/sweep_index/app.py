"""Entry point of the sweep function: a schedule for slices of the sweep, and one for the hourly check."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from media_cleanup.aws.clients import AwsClients
from media_cleanup.hourly_check import HourlyCheck
from media_cleanup.initialization import initialize
from media_cleanup.settings import HourlyCheckSettings, SweepIndexSettings
from media_cleanup.sweep_index import SweepIndex
from media_cleanup.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CHECK = {"task": "check"}  # the input of the hourly schedule

# Kept with their connections for the life of the execution environment
_clients = lru_cache(maxsize=1)(AwsClients)
_sweep_index = lru_cache(maxsize=1)(SweepIndex)
_hourly_check = lru_cache(maxsize=1)(HourlyCheck)


def sweep() -> SweepIndex:
    """Return the sweep, created in the initialization phase or by the first slice. Raises SettingsError."""
    return _sweep_index(SweepIndexSettings.from_environment(os.environ), _clients())


def hourly_check() -> HourlyCheck:
    """Return the check, which shares the sweep's clients. Raises SettingsError."""
    return _hourly_check(HourlyCheckSettings.from_environment(os.environ), _clients())


@logger.inject_lambda_context(log_event=False)  # whatever POWERTOOLS_LOGGER_LOG_EVENT says
def lambda_handler(event: object, context: "LambdaContext") -> dict[str, int]:
    """Check the stack, or sweep a slice of the index. Returns counts."""
    return hourly_check().check() if event == CHECK else sweep().sweep_slice(context)


initialize(sweep, os.environ)
