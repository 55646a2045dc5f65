"""`make report`: log lines become requests, and requests become files."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tests.conftest import MEDIA_ID, PHONE
from tools.deployment import Deployment
from tools.program import ToolError
from tools.report.files import write_csv, write_json
from tools.report.html import write_html
from tools.report.ledger import Ledger, RequestRecord
from tools.report.log_lines import LogLine, parse_line, read_log_lines
from tools.report.row import COLUMNS
from tools.report.scope import Scope, parse_scope
from tools.report.summary import LIMITS, QueueState, Summary, duration, summarize
from tools.report.terminal import print_report

MASKED = "86158****1795"
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
AT_MS = 1_768_469_214_793  # 2026-01-15T09:26:54.793Z
DELETED = LogLine(
    time_ms=AT_MS,
    source_id="m1",
    trigger="sqs",
    attempt=1,
    outcome="deleted",
    reason=None,
    media_id=MEDIA_ID,
    business_phone=MASKED,
    bucket="photos",
    object_key=f"{MASKED}/a.jpg",
    version_id=None,
    requester="123456789012",
    deletion_reason="DeleteObject",
    requested_by=None,
    provider_code=0,
    provider_message="success",
    lag_ms=1_204,
)
UNAVAILABLE = replace(
    DELETED, time_ms=AT_MS - 30_000, outcome="unavailable", reason="no_answer: timeout", provider_code=None, lag_ms=None
)
REJECTED = replace(
    DELETED,
    source_id="m2",
    outcome="rejected",
    reason="refused_by_provider",
    provider_code=9006,
    lag_ms=None,
    media_id="other",
    requested_by="=cmd()",
)
OPEN = replace(UNAVAILABLE, source_id="m3", attempt=4)
QUEUES = [QueueState("DeletionQueue", "deletion requests", 1, 2, 3)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def requests_of(ledger: Ledger, *lines: LogLine) -> list[RequestRecord]:
    ledger.add(lines)
    ledger.combine()
    return list(ledger.requests())


def summary_of(ledger: Ledger) -> Summary:
    return summarize(ledger, [("Stack", "<b>prod</b>")], None, QUEUES)


# Log lines


def test_line_of_a_deletion_request_is_parsed() -> None:
    fields: dict[str, object] = {"message": "media_deletion", "timestamp": "2026-01-15T09:26:54.793+00:00"}
    fields |= {"message_id": "m1"}
    fields |= {"outcome": "deleted", "trigger": "sqs", "attempt": 1, "media_id": MEDIA_ID, "business_phone": MASKED}
    fields |= {"bucket": "photos", "object_key": f"{MASKED}/a.jpg", "requester": "123456789012"}
    fields |= {"deletion_reason": "DeleteObject", "provider_code": 0, "provider_message": "success", "lag_ms": 1204}
    assert parse_line(json.dumps(fields)) == DELETED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "START RequestId: 1",
        "[]",
        '{"message": "media_linking"}',
        '{"_aws": {}}',
        '{"message": "media_deletion"}',
        '{"message": "media_deletion", "timestamp": "soon"}',
    ],
)
def test_other_lines_are_ignored(text: str) -> None:
    assert parse_line(text) is None


def test_line_with_values_of_other_types_is_readable(ledger: Ledger) -> None:
    fields: dict[str, object] = {"message": "media_deletion", "timestamp": "2026-01-15T09:26:54Z", "outcome": "deleted"}
    fields |= {"requested_by": "\ud800", "trigger": "\ud800", "attempt": None, "provider_code": "<b>"}
    fields |= {"lag_ms": 1 << 60}
    line = parse_line(json.dumps(fields))
    assert line is not None
    assert (line.requested_by, line.attempt, line.provider_code, line.lag_ms) == ("?", 1, None, None)
    [request] = requests_of(ledger, line)
    assert request.line == line


class FakeLogs:
    """CloudWatch Logs' client with these pages of texts."""

    def __init__(self, *pages: list[str]) -> None:
        self._pages = pages
        self.asked: dict[str, Any] = {}

    def get_paginator(self, operation: str) -> "FakeLogs":
        assert operation == "filter_log_events"
        return self

    def paginate(self, **parameters: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 (boto3's parameters)
        self.asked = parameters
        if not self._pages:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "FilterLogEvents")
        for page in self._pages:
            yield {"events": [{"message": text} for text in page]}


def line_of(key: str, bucket: str = "photos") -> str:
    fields = {"message": "media_deletion", "timestamp": "2026-01-15T09:26:54Z", "outcome": "skipped"}
    return json.dumps(fields | {"bucket": bucket, "object_key": key, "media_id": MEDIA_ID})


def test_lines_of_all_pages_are_read_within_the_scope() -> None:
    logs = FakeLogs([line_of(f"{MASKED}/a.jpg"), "START"], [line_of("other"), line_of(f"{MASKED}/a.jpg", "videos")])
    scope = Scope(1, 1001, MEDIA_ID, "photos", f"{PHONE}/a.jpg")
    lines = [line for page in read_log_lines(cast("Any", logs), "group", scope) for line in page]
    assert [line.object_key for line in lines] == [f"{MASKED}/a.jpg"]
    pattern = f'{{ $.message = "media_deletion" && $.media_id = "{MEDIA_ID}" }}'
    assert logs.asked == {"logGroupName": "group", "filterPattern": pattern, "startTime": 1, "endTime": 1000}


def test_missing_log_group_is_named() -> None:
    with pytest.raises(ToolError, match=r"there is no log group gone; pass LOG_GROUP=…"):
        list(read_log_lines(cast("Any", FakeLogs()), "gone", Scope(None, 1)))


# Scope


def scope_of(**arguments: str) -> Scope:
    given = {"start": "", "end": "", "media_id": "", "bucket": "", "key": ""} | arguments
    return parse_scope(**given, now=NOW)


@pytest.mark.parametrize("end", ["2026-01-15", "20260115", "2026-W03-4", "2026-01-16T00:00", "20260116T00"])
def test_last_day_of_a_period_is_whole(end: str) -> None:
    scope = scope_of(start="2026-01-01", end=end)
    assert (scope.start_ms, scope.end_ms) == (1_767_225_600_000, 1_768_521_600_000)
    assert scope.texts == [("Period", "2026-01-01 00:00:00 to 2026-01-16 00:00:00")]


def test_period_without_ends_is_all_until_now() -> None:
    scope = scope_of(media_id=MEDIA_ID)
    assert (scope.start_ms, scope.end_ms) == (None, round(NOW.timestamp() * 1000))
    assert scope_of(end="2026-01-15T10:00+02:00").end_ms == 1_768_464_000_000


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"key": "a"}, "KEY needs BUCKET: pass both"),
        ({"start": "yesterday"}, "FROM=yesterday is not a time such as 2026-01-15"),
        ({"end": "9999-12-31T23:59-12:00"}, "TO=9999-12-31T23:59-12:00 is not a time such as"),
        ({"end": "9999-12-31"}, "TO=9999-12-31 is the last day that exists"),
        ({"start": "2026-02-01", "end": "2026-01-01"}, "FROM=2026-02-01 is not before TO=2026-01-01"),
    ],
)
def test_invalid_scope_is_explained(arguments: dict[str, str], error: str) -> None:
    with pytest.raises(ToolError, match=re.escape(error)):
        scope_of(**arguments)


# Requests


def test_attempts_of_a_request_are_one_request(ledger: Ledger) -> None:
    [request] = requests_of(ledger, replace(DELETED, attempt=2), UNAVAILABLE)  # in any order
    assert (request.line.outcome, request.line.attempt, request.first_ms) == ("deleted", 2, UNAVAILABLE.time_ms)
    assert (request.requested_ms, request.confirmed_ms) == (AT_MS - 1_204, AT_MS)


def test_confirmation_counts_whatever_follows(ledger: Ledger) -> None:
    repeat = replace(DELETED, time_ms=AT_MS + 1, attempt=2, outcome="already_gone", reason="remembered", lag_ms=None)
    [request] = requests_of(ledger, DELETED, repeat, replace(repeat, outcome="skipped", attempt=3))
    assert (request.line.outcome, request.confirmed_ms) == ("deleted", AT_MS)


def test_repeat_by_another_message_has_no_confirmation(ledger: Ledger) -> None:
    repeat = replace(DELETED, source_id="m9", outcome="already_gone", reason="remembered", lag_ms=None)
    first, second = requests_of(ledger, DELETED, repeat)
    assert (first.line.outcome, second.line.outcome, second.confirmed_ms) == ("deleted", "already_gone", None)


def test_part_decided_by_a_later_attempt_is_no_request(ledger: Ledger) -> None:
    before_the_media_was_known = replace(UNAVAILABLE, media_id=None, business_phone=None)
    [request] = requests_of(ledger, before_the_media_was_known, replace(DELETED, attempt=2))
    assert request.line.outcome == "deleted"


def test_retry_without_a_queue_decides_like_a_later_attempt(ledger: Ledger) -> None:
    first = replace(UNAVAILABLE, trigger="direct", media_id=None, time_ms=AT_MS - 60_000)
    [request] = requests_of(ledger, first, replace(DELETED, trigger="direct"))
    assert request.line.outcome == "deleted"


def test_unavailable_at_the_last_attempt_is_open(ledger: Ledger) -> None:
    [request] = requests_of(ledger, OPEN)
    assert (request.line.outcome, request.requested_ms, request.confirmed_ms) == ("unavailable", OPEN.time_ms, None)


def test_summary_counts_outcomes_lags_and_reasons(ledger: Ledger) -> None:
    slow = replace(DELETED, source_id="m4", lag_ms=400_000)
    requests_of(ledger, DELETED, slow, REJECTED, OPEN)
    summary = summary_of(ledger)
    assert summary.outcomes == {"deleted": 2, "already_gone": 0, "skipped": 0, "rejected": 1, "unavailable": 1}
    assert (summary.failures, summary.open_requests) == ({"refused_by_provider": 1}, {"no_answer": 1})
    assert summary.lags_ms == {"half of them": 1_204, "95 percent": 400_000, "all": 400_000}
    assert summary.verdict == (
        "Of 4 requests, 2 ended with the media file deleted or gone, 0 had nothing to delete, 1 failed, "
        "and 1 are still open."
    )
    assert (summary.requests, summary.lines, ledger.count_slower(300_000)) == (4, 4, 1)


@pytest.mark.parametrize(("undo_seconds", "slower"), [("0", 1), ("900", 0)])
def test_objective_counts_from_the_end_of_undo_seconds(ledger: Ledger, undo_seconds: str, slower: int) -> None:
    requests_of(ledger, replace(DELETED, lag_ms=901_000))
    parameters = {"LagObjectiveSeconds": "300", "UndoSeconds": undo_seconds}
    summary = summarize(ledger, [], Deployment("a-stack", "arn", "", parameters), [])
    assert (summary.slower, summary.objective_s) == (slower, 300 + int(undo_seconds))
    assert summarize(ledger, [], Deployment("a-stack", "arn", ""), []).objective_s is None


@pytest.mark.parametrize(("share", "lag_ms"), [(0.5, 5), (0.95, 10), (1.0, 10), (0.01, 1)])
def test_lag_is_a_percentile(ledger: Ledger, share: float, lag_ms: int) -> None:
    requests_of(ledger, *(replace(DELETED, source_id=str(each), lag_ms=each) for each in range(1, 11)))
    assert ledger.lag_ms(share) == lag_ms


def test_newest_requests_are_in_order(ledger: Ledger) -> None:
    requests_of(ledger, *(replace(DELETED, source_id=str(each), time_ms=AT_MS + each) for each in (3, 1, 2)))
    assert [each.line.source_id for each in ledger.requests(newest=2)] == ["2", "3"]


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(900, "0.9 s"), (90_000, "1.5 min"), (5_400_000, "1.5 h"), (172_800_000, "2.0 d")]
)
def test_duration_has_one_unit(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


@pytest.mark.parametrize("media_id", ["a*", 'a"', "a\\"])
def test_media_id_with_signs_of_the_filter_is_left_out(media_id: str) -> None:
    assert Scope(None, 1, media_id).filter_pattern == '{ $.message = "media_deletion" }'
    assert Scope(None, 1, "a").filter_pattern == '{ $.message = "media_deletion" && $.media_id = "a" }'


# Files


def test_csv_has_a_row_for_each_request_and_no_formula(ledger: Ledger) -> None:
    requests = requests_of(ledger, DELETED, replace(REJECTED, object_key="@a"))
    file = io.StringIO()
    write_csv(file, summary_of(ledger), requests)
    header, first, second = csv.reader(io.StringIO(file.getvalue()))
    assert tuple(header) == COLUMNS
    values = dict(zip(header, first, strict=True))
    assert (values["requested_at"], values["confirmed_at"]) == ("2026-01-15T09:26:53.589Z", "2026-01-15T09:26:54.793Z")
    assert (values["outcome"], values["provider_code"], values["message_id"]) == ("deleted", "0", "m1")
    values = dict(zip(header, second, strict=True))
    assert (values["requested_by"], values["object_key"], values["confirmed_at"]) == ("'=cmd()", "'@a", "")


def test_csv_quotes_texts_whatever_separates_cells(ledger: Ledger) -> None:
    requests = requests_of(ledger, replace(DELETED, requested_by="a;=cmd()"))
    file = io.StringIO()
    write_csv(file, summary_of(ledger), requests)
    assert ',"a;=cmd()",' in file.getvalue()
    assert ',0,"success",1204,1,' in file.getvalue()


def test_json_has_summary_limits_and_requests(ledger: Ledger) -> None:
    requests = requests_of(ledger, DELETED, REJECTED)
    file = io.StringIO()
    write_json(file, summary_of(ledger), requests)
    report = json.loads(file.getvalue())
    assert (report["summary"]["outcomes"]["deleted"], report["limits"]) == (1, list(LIMITS))
    assert [request["outcome"] for request in report["requests"]] == ["deleted", "rejected"]
    file = io.StringIO()
    write_json(file, summary_of(ledger), [])
    assert json.loads(file.getvalue())["requests"] == []


class _Page(HTMLParser):
    """The texts of a page, its tags, and the addresses that it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts, self.open = "", [""]
        self.loaded: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "col", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts += data


def test_html_is_whole_escaped_and_loads_nothing(ledger: Ledger) -> None:
    attack = replace(REJECTED, requested_by="<script>alert(1)</script>", object_key='"><img src=x>')
    requests = requests_of(ledger, DELETED, attack, OPEN)
    file = io.StringIO()
    write_html(file, summary_of(ledger), requests)
    page = _Page(file.getvalue())
    assert (page.open, page.loaded) == ([""], [])
    for text in ("<script>alert(1)</script>", '"><img src=x>', "<b>prod</b>", MEDIA_ID, "refused_by_provider", *LIMITS):
        assert text in page.texts
    assert "url(" not in file.getvalue()
    assert "@import" not in file.getvalue()


def test_html_without_requests_says_so(ledger: Ledger) -> None:
    requests_of(ledger)
    file = io.StringIO()
    write_html(file, replace(summary_of(ledger), queues=[]), [])
    for text in (
        "There is no request in this scope.",
        "None: no request was rejected.",
        "There is no confirmed deletion.",
    ):
        assert text in file.getvalue()


def test_request_of_an_unknown_outcome_or_age_is_shown(ledger: Ledger) -> None:
    requests = requests_of(ledger, replace(DELETED, lag_ms=1 << 52), replace(OPEN, outcome="of_later"))
    summary = summary_of(ledger)
    for write in (write_csv, write_json, write_html):
        file = io.StringIO()
        write(file, summary, requests)
        assert "1970-01-01" in file.getvalue()
    console = Console(file=io.StringIO(), width=200)
    print_report(console, summary, requests)
    assert "of_later" in cast("io.StringIO", console.file).getvalue()


def test_terminal_shows_requests_summary_and_limits(ledger: Ledger) -> None:
    attack = replace(REJECTED, reason="not_understood: [/x]", requested_by="\x1b[2Jme", object_key="\x1b]0;:bomb:")
    requests = requests_of(ledger, DELETED, attack, OPEN)
    console = Console(file=io.StringIO(), width=200, emoji=False)
    print_report(console, summary_of(ledger), requests)
    text = cast("io.StringIO", console.file).getvalue()
    for expected in (
        MEDIA_ID,
        "09:26:54",
        "[/x]",
        "\ufffd[2Jme",
        "\ufffd]0;:bomb:",
        "1 waiting, 2 in progress, 3 delayed",
        "1.2 s",
    ):
        assert expected in text
    assert "\x1b" not in text
