"""Errors of NXCloud's media API: everything that is not a confirmed success.

NxCloudError                      carries provider_code, provider_message, http_status, retry_after_s
├── NoResponseError               no complete response: network, TLS, deadline
├── InvalidResponseError          not a response of the API: HTTP error, redirect, HTML, oversized
└── ApiError                      the API responded without success: -1, 9001, unknown codes, `success` false
    ├── InvalidRequestError       1001, 1002, 9000, 9002, 9006: the same request can never succeed
    ├── CredentialsRefusedError   1003, 1005 and other 100X: wrong signature, access key or right
    └── ClockSkewError            1004: the timestamp differs by more than 60 s

No error holds a signature, a secret or a request header.
"""


class NxCloudError(Exception):
    """A call without a confirmed success.

    `provider_code` and `provider_message` are the API's own, `http_status` is the response's; each is None where the
    response had none. `retry_after_s` is the server's `Retry-After` in seconds, `server_time_ms` its `Date` as Unix
    milliseconds.
    """

    def __init__(  # noqa: PLR0913 (all facts of a response)
        self,
        description: str,
        *,
        provider_code: int | None = None,
        provider_message: str | None = None,
        http_status: int | None = None,
        retry_after_s: int | None = None,
        server_time_ms: int | None = None,
    ) -> None:
        super().__init__(description)
        self.provider_code = provider_code
        self.provider_message = provider_message
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.server_time_ms = server_time_ms


class NoResponseError(NxCloudError):
    """No complete response arrived: the call may or may not have taken effect."""


class InvalidResponseError(NxCloudError):
    """The response is not one of the API's, so it proves nothing."""


class ApiError(NxCloudError):
    """The API responded with something other than success."""


class InvalidRequestError(ApiError):
    """The API will refuse this request every time: a parameter or a header is wrong."""


class CredentialsRefusedError(ApiError):
    """The API refused the signature, the access key or the account's right to call."""


class ClockSkewError(ApiError):
    """The request's timestamp is more than 60 s away from the API's clock."""


def error_for_code(code: int, message: str, http_status: int, server_time_ms: int | None = None) -> ApiError:
    """Return the error for a response code (source: NXCloud, "API interface calling convention")."""
    kind: type[ApiError]
    match code:
        case 1001 | 1002 | 9000 | 9002 | 9006:
            kind = InvalidRequestError
        case 1004:
            kind = ClockSkewError
        case _ if 1000 <= code <= 1009:
            kind = CredentialsRefusedError
        case _:
            kind = ApiError
    return kind(
        f"NXCloud refused the call with code {code}: {message}",
        provider_code=code,
        provider_message=message,
        http_status=http_status,
        server_time_ms=server_time_ms,
    )
