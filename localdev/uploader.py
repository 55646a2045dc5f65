"""What a team's uploader does: sends a file to WhatsApp through NXCloud, and learns its Media-ID."""

import requests

from nxcloud import Credentials, SignatureAuth, system_clock_ms


def upload_media(base_url: str, credentials: Credentials, business_phone: str, file_name: str, content: bytes) -> str:
    """The Media-ID of the uploaded file (source: NXCloud, "uploadMedia")."""
    response = requests.post(
        f"{base_url}/api/wa/uploadMedia",
        data={"business_phone": business_phone, "messaging_product": "whatsapp", "type": "image/jpeg"},
        files={"file": (file_name, content, "image/jpeg")},
        auth=SignatureAuth(credentials, "uploadMedia", system_clock_ms),
        timeout=10,
    )
    answer = response.json()
    if answer["code"] != 0:
        raise RuntimeError(f"uploadMedia answered {answer['code']}: {answer['message']}")
    media_id: str = answer["data"]["id"]
    return media_id
