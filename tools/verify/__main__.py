"""Runs the steps on a deployed stack, prints what held, and exits with status 1 if a step failed."""

import argparse
import sys
from functools import partial
from urllib.parse import urlsplit

from rich.console import Console

from media_cleanup.aws.credentials import parse_secret
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.settings import DeleteMediaSettings
from nxcloud import MediaClient
from tools.command import client
from tools.deployment import Deployment, live_settings, read_deployment
from tools.program import ToolError, one_line_errors
from tools.verify.media import DryRunMedia, MediaSource, UploadedMedia, is_real
from tools.verify.results import Result, Status, exit_status, run_steps, summary, table
from tools.verify.steps import STEPS, new_run
from tools.verify.subject import Subject

EXAMPLE_PHONE = "8615800001795"  # the fake NXCloud knows every number
MARKS = {Status.HELD: "[green]✓[/]", Status.FAILED: "[red]✗[/]", Status.NOT_RUN: "[dim]-[/]"}
_console = Console(highlight=False, emoji=False)


def media_source(settings: DeleteMediaSettings, business_phone: str) -> MediaSource:
    """Return the media files for the steps. Raises ToolError where the stack calls the real NXCloud."""
    if settings.dry_run:
        return DryRunMedia(business_phone)
    host = urlsplit(settings.base_url).hostname or ""
    if is_real(host):
        raise ToolError(
            f"the stack calls the real NXCloud at {host}: verify a stack with DryRun=true, or with NxCloudBaseUrl set "
            "to the fake NXCloud (docs/verify.md)"
        )
    value = client("secretsmanager").get_secret_value(SecretId=settings.secret_id)
    try:
        accounts = parse_secret(settings.secret_id, value.get("SecretString", value.get("SecretBinary")))
        credentials = accounts.get(business_phone)
    except DependencyUnavailable as error:
        raise ToolError(str(error)) from None
    return UploadedMedia(MediaClient(settings.base_url, algorithm=settings.sign_algorithm), credentials, business_phone)


def choose_bucket(deployment: Deployment, name: str | None) -> str | None:
    """Return the bucket to store objects in: the given one, or the stack's only one. Raises ToolError."""
    pattern = deployment.bucket_pattern
    if name and not deployment.covers(name):
        raise ToolError(f"the stack is not connected to {name}, but to {pattern}")
    return name or (pattern if pattern and "*" not in pattern else None)


def main(arguments: list[str] | None = None) -> int:
    """Verify a stack. 1 if a step failed, or if something that this run created is still there."""
    parser = argparse.ArgumentParser(prog="make verify", description="Proves a deployed stack, and cleans up.")
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--bucket", help="a bucket of the stack, where SourceBucketName is a pattern")
    parser.add_argument("--phone", help="a business phone of the account (default: DefaultBusinessPhone)")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for each effect (default: 180)")
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        return _verify(options)


def _verify(options: argparse.Namespace) -> int:
    deployment = read_deployment(client("cloudformation"), options.stack)
    settings = live_settings(client("lambda"), deployment)
    phone = (options.phone or "").removeprefix("+") or settings.default_business_phone or EXAMPLE_PHONE
    subject = Subject(
        deployment=deployment,
        settings=settings,
        media=media_source(settings, phone),
        bucket=choose_bucket(deployment, options.bucket),
        run=new_run(),
        patience_s=options.patience + int(deployment.parameters.get("UndoSeconds") or 0),
    )
    mode = "dry run: outcomes are skipped, reason dry_run" if settings.dry_run else f"NXCloud: {settings.base_url}"
    _console.print(f"Verifying {deployment.name} in {deployment.region} ({mode}), run {subject.run}")
    results: list[Result] = []
    try:
        for result in run_steps([(name, partial(step, subject)) for name, step in STEPS.items()]):
            results.append(result)
            _console.print(f"  {MARKS[result.status]} {result.step}")
    finally:
        remains = subject.clean_up()
    _console.print()
    _console.print(table(results))
    _console.print(f"\n{summary(results)}")
    for remaining in remains:
        _console.print(f"Not removed: {remaining}", markup=False)
    return exit_status(results) or int(bool(remains))


if __name__ == "__main__":
    sys.exit(main())
