"""Writes a report to a CSV or JSON file, request by request."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TextIO

from tools.report.ledger import RequestRecord
from tools.report.row import COLUMNS, row
from tools.report.summary import LIMITS, Summary

# Spreadsheets take text that begins so for a formula (source: OWASP, "CSV Injection")
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(file: TextIO, _summary: Summary, requests: Iterable[RequestRecord]) -> None:
    """Write the requests, with a header."""
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)  # a semicolon separates cells in some countries
    writer.writerow(COLUMNS)
    for record in requests:
        writer.writerow([_cell(value) for value in row(record).values()])


def write_json(file: TextIO, summary: Summary, requests: Iterable[RequestRecord]) -> None:
    """Write the summary, the limits of the proof, and the requests, one a line."""
    header = {"summary": asdict(summary) | {"facts": dict(summary.facts)}, "limits": LIMITS}
    file.write(json.dumps(header, indent=1)[:-2])
    file.write(',\n "requests": [')
    file.writelines((",\n" if number else "\n") + json.dumps(row(each)) for number, each in enumerate(requests))
    file.write("\n ]\n}\n")


def _cell(value: str | int | None) -> str | int | None:
    """A value that no spreadsheet takes for a formula: text gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_BEGINS) else value
