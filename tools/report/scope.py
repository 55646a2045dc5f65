"""The scope of a report: a period, and perhaps one media file or one object."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from media_cleanup.masking import mask_numbers
from tools.program import ToolError


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report is about: Unix milliseconds from `start_ms` up to and without `end_ms`; None for no restriction."""

    start_ms: int | None
    end_ms: int
    media_id: str | None = None
    bucket: str | None = None
    key: str | None = None

    def includes(self, media_id: str | None, bucket: str | None, key: str | None) -> bool:
        """Whether a log line with these names belongs to the report; its bucket and key are masked."""
        return (
            self.media_id in (None, media_id)
            and (self.bucket is None or mask_numbers(self.bucket) == bucket)
            and (self.key is None or mask_numbers(self.key) == key)
        )

    @property
    def filter_pattern(self) -> str:
        """The filter pattern of CloudWatch Logs, which narrows what is read."""
        conditions = ['$.message = "media_deletion"']
        if self.media_id and not set(self.media_id) & set('"*\\'):
            conditions.append(f'$.media_id = "{self.media_id}"')
        return f"{{ {' && '.join(conditions)} }}"

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The scope as names and values, as a report shows it."""
        start = "the oldest log line" if self.start_ms is None else utc(self.start_ms)
        names = [("Media-ID", self.media_id), ("Bucket", self.bucket), ("Object key", self.key)]
        shown = [(name, mask_numbers(value)) for name, value in names if value]
        return [("Period", f"{start} to {utc(self.end_ms)}"), *shown]


def parse_scope(  # noqa: PLR0913 (one for each argument of the command)
    *, start: str, end: str, media_id: str, bucket: str, key: str, now: datetime
) -> Scope:
    """Parse the arguments of the command; empty ones are missing. Raises ToolError."""
    if key and not bucket:
        raise ToolError("KEY needs BUCKET: pass both")
    start_ms = _unix_ms(parse_time("FROM", start)) if start else None
    end_ms = _unix_ms(_end_of(end) if end else now)
    if start_ms is not None and start_ms >= end_ms:
        raise ToolError(f"FROM={start} is not before TO={end or 'now'}")
    return Scope(start_ms, end_ms, media_id or None, bucket or None, key or None)


def parse_time(name: str, text: str) -> datetime:
    """Parse a date, or a date and time; without a zone it is UTC. Raises ToolError."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ToolError(f"{name}={text} is not a time such as 2026-01-15 or 2026-01-15T09:30Z") from None


def _end_of(text: str) -> datetime:
    """The end of a period; a day is meant as a whole."""
    end = parse_time("TO", text)
    try:
        date.fromisoformat(text)
        return end + timedelta(days=1)
    except ValueError:  # a day and a time
        return end
    except OverflowError:
        raise ToolError(f"TO={text} is the last day that exists: pass an earlier one") from None


def utc(unix_ms: int) -> str:
    """A time as reports show it, in UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _unix_ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
