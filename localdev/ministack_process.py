"""Starts MiniStack, in the local cloud's own Python environment, with what its S3 lacks.

MiniStack 1.5.33 gives the number of an object's tags for GET alone; S3 gives it for HEAD, too. It finds no tags of
versions under a delete marker; S3 does. It waits 50 ms for the log lines of an invocation, and on a busy machine loses
those that come later.
"""

from importlib import import_module
from typing import Any

s3: Any = import_module("ministack.services.s3")  # not installed where types are checked
lambda_runtime: Any = import_module("ministack.core.lambda_runtime")
# MiniStack has no other place for these than its own functions
_head_object = s3._head_object  # noqa: SLF001 (as above)
_get_object_tagging = s3._get_object_tagging  # noqa: SLF001 (as above)

LOG_WAITS_S = (1.0, 0.02, 3.0)  # for the first line, for a further line, and for all of them

Response = tuple[int, dict[str, str], bytes]


def head_object_with_tag_count(
    bucket_name: str, key: str, headers: dict[str, str] | None = None, query: dict[str, Any] | None = None
) -> Response:
    """Answer HEAD as MiniStack does, with the header that its GET has."""
    status, response_headers, body = _head_object(bucket_name, key, headers, query)
    if status == 200:
        version_id = response_headers.get("x-amz-version-id")
        version_id = None if version_id == "null" else version_id
        response_headers |= s3._object_tagging_count_header(bucket_name, key, version_id)  # noqa: SLF001 (as above)
    return status, response_headers, body


def get_object_tagging_of_any_version(bucket_name: str, key: str, query: dict[str, Any] | None = None) -> Response:
    """Answer as MiniStack does; where a delete marker hides the version, as if the key had a current object."""
    bucket = s3._ensure_bucket(bucket_name)  # noqa: SLF001 (as above)
    objects = bucket["objects"] if bucket else {}
    version_id = s3._qp(query or {}, "versionId", "")  # noqa: SLF001 (as above)
    versions = s3._object_versions.get((bucket_name, key), [])  # noqa: SLF001 (as above)
    stored = [each for each in versions if each["version_id"] == version_id and not each.get("is_delete_marker")]
    if key in objects or not stored:
        return _get_object_tagging(bucket_name, key, query)  # type: ignore[no-any-return]  # MiniStack has no types
    objects[key] = s3._object_record_from_version(stored[0])  # noqa: SLF001 (as above)
    try:
        return _get_object_tagging(bucket_name, key, query)  # type: ignore[no-any-return]  # as above
    finally:
        del objects[key]


if __name__ == "__main__":
    s3._head_object = head_object_with_tag_count  # noqa: SLF001 (as above)
    s3._get_object_tagging = get_object_tagging_of_any_version  # noqa: SLF001 (as above)
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = LOG_WAITS_S  # noqa: SLF001 (as above)
    import_module("ministack.app").main()
