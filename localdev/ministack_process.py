"""Starts MiniStack, in the local cloud's own Python environment, with what its S3 and its EventBridge lack.

MiniStack 1.5.33 gives the number of an object's tags for GET alone; S3 gives it for HEAD, too. It finds no tags of
versions under a delete marker; S3 does. It waits 50 ms for the log lines of an invocation, and on a busy machine loses
those that come later. It sends no events to buses of other accounts and Regions, and CloudFormation in it knows no
policies of buses. It unpacks a layer's thousand files anew for each execution environment.
"""

import hashlib
import tempfile
import threading
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

s3: Any = import_module("ministack.services.s3")  # not installed where types are checked
lambda_runtime: Any = import_module("ministack.core.lambda_runtime")
eventbridge: Any = import_module("ministack.services.eventbridge")
iam: Any = import_module("ministack.core.iam_evaluator")
responses: Any = import_module("ministack.core.responses")
provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
# MiniStack has no other place for these than its own functions
_head_object = s3._head_object  # noqa: SLF001 (as above)
_get_object_tagging = s3._get_object_tagging  # noqa: SLF001 (as above)
_dispatch_to_event_bus = eventbridge._dispatch_to_event_bus  # noqa: SLF001 (as above)

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


def dispatch_to_event_bus_anywhere(spec: Any, event: Mapping[str, Any], *arguments: Any) -> None:  # noqa: ANN401 (MiniStack has no types)
    """Send an event to a bus as MiniStack does, and to one of another account where the bus's policy allows it."""
    sender = responses.get_account_id()
    with responses.request_scope(spec.account_id, spec.region):
        eventbridge._ensure_default_bus()  # noqa: SLF001 (as above)
        if sender == spec.account_id or _bus_admits(sender, str(spec), event):
            _dispatch_to_event_bus(spec, event, *arguments)


def _bus_admits(sender: str, bus_arn: str, event: Mapping[str, Any]) -> bool:
    policy = eventbridge._event_bus_policies.get(bus_arn.rpartition("/")[2])  # noqa: SLF001 (as above)
    context = iam.EvalContext(
        principal_arn=f"arn:aws:iam::{sender}:root",
        principal_type="Root",
        principal_account=sender,
        action="events:PutEvents",
        resource_arn=bus_arn,
        region=responses.get_region(),
        service_context={"events:source": event["Source"], "events:detail-type": event["DetailType"]},
    )
    return bool(iam.evaluate_resource_policy(policy, context).decision == "Allow")


def put_event_bus_policy(_logical_id: str, properties: Mapping[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
    """Create `AWS::Events::EventBusPolicy`, for CloudFormation."""
    name, bus = properties["StatementId"], properties.get("EventBusName", "default")
    policies = eventbridge._event_bus_policies  # noqa: SLF001 (as above)
    delete_event_bus_policy(name, properties)
    statements = policies[bus]["Statement"] if bus in policies else []
    statement = {"Sid": name, **properties["Statement"]}
    policies[bus] = {"Version": "2012-10-17", "Statement": [*statements, statement]}
    return name, {}


def delete_event_bus_policy(name: str, properties: Mapping[str, Any]) -> None:
    """Delete `AWS::Events::EventBusPolicy`, for CloudFormation."""
    bus, policies = properties.get("EventBusName", "default"), eventbridge._event_bus_policies  # noqa: SLF001 (as above)
    if bus in policies:
        policies[bus]["Statement"] = [one for one in policies[bus]["Statement"] if one["Sid"] != name]


class LayerFile(zipfile.ZipFile):
    """A zip file that unpacks a layer once; each further execution environment gets a link to it."""

    _unpacking = threading.Lock()

    def extractall(self, path: Any = None, *_: Any) -> None:  # noqa: ANN401 (MiniStack has no types)
        """Unpack as MiniStack asks; a layer, which it wants in a folder layer_<number>, by a link."""
        folder = Path(path)
        if not folder.name.startswith("layer_"):
            super().extractall(folder)
            return
        unpacked = Path(tempfile.gettempdir(), hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest())
        with self._unpacking:
            if not unpacked.exists():
                super().extractall(unpacked)
        folder.rmdir()
        folder.symlink_to(unpacked)


if __name__ == "__main__":
    s3._head_object = head_object_with_tag_count  # noqa: SLF001 (as above)
    s3._get_object_tagging = get_object_tagging_of_any_version  # noqa: SLF001 (as above)
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = LOG_WAITS_S  # noqa: SLF001 (as above)
    lambda_runtime.zipfile = SimpleNamespace(**vars(zipfile) | {"ZipFile": LayerFile})
    eventbridge._dispatch_to_event_bus = dispatch_to_event_bus_anywhere  # noqa: SLF001 (as above)
    provisioners._RESOURCE_HANDLERS["AWS::Events::EventBusPolicy"] = {  # noqa: SLF001 (as above)
        "create": put_event_bus_policy,
        "delete": delete_event_bus_policy,
    }
    import_module("ministack.app").main()
