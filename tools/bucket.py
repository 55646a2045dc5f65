"""The notification configuration of a bucket: read, show a change, ask, write."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from tools.command import confirmed
from tools.notifications import Configuration, changes
from tools.program import ToolError

WAIT = "S3 needs about five minutes to apply the change to all events."
_console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the client of S3 that reads and writes its configuration."""

    s3: Any
    name: str

    def read(self) -> Configuration:
        """Read the configuration. Raises ToolError if there is no such bucket."""
        try:
            answer = self.s3.get_bucket_notification_configuration(Bucket=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchBucket", "404"}:
                raise ToolError(f"there is no bucket {self.name}") from None
            raise
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def region(self, account: str | None = None) -> str:
        """Return the Region of the bucket. Raises ToolError if it does not belong to this account."""
        owner = {"ExpectedBucketOwner": account} if account else {}
        try:
            answer: str | None = self.s3.get_bucket_location(Bucket=self.name, **owner)["LocationConstraint"]
        except ClientError as error:
            if account and error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
                raise ToolError(
                    f"{self.name} is not a bucket of account {account}, or s3:GetBucketLocation is missing: "
                    "pass BUCKET_PROFILE=…, a profile of the bucket's account"
                ) from None
            raise
        return {"EU": "eu-west-1"}.get(answer, answer) if answer else "us-east-1"  # the oldest Regions' names in S3

    def change(self, before: Configuration, after: Configuration, *, validate: bool, yes: bool) -> bool:
        """Show a change, ask, and write it. Returns whether the bucket now has the new configuration.

        With `validate`, S3 checks that each target exists and admits it, also those of existing entries. Raises
        ToolError where the configuration was changed by another writer in between.
        """
        lines = changes(before, after)
        for line in lines:
            _console.print(f"  {line}")
        if all(line.startswith("=") for line in lines):
            _console.print("Nothing to change.")
            return True
        if not confirmed(f"Write this notification configuration to {self.name}?", yes=yes):
            _console.print("Nothing was changed.")
            return False
        if self.read() != before:
            raise ToolError("the configuration was changed in the meantime: run the command again")
        self._write(after, validate=validate)
        _console.print(f"Done. {WAIT}")
        return True

    def _write(self, configuration: Configuration, *, validate: bool) -> None:
        try:
            self.s3.put_bucket_notification_configuration(
                Bucket=self.name, NotificationConfiguration=configuration, SkipDestinationValidation=not validate
            )
        except ClientError as error:
            answer = error.response["Error"]
            if answer["Code"] != "InvalidArgument":
                raise
            raise ToolError(
                f"S3 refuses the configuration: {answer.get('Message', '')}. Where a target no longer exists, remove "
                "its entry: `make disconnect` for those of this application. Where entries overlap, use EventBridge "
                "instead of DIRECT=1"
            ) from None
