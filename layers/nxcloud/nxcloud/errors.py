"""Errors of NXCloud's media API: everything that is not a confirmed success.

NxCloudError                      carries provider_code, meta_code, provider_message, http_status, retry_after_s
├── InvalidFileError              not sent: too large for WhatsApp, empty, or without a name or MIME type
├── NoResponseError               no complete response: network, TLS, deadline
├── InvalidResponseError          not a response of the API: HTTP error, redirect, HTML, compressed, oversized
├── ThrottledError                the caller is too fast: 27, 28, 88, 9099 with Meta's rate limits, HTTP 429
└── ApiError                      the API responded without success: 9003 to 9005, 9007, 9099, unknown codes
    ├── RequestFailedError        -1, 9001, 9099 with Meta's 100: "request failed", which may mean absent
    ├── InvalidRequestError       1001, 1002, 9000, 9002, 9006: the same request can never succeed
    ├── CredentialsRefusedError   1003, 1005 and other 100X: wrong signature, access key or right
    └── ClockSkewError            1004: the timestamp differs by more than 60 s

No error holds a signature, a secret or a request header.
"""

WRONG_SIGNATURE = 1003
META_ERROR = 9099
META_ABSENT_OR_FORBIDDEN = 100
META_RATE_LIMITS = frozenset({4, 80007, 130429, 131056})


class NxCloudError(Exception):
    """A call without a confirmed success.

    `provider_code` and `provider_message` are the API's own, `meta_code` is that of Meta's error inside code 9099,
    `http_status` is the response's; each is None where the response had none. `retry_after_s` is the server's
    `Retry-After` in seconds, `server_time_ms` its `Date` as Unix milliseconds.
    """

    def __init__(  # noqa: PLR0913 (all facts of a response)
        self,
        description: str,
        *,
        provider_code: int | None = None,
        meta_code: int | None = None,
        provider_message: str | None = None,
        http_status: int | None = None,
        retry_after_s: int | None = None,
        server_time_ms: int | None = None,
    ) -> None:
        super().__init__(description)
        self.provider_code = provider_code
        self.meta_code = meta_code
        self.provider_message = provider_message
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.server_time_ms = server_time_ms


class InvalidFileError(NxCloudError):
    """The file cannot be uploaded as it is. Nothing was sent."""


class NoResponseError(NxCloudError):
    """No complete response arrived: the call may or may not have taken effect."""


class InvalidResponseError(NxCloudError):
    """The response is not one of the API's, so it proves nothing."""


class ThrottledError(NxCloudError):
    """The caller exceeds a rate limit."""


class ApiError(NxCloudError):
    """The API responded with something other than success."""


class RequestFailedError(ApiError):
    """The API responded "request failed": the media file is absent or expired, or the service is in trouble."""


class InvalidRequestError(ApiError):
    """The API will refuse this request every time: a parameter or a header is wrong."""


class CredentialsRefusedError(ApiError):
    """The API refused the signature, the access key or the account's right to call."""


class ClockSkewError(ApiError):
    """The request's timestamp is more than 60 s away from the API's clock."""


def error_type(code: int, meta_code: int | None = None) -> type[NxCloudError]:
    """Return the error of a response code (source: NXCloud, "API interface calling convention" and error tables)."""
    match code:
        case -1 | 9001:
            return RequestFailedError
        case 27 | 28 | 88:
            return ThrottledError
        case 9099 if meta_code in META_RATE_LIMITS:
            return ThrottledError
        case 9099 if meta_code == META_ABSENT_OR_FORBIDDEN:
            return RequestFailedError
        case 1001 | 1002 | 9000 | 9002 | 9006:
            return InvalidRequestError
        case 1004:
            return ClockSkewError
        case _ if 1000 <= code <= 1009:
            return CredentialsRefusedError
        case _:
            return ApiError
