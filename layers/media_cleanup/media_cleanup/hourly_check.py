"""Use case of the sweep function's hourly schedule: check that buckets are connected, and count days of a dry run."""

import time
from collections.abc import Callable
from fnmatch import fnmatchcase

from media_cleanup.aws.check_record import CheckRecord, CheckRecords
from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.notifications import BucketNotifications
from media_cleanup.bucket_events import DELETIONS, STORES, Expectation
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.settings import HourlyCheckSettings
from media_cleanup.telemetry import emit_counts, logger, masked

DAY_S = 24 * 3600


class HourlyCheck:
    """Publishes the metrics of the alarms on disconnected buckets and on forgotten dry runs."""

    def __init__(
        self, settings: HourlyCheckSettings, clients: AwsClients, now_s: Callable[[], float] = time.time
    ) -> None:
        self.clients = clients
        self._settings = settings
        self._now_s = now_s
        self._records = CheckRecords(clients, settings.media_index_table)
        self._notifications = BucketNotifications(clients)

    def check(self) -> dict[str, int]:
        """Check all connected buckets. Returns the counts. Raises DependencyUnavailable where the table failed."""
        record, now_s = self._records.load(), int(self._now_s())
        since_s = None
        if self._settings.dry_run:
            since_s = now_s if record.dry_run_since_s is None else record.dry_run_since_s
        unreadable: dict[str, str] = {}
        disconnected = sum(not self._is_connected(bucket, unreadable) for bucket in self._buckets(unreadable))
        for name in sorted(unreadable.keys() - record.unreadable):  # once, not every hour
            logger.warning("bucket_not_checked", extra={"bucket": masked(name), "reason": masked(unreadable[name])})
        found = CheckRecord(frozenset(unreadable), since_s)
        if found != record:
            self._records.save(found)
        days = 0 if since_s is None else (now_s - since_s) // DAY_S
        return emit_counts(Disconnected=disconnected, NotChecked=len(unreadable), DryRunDays=days)

    def _buckets(self, unreadable: dict[str, str]) -> list[str]:
        own, pattern = self._settings.own_bucket, self._settings.existing_buckets
        if "*" not in pattern:
            return [bucket for bucket in (own, pattern) if bucket]
        try:
            return [name for name in self._notifications.bucket_names() if fnmatchcase(name, pattern)]
        except DependencyUnavailable as error:
            unreadable[pattern] = str(error.detail)
            return []

    def _is_connected(self, bucket: str, unreadable: dict[str, str]) -> bool:
        """Whether a bucket's events reach the application; True where its settings cannot be read."""
        try:
            notifications = self._notifications.read(bucket)
        except DependencyUnavailable as error:
            unreadable[bucket] = str(error.detail)
            return True
        if notifications is None:
            logger.warning("bucket_disconnected", extra={"bucket": masked(bucket), "reason": "there is no such bucket"})
            return False
        missing = self._expectation(bucket).missing_events(notifications)
        if missing:
            reason = f"no notification of {', '.join(sorted(missing))}"
            logger.warning("bucket_disconnected", extra={"bucket": masked(bucket), "reason": reason})
        return not missing

    def _expectation(self, bucket: str) -> Expectation:
        is_own = bucket == self._settings.own_bucket
        return Expectation(
            events=DELETIONS | STORES if is_own else DELETIONS,  # direct invocation may do without the index
            prefix=self._settings.object_key_prefix,
            queue_urls=self._settings.queue_urls,
            function_arns=self._settings.function_arns,
            eventbridge=not is_own,
        )
