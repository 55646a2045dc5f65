"""Loads botocore's descriptions of the AWS services in use, at half the cost of botocore's own loader.

Both classes override public methods of botocore's loaders. Where a later botocore no longer calls them, clients are
created as always, only more slowly.
"""

import gzip
import json
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from botocore.loaders import JSONFileLoader, Loader

SERVICES = ["dynamodb", "events", "s3", "secretsmanager", "sqs"]


class _Files(JSONFileLoader):
    """Reads JSON into dicts; botocore's own OrderedDicts date from the time when a dict had no order."""

    def load_file(self, file_path: str) -> Any:  # noqa: ANN401 (any JSON)
        openers: dict[str, Callable[..., Any]] = {".json": open, ".json.gz": gzip.open}
        for suffix, opener in openers.items():
            try:
                with cast("BinaryIO", opener(file_path + suffix, "rb")) as file:
                    return json.loads(file.read())
            except FileNotFoundError:
                continue
        return None


class ServiceModels(Loader):
    """The descriptions of these services. Botocore would look through the folders of all four hundred for each name."""

    def __init__(self) -> None:
        super().__init__(file_loader=_Files())

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 (as botocore calls it)
        """Return the services that this project uses."""
        return SERVICES
