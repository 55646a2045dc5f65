"""Uploads a file to WhatsApp through NXCloud, as the uploading application does."""

import requests

from nxcloud import Credentials, SignatureAuth, system_clock_ms


def upload_media(base_url: str, credentials: Credentials, business_phone: str, file_name: str, content: bytes) -> str:
    """Upload a file, and return its Media-ID (source: NXCloud, "uploadMedia")."""
    response = requests.post(
        f"{base_url}/api/wa/uploadMedia",
        data={"business_phone": business_phone, "messaging_product": "whatsapp", "type": "image/jpeg"},
        files={"file": (file_name, content, "image/jpeg")},
        auth=SignatureAuth(credentials, "uploadMedia", system_clock_ms),
        timeout=10,
    )
    body = response.json()
    if body["code"] != 0:
        raise RuntimeError(f"uploadMedia answered {body['code']}: {body['message']}")
    media_id: str = body["data"]["id"]
    return media_id
