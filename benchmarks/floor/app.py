"""The least that any such function does when it starts: Python, and one client of botocore."""

from typing import Any

import botocore.session

dynamodb = botocore.session.get_session().create_client("dynamodb")


def lambda_handler(event: object, context: object) -> Any:
    return {"batchItemFailures": []}
