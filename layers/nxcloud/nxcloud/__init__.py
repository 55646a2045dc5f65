"""A client of NXCloud's WhatsApp media API. It knows nothing of AWS."""

from nxcloud.answers import Answer
from nxcloud.client import MediaClient, MediaFile
from nxcloud.clock import CorrectedClock, system_clock_ms
from nxcloud.errors import (
    ClockSkewError,
    CredentialsRefusedError,
    InvalidAnswerError,
    InvalidRequestError,
    NoAnswerError,
    NxCloudError,
    RefusedError,
)
from nxcloud.signing import Algorithm, Credentials, SignatureAuth, sign

__all__ = [
    "Algorithm",
    "Answer",
    "ClockSkewError",
    "CorrectedClock",
    "Credentials",
    "CredentialsRefusedError",
    "InvalidAnswerError",
    "InvalidRequestError",
    "MediaClient",
    "MediaFile",
    "NoAnswerError",
    "NxCloudError",
    "RefusedError",
    "SignatureAuth",
    "sign",
    "system_clock_ms",
]
