"""Starts MiniStack, in the local cloud's own Python environment, with what its S3 lacks.

MiniStack 1.5.33 gives the number of an object's tags for GET alone; S3 gives it for HEAD, too.
"""

from importlib import import_module
from typing import Any

s3: Any = import_module("ministack.services.s3")  # not installed where types are checked
_head_object = s3._head_object  # noqa: SLF001 (there is no other place to add a header)


def head_object_with_tag_count(
    bucket_name: str, key: str, headers: dict[str, str] | None = None, query: dict[str, Any] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Answer HEAD as MiniStack does, with the header that its GET has."""
    status, response_headers, body = _head_object(bucket_name, key, headers, query)
    if status == 200:
        version_id = response_headers.get("x-amz-version-id")
        version_id = None if version_id == "null" else version_id
        response_headers |= s3._object_tagging_count_header(bucket_name, key, version_id)  # noqa: SLF001 (as above)
    return status, response_headers, body


if __name__ == "__main__":
    s3._head_object = head_object_with_tag_count  # noqa: SLF001 (as above)
    import_module("ministack.app").main()
