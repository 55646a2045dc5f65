"""An update of the deployed stack: settings reach the live version, the user's secret stays, a key is taken."""

import base64
import json
from typing import Any

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack, deploy
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE
from tests.e2e.conftest import deployed


def invoke(stack: Stack, media_id: str, business_phone: str | None = PHONE) -> Any:  # noqa: ANN401 (whatever the function answers)
    answer = stack.cloud.client("lambda").invoke(
        FunctionName=stack.outputs["DeleteMediaFunctionArn"],
        Payload=json.dumps({"media_id": media_id} | ({"business_phone": business_phone} if business_phone else {})),
        LogType="Tail",
    )
    assert "FunctionError" not in answer, base64.b64decode(answer["LogResult"])
    return answer["ExecutedVersion"], json.loads(answer["Payload"].read())["results"][0]


def test_update_applies_parameters_and_keeps_secret(cloud: LocalCloud, nxcloud: FakeNxCloud) -> None:
    media_id = nxcloud.provider.add_media(PHONE)
    stack = deployed(cloud, nxcloud, "updated", DryRun="true")
    first, result = invoke(stack, media_id)
    assert (result["outcome"], result["reason"]) == ("skipped", "dry_run")
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    stack = deploy(cloud, "updated", NxCloudBaseUrl=nxcloud.url, DryRun="false", KmsKeyArn=key)
    second, result = invoke(stack, media_id)
    assert result["outcome"] == "deleted"  # with the credentials that were stored before the update
    assert int(second) > int(first)
    value = cloud.client("secretsmanager").get_secret_value(SecretId=stack.outputs["CredentialsSecretArn"])
    assert json.loads(value["SecretString"])["accessKey"] == CREDENTIALS.access_key
    for queue in ("DeletionQueue", "DeletionDeadLetterQueue", "IndexQueue", "IndexDeadLetterQueue"):
        url = stack.resources[queue]
        attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert (attributes["KmsMasterKeyId"], attributes["SqsManagedSseEnabled"]) == (key, "false")


def test_changed_phone_reaches_the_live_version_and_no_description(cloud: LocalCloud, nxcloud: FakeNxCloud) -> None:
    stack = deployed(cloud, nxcloud, "phones", DefaultBusinessPhone="49301234567", DryRun="true")
    first, result = invoke(stack, MEDIA_ID, business_phone=None)
    assert result["business_phone"] == "49301****4567"
    deploy(cloud, "phones", NxCloudBaseUrl=nxcloud.url, DefaultBusinessPhone=PHONE, DryRun="true")
    second, result = invoke(stack, MEDIA_ID, business_phone=None)
    assert result["business_phone"] == "86158****1795"
    assert int(second) > int(first)
    functions = cloud.client("lambda")
    for name in ("DeleteMediaFunction", "IndexMediaFunction", "SweepIndexFunction"):
        versions = functions.list_versions_by_function(FunctionName=stack.resources[name])["Versions"]
        descriptions = {version["Description"] for version in versions}
        assert not any(phone in text for text in descriptions for phone in (PHONE, "49301234567"))
