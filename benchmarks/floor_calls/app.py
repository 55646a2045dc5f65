"""The minimum of a warm batch: signed calls over one session, one after the other, without AWS."""

import json
import os
import time
from typing import Any

import requests

from nxcloud import Credentials, SignatureAuth

session = requests.Session()
credentials = Credentials(os.environ["ACCESS_KEY"], os.environ["ACCESS_SECRET"])
url = os.environ["NXCLOUD_BASE_URL"] + "/api/wa/deleteMedia"


def lambda_handler(event: dict[str, Any], context: object) -> Any:
    for record in event["Records"]:
        message = json.loads(record["body"])
        body = {
            "business_phone": message["business_phone"],
            "Media-ID": message["media_id"],
            "messaging_product": "whatsapp",
        }
        auth = SignatureAuth(credentials, "deleteMedia", lambda: int(time.time() * 1000))
        response = session.post(url, data=json.dumps(body), headers={"Content-Type": "application/json"}, auth=auth)
        assert response.json()["code"] == 0
    return {"batchItemFailures": []}
