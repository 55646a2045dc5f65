"""Entry point: a schedule, whatever its event says."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from media_cleanup.observability import logger
from media_cleanup.settings import SweepSettings
from media_cleanup.sweep import Sweep

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Made at the first invocation and kept with its connections until the environment goes
_sweep = lru_cache(maxsize=1)(Sweep.from_settings)


@logger.inject_lambda_context
def lambda_handler(_event: object, context: "LambdaContext") -> dict[str, int]:
    """Sweeps a slice of the index, and answers with its counts."""
    return _sweep(SweepSettings.from_environment(os.environ)).sweep_on(context.get_remaining_time_in_millis)
