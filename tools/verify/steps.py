"""The steps of `make verify`. Each returns what held, or raises StepFailedError or NotApplicableError."""

import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from media_cleanup.errors import InvalidMediaError
from media_cleanup.model import Media, media_in_key
from tools.command import client
from tools.verify.alarms import alarms
from tools.verify.batch_job import MANIFEST_FOLDER, job_event, job_request, manifest
from tools.verify.results import NotApplicableError, StepFailedError
from tools.verify.subject import Subject, outcome_text

Step = Callable[[Subject], str]
LETTER_VISIBILITY_S = 10  # other letters are visible again after this time
SWEEP_SLICES = 3  # a slice may end before the link of this run


def media_exist(subject: Subject) -> str:
    """Upload a media file, and find it."""
    media_id = subject.media.add("opening")
    exists = subject.media.exists(media_id)
    if exists is None:
        return "dry run: NXCloud is not called"
    if not exists:
        raise StepFailedError("NXCloud does not find a media file that it has just accepted")
    return f"{subject.settings.base_url} accepts the credentials, and has the uploaded media file"


def message(subject: Subject) -> str:
    """Send a deletion request to the queue."""
    media_id = subject.media.add("message")
    subject.send("DeletionQueue", {"business_phone": subject.media.business_phone, "media_id": media_id})
    subject.await_deletion(media_id)
    return "a message {business_phone, media_id} deleted its media file"


def direct_invocation(subject: Subject) -> str:
    """Invoke the deletion function."""
    media_id = subject.media.add("direct")
    payload = {"business_phone": subject.media.business_phone, "media_id": media_id}
    subject.invoke("DeleteMediaFunction", json.dumps(payload))
    subject.await_deletion(media_id)
    return "an invocation with a payload deleted its media file"


def key(subject: Subject) -> str:
    """Store and delete an object whose key names a media file."""
    subject.require_bucket()
    media_id = subject.media.add("key")
    name = f"{subject.media.business_phone}/{media_id}.png"
    try:
        found = media_in_key(subject.key(name), subject.settings.object_key_pattern, None)
    except InvalidMediaError:
        found = None
    if found != Media(subject.media.business_phone, media_id):
        raise NotApplicableError("ObjectKeyPattern is not the default")
    subject.delete(subject.store(name))
    subject.await_deletion(media_id)
    return "the media file named by the key was deleted with its object"


def metadata(subject: Subject) -> str:
    """Store and delete an object whose metadata names media files."""
    subject.require_bucket()
    first, second = subject.media.add("metadata-1"), subject.media.add("metadata-2")
    stored = subject.store("metadata 100%+.png", Metadata=subject.labels(first, second))
    for media_id in (first, second):
        subject.await_link(media_id)
    subject.delete(stored)
    for media_id in (first, second):
        subject.await_deletion(media_id)
    return "both media files named by the metadata were linked, and deleted with their object"


def tags(subject: Subject) -> str:
    """Store an object, tag it, and delete it."""
    subject.require_bucket()
    media_id = subject.media.add("tags")
    stored = subject.store("tags.png")
    tag_set = [{"Key": name, "Value": value} for name, value in subject.labels(media_id).items()]
    subject.s3.put_object_tagging(Bucket=subject.bucket, Key=stored, Tagging={"TagSet": tag_set})
    stand_in = ""
    if subject.on_local_cloud:
        subject.send("IndexQueue", {"bucket": subject.bucket, "key": stored})
        stand_in = " (the local cloud sends no tagging events: a message took its place)"
    subject.await_link(media_id)
    subject.delete(stored)
    subject.await_deletion(media_id)
    return f"the media file named by tags was linked, and deleted with its object{stand_in}"


def tags_at_creation(subject: Subject) -> str:
    """Store an object together with its tags, and delete it."""
    subject.require_bucket()
    media_id = subject.media.add("tags-at-creation")
    stored = subject.store("tags-at-creation.png", Tagging=urlencode(subject.labels(media_id)))
    subject.await_link(media_id)
    subject.delete(stored)
    subject.await_deletion(media_id)
    return "the media file named by tags at creation was linked, and deleted with its object"


def link_message(subject: Subject) -> str:
    """Store an object, send a link message, and delete the object."""
    subject.require_bucket()
    media_id = subject.media.add("link-message")
    stored = subject.store("link-message.png")
    subject.send_link(stored, media_id)
    subject.await_link(media_id)
    subject.delete(stored)
    subject.await_deletion(media_id)
    return "the media file of a link message was linked, and deleted with its object"


def undelete(subject: Subject) -> str:
    """Delete an object, remove its delete marker, and link it: the event of the removal deletes nothing."""
    if subject.s3.get_bucket_versioning(Bucket=subject.require_bucket()).get("Status") != "Enabled":
        raise NotApplicableError("the bucket has no versioning")
    hidden, kept = subject.media.add("undelete-hidden"), subject.media.add("undelete-kept")
    stored = subject.store("undelete.png", Metadata=subject.labels(hidden))
    subject.await_link(hidden)
    marker = subject.delete(stored)
    subject.await_deletion(hidden)
    subject.s3.delete_object(Bucket=subject.bucket, Key=stored, VersionId=marker)
    subject.send_link(stored, kept)
    subject.await_link(kept)
    handled = subject.wait_for(
        lambda: [line for line in subject.lines("DeleteMediaFunction", "undelete.png") if _keeps_media(line)],
        lambda: "the event of the delete marker's removal was not skipped",
    )
    subject.require_kept(kept)
    return f"the removal of a delete marker was {outcome_text(handled[0])}, and the media file was kept"


def _keeps_media(line: dict[str, Any]) -> bool:
    return (line["outcome"], line.get("reason")) in {("skipped", "object_exists"), ("skipped", "no_media")}


def dead_letter(subject: Subject) -> str:
    """Send a malformed message, and send it back once it is dead-lettered."""
    body = f"make verify {subject.run}: a malformed message"
    subject.send("DeletionQueue", body)
    first = _receive_letter(subject, body)
    reason = first["MessageAttributes"]["reason"]["StringValue"]
    if not reason.startswith("not_understood"):
        raise StepFailedError(f"the malformed message was dead-lettered with the reason {reason}")
    subject.send("DeletionQueue", body)
    again = _receive_letter(subject, body)
    if first["MessageAttributes"]["source_message_id"] == again["MessageAttributes"]["source_message_id"]:
        raise StepFailedError("the malformed message was not received again after its redrive")
    return f"a malformed message was dead-lettered with its reason, redriven, and dead-lettered again: {reason}"


def redrive(subject: Subject) -> str:
    """Send a valid request from the dead-letter queue back to its source queue."""
    media_id = subject.media.add("redrive")
    body = json.dumps({"business_phone": subject.media.business_phone, "media_id": media_id})
    subject.send("DeletionDeadLetterQueue", body)
    _receive_letter(subject, body)
    subject.send("DeletionQueue", body)
    subject.await_deletion(media_id)
    return "a dead letter was redriven, and its media file deleted"


def _receive_letter(subject: Subject, body: str) -> dict[str, Any]:
    """Return the dead letter with this body, and remove it from the queue."""
    url = subject.deployment.physical_id("DeletionDeadLetterQueue")

    def look() -> dict[str, Any] | None:
        received = subject.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=LETTER_VISIBILITY_S,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        return next((one for one in received if one["Body"] == body), None)

    letter = subject.wait_for(look, lambda: "the message did not arrive in the dead-letter queue")
    subject.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
    return letter


def sweep(subject: Subject) -> str:
    """Write a link to a missing object, and run slices of the sweep until it is found."""
    subject.require_bucket()
    media_id = subject.media.add("sweep")
    subject.put_link(subject.missing_object("sweep.png"), media_id)
    for _ in range(SWEEP_SLICES):
        counts = subject.invoke("SweepIndexFunction", "{}")
        if not any(counts.values()):
            raise NotApplicableError("no pass of the sweep is due: run this step again after SweepEveryDays")
        if counts["SweptGone"]:
            subject.await_deletion(media_id)
            return f"the sweep found a link whose object is missing, and the media file was deleted ({counts})"
    raise StepFailedError(f"{SWEEP_SLICES} slices of the sweep did not reach the link of a missing object ({counts})")


def batch_job(subject: Subject) -> str:
    """Index three objects with a job of S3 Batch Operations; on the local cloud, with the event of such a job."""
    bucket = subject.require_bucket()
    media = {f"batch-{number}.png": subject.media.add(f"batch-{number}") for number in range(3)}
    keys = [subject.store(name, Metadata=subject.labels(media_id)) for name, media_id in media.items()]
    for media_id in media.values():
        subject.await_link(media_id)  # by the event of the store
    if subject.on_local_cloud:
        answer = subject.invoke("IndexMediaFunction", job_event(bucket, keys))
        if failed := [one for one in answer["results"] if one["resultCode"] != "Succeeded"]:
            raise StepFailedError(f"the function answered {failed[0]['resultCode']}: {failed[0]['resultString']}")
        how = "the event of a batch job (the local cloud has no S3 Batch Operations)"
    else:
        how = f"the batch job {_run_job(subject, bucket, keys)}"
    for media_id in media.values():
        subject.await_link(media_id, trigger="s3_batch")
    return f"{how} linked {len(keys)} objects"


def _run_job(subject: Subject, bucket: str, keys: list[str]) -> str:
    deployment, s3control = subject.deployment, client("s3control")
    name = f"{MANIFEST_FOLDER}/{subject.run}.csv"
    stored = subject.s3.put_object(Bucket=bucket, Key=name, Body=manifest(bucket, keys))
    request = job_request(
        account=deployment.account,
        role_arn=deployment.outputs["BackfillRoleArn"],
        function_arn=deployment.outputs["IndexMediaFunctionArn"],
        manifest_arn=f"arn:{deployment.partition}:s3:::{bucket}/{name}",
        manifest_etag=stored["ETag"].strip('"'),
        token=subject.run,
    )
    job_id: str = s3control.create_job(**request)["JobId"]

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = s3control.describe_job(AccountId=deployment.account, JobId=job_id)["Job"]
        return job if job["Status"] in {"Complete", "Failed", "Cancelled"} else None

    job = subject.wait_for(ended, lambda: f"the batch job {job_id} did not end")
    if job["Status"] != "Complete" or job["ProgressSummary"]["NumberOfTasksFailed"]:
        raise StepFailedError(f"the batch job {job_id} ended as {job['Status']}: {job.get('FailureReasons')}")
    return job_id


STEPS: dict[str, Step] = {  # the first one is what all others need
    "NXCloud": media_exist,
    "Deletion by message": message,
    "Deletion by invocation": direct_invocation,
    "Link by key": key,
    "Link by metadata": metadata,
    "Link by tags": tags,
    "Link by tags at creation": tags_at_creation,
    "Link by message": link_message,
    "Undelete": undelete,
    "Dead letter": dead_letter,
    "Redrive": redrive,
    "Sweep": sweep,
    "Batch job": batch_job,
    "Alarms": alarms,
}


def new_run() -> str:
    """Return the name of a run."""
    return uuid.uuid4().hex[:12]
