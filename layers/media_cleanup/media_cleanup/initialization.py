"""Prepares an execution environment in Lambda's initialization phase, so that the first request finds all it needs.

The phase has a whole processor; an invocation has its memory's share of one, 0.29 at 512 MB (source: AWS Lambda
Developer Guide, "Configure Lambda function memory").
"""

import gc
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from media_cleanup.errors import MediaCleanupError
from media_cleanup.telemetry import logger, masked

Call = Callable[[], object]


class Preparable(Protocol):
    """A use case that can prepare what its first request needs."""

    def create_clients(self) -> None:
        """Create the AWS clients. Makes no call."""

    def first_calls(self) -> Sequence[Call]:
        """Return the calls that fetch what every request needs, or open connections; each may raise."""


def initialize(create: Callable[[], Preparable], environment: Mapping[str, str]) -> None:
    """Create and prepare the use case where Lambda initializes an execution environment; elsewhere do nothing.

    Never raises: what fails is logged, and created by the first request, which reports its own reason. The AWS clients'
    timeouts keep all of it within the ten seconds of the phase. With SnapStart, calls are made after each restore:
    connections, credentials and random numbers of a snapshot would be those of every execution environment.
    """
    kind = environment.get("AWS_LAMBDA_INITIALIZATION_TYPE")  # set by Lambda
    if not kind:
        return
    calls = _prepare(create)
    if kind == "snap-start":
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415 (only Lambda's runtime has it)

        register_after_restore(random.seed)
        register_after_restore(_make, calls)
    else:
        _make(calls)
    gc.enable()
    gc.freeze()  # what exists now stays: later collections need not look through it


def _prepare(create: Callable[[], Preparable]) -> Sequence[Call]:
    """Create the use case and its clients. Returns the calls to make; none where that failed."""
    try:
        use_case = create()
        use_case.create_clients()
        return use_case.first_calls()
    except Exception as error:  # noqa: BLE001 (whatever it is, the first request meets it again, and reports it)
        _log([error])
        return ()


def _make(calls: Sequence[Call]) -> None:
    """Make calls side by side, since they only wait."""
    with ThreadPoolExecutor() as workers:
        futures = [workers.submit(call) for call in calls]
    _log([error for future in futures if (error := future.exception())])


def _log(errors: Sequence[BaseException]) -> None:
    """Log errors in one line, by their text only where they are the project's own: others may hold secrets."""
    own = [masked(str(error)) if isinstance(error, MediaCleanupError) else type(error).__name__ for error in errors]
    if own:
        logger.warning("initialization_incomplete", extra={"errors": own})
