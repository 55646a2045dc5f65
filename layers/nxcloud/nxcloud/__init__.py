"""Client of NXCloud's WhatsApp media API, without AWS."""

from nxcloud.client import MediaClient, MediaFile
from nxcloud.clock import CorrectedClock, system_clock_ms
from nxcloud.errors import (
    ApiError,
    ClockSkewError,
    CredentialsRefusedError,
    InvalidFileError,
    InvalidRequestError,
    InvalidResponseError,
    NoResponseError,
    NxCloudError,
    RequestFailedError,
    ThrottledError,
)
from nxcloud.responses import ApiResponse
from nxcloud.signing import Algorithm, Credentials, SignatureAuth, sign

__all__ = [
    "Algorithm",
    "ApiError",
    "ApiResponse",
    "ClockSkewError",
    "CorrectedClock",
    "Credentials",
    "CredentialsRefusedError",
    "InvalidFileError",
    "InvalidRequestError",
    "InvalidResponseError",
    "MediaClient",
    "MediaFile",
    "NoResponseError",
    "NxCloudError",
    "RequestFailedError",
    "SignatureAuth",
    "ThrottledError",
    "sign",
    "system_clock_ms",
]
