"""Combines log lines to requests in a temporary database, so that the memory does not grow with their number."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from math import ceil
from pathlib import Path

from tools.report.log_lines import LogLine

_COLUMNS = ", ".join(field.name for field in fields(LogLine))
_PLACES = ", ".join("?" for _ in fields(LogLine))
# The lines of one request are those of one source, media file and object. Of its outcomes, a confirmed deletion counts,
# then an absence, then the latest. An unavailable part is left out where a later attempt has decided otherwise: then
# that attempt has lines of its own. Attempts without a queue have no number, and are a minute or more apart.
_COMBINE = """
CREATE TABLE request AS SELECT * FROM (
  SELECT
    min(time_ms) OVER same AS first_ms,
    max(attempt) OVER source AS last_attempt,
    max(time_ms) OVER source AS last_ms,
    row_number() OVER (
      same ORDER BY CASE outcome WHEN 'deleted' THEN 0 WHEN 'already_gone' THEN 1 ELSE 2 END, time_ms DESC
    ) AS place,
    line.*
  FROM line
  WINDOW same AS (PARTITION BY source_id, media_id, bucket, object_key), source AS (PARTITION BY source_id)
) WHERE place = 1 AND NOT (
  outcome = 'unavailable' AND (attempt < last_attempt OR (trigger <> 'sqs' AND time_ms + 30000 < last_ms))
)
"""


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request: the line with its outcome, and the time of its first line in Unix milliseconds."""

    first_ms: int
    line: LogLine

    @property
    def requested_ms(self) -> int:
        """The time of the request: of a confirmed deletion by its lag, else that of its first line."""
        return self.first_ms if self.line.lag_ms is None else max(0, self.line.time_ms - self.line.lag_ms)

    @property
    def confirmed_ms(self) -> int | None:
        """The time of the line that reports the confirmation; None where this request brought none."""
        is_confirmation = self.line.outcome == "deleted" or self.line.reason == "verified_absent"
        return self.line.time_ms if is_confirmation else None


class Ledger:
    """The requests of a report, in a database file."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)
        self._database.execute(f"CREATE TABLE line ({_COLUMNS})")
        self.lines = 0

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def add(self, lines: Iterable[LogLine]) -> None:
        """Add log lines, in any order."""
        rows = [astuple(line) for line in lines]
        with self._database:
            self._database.executemany(f"INSERT INTO line VALUES ({_PLACES})", rows)  # noqa: S608 (question marks)
        self.lines += len(rows)

    def combine(self) -> None:
        """Combine the lines to requests, once all are added."""
        with self._database:
            self._database.execute(_COMBINE)

    def requests(self, outcome: str | None = None, newest: int | None = None) -> Iterator[RequestRecord]:
        """Yield the requests, all or those with an outcome, in the order of their times; or only the newest."""
        requested_ms = "CASE WHEN lag_ms IS NULL THEN first_ms ELSE time_ms - lag_ms END"
        query = f"SELECT first_ms, {_COLUMNS} FROM request WHERE ? IN ('', outcome) ORDER BY {requested_ms}, rowid"  # noqa: S608 (names of columns)
        skipped = 0 if newest is None else max(0, sum(self.counts().values()) - newest)
        for first_ms, *values in self._database.execute(f"{query} LIMIT -1 OFFSET ?", (outcome or "", skipped)):
            yield RequestRecord(first_ms, LogLine(*values))

    def counts(self) -> dict[str, int]:
        """Count the requests by outcome."""
        return dict(self._database.execute("SELECT outcome, count(*) FROM request GROUP BY 1"))

    def reasons(self, outcome: str) -> dict[str, int]:
        """Count the requests with an outcome by their reasons without details, the most frequent first."""
        query = (
            "SELECT substr(reason, 1, instr(reason || ':', ':') - 1), count(*) FROM request "
            "WHERE outcome = ? GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return {reason or "none": count for reason, count in self._database.execute(query, (outcome,))}

    def lag_ms(self, share: float) -> int | None:
        """The lag within which this share of the deletions was confirmed; None without any."""
        lags = "FROM request WHERE outcome = 'deleted' AND lag_ms IS NOT NULL"
        [count] = self._database.execute(f"SELECT count(*) {lags}").fetchone()
        if not count:
            return None
        rank = max(1, ceil(share * count))
        [lag_ms] = self._database.execute(f"SELECT lag_ms {lags} ORDER BY 1 LIMIT 1 OFFSET ?", (rank - 1,)).fetchone()
        return int(lag_ms)

    def count_slower(self, objective_ms: int) -> int:
        """Count the deletions whose lag was longer than the objective."""
        query = "SELECT count(*) FROM request WHERE outcome = 'deleted' AND lag_ms > ?"
        [count] = self._database.execute(query, (objective_ms,)).fetchone()
        return int(count)
