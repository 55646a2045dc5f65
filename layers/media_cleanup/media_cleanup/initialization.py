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

Step = Callable[[], object]


class Preparable(Protocol):
    """A use case that can make beforehand what its first request needs."""

    def create_clients(self) -> None:
        """Create the AWS clients. Makes no call."""

    def preparations(self) -> Sequence[Step]:
        """Return all steps, which may run side by side; each may raise."""


def initialize(create: Callable[[], Preparable], environment: Mapping[str, str]) -> None:
    """Create and prepare the use case where Lambda initializes an execution environment; elsewhere do nothing.

    Never raises: what fails is logged, and made by the first request, which reports its own reason. The AWS clients'
    timeouts keep all of it within the ten seconds of the phase. With SnapStart, calls are made after each restore:
    connections, credentials and random numbers of a snapshot would be those of every execution environment.
    """
    kind = environment.get("AWS_LAMBDA_INITIALIZATION_TYPE")  # set by Lambda
    if kind == "snap-start":
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415 (only Lambda's runtime has it)

        _run(lambda: create().create_clients())
        register_after_restore(_prepare_restored, create)
    elif kind:
        _prepare(create)
    if kind:
        gc.enable()
        gc.freeze()  # what exists now stays: later collections need not look through it


def _prepare_restored(create: Callable[[], Preparable]) -> None:
    random.seed()
    _prepare(create)


def _prepare(create: Callable[[], Preparable]) -> None:
    steps: list[Step] = []
    _run(lambda: steps.extend(create().preparations()))
    if steps:
        _run(*steps)


def _run(*steps: Step) -> None:
    """Run steps side by side, since they wait for AWS most of their time. Logs errors in one line, and never raises."""
    with ThreadPoolExecutor(len(steps)) as workers:
        errors = [future.exception() for future in [workers.submit(step) for step in steps]]
    described = [_describe(error) for error in errors if error]
    if described:
        logger.warning("initialization_incomplete", extra={"errors": described})


def _describe(error: BaseException) -> str | None:
    """Describe an error by its text only where it is the project's own: others may hold secrets."""
    return masked(str(error)) if isinstance(error, MediaCleanupError) else type(error).__name__
