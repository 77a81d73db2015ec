"""Faults of the request or of the one who sent it."""

from __future__ import annotations

from gateway.domain.errors.tree import Blame, GatewayError, Paid


class InvalidRequest(GatewayError):
    """The request cannot be read as what it claims to be."""

    code, status, blame = "invalid_request", 400, Blame.CLIENT


class InvalidMultipart(InvalidRequest):
    """The multipart body is malformed or ends early."""

    code = "invalid_multipart"


class InvalidField(InvalidRequest):
    """A field's value is outside what is allowed; `param` names it."""

    code = "invalid_value"


class MissingField(InvalidField):
    """A required field is absent or empty."""

    code = "missing_required_parameter"


class UnknownField(InvalidField):
    """A field nobody on the way knows."""

    code = "unknown_parameter"


class DuplicateField(InvalidField):
    """A field that may come once came twice."""

    code = "duplicate_parameter"


class InvalidType(InvalidField):
    """A value of another type than the field's, such as text where a file belongs."""

    code = "invalid_type"


class UnsupportedField(InvalidField):
    """A real field that the chosen model cannot serve; the text says what to use instead."""

    code = "unsupported_parameter"


class InvalidImage(InvalidField):
    """A picture that is truncated or not a picture."""

    code = "invalid_image_file"


class UnsupportedImage(InvalidField):
    """A picture in a format that is not taken."""

    code = "unsupported_file_mimetype"


class ImageTooLarge(InvalidField):
    """A picture with more pixels, or bytes, than the model takes."""

    code = "image_too_large"


class InvalidMask(InvalidField):
    """A mask of another size than the picture, or without transparent pixels to say where."""

    code = "invalid_mask_image_format"


class InvalidJson(InvalidRequest):
    """The JSON body is malformed or ends early."""

    code = "invalid_json"


class InvalidUrl(InvalidField):
    """The address of a picture is not one that a platform may be sent to."""

    code = "invalid_image_url"


class BadKey(GatewayError):
    """No key, a malformed one, or a wrong one: all three look alike."""

    code, status, blame = "invalid_api_key", 401, Blame.CLIENT


class ForbiddenOrigin(GatewayError):
    """A gateway without keys met a request that did not come from this machine's own programs."""

    code, status, blame = "forbidden_origin", 403, Blame.CLIENT


class BadSignature(GatewayError):
    """The request's signature is absent, wrong, or too old."""

    code, status, blame = "invalid_signature", 401, Blame.CLIENT


class ForbiddenClient(GatewayError):
    """The operator does not serve this address or this program."""

    code, status, blame = "forbidden_client", 403, Blame.CLIENT


class PathNotAllowed(GatewayError):
    """The key may not call this path."""

    code, status, blame = "path_not_allowed", 403, Blame.CLIENT


class ModelNotAllowed(GatewayError):
    """The key may not use this model."""

    code, status, blame = "model_not_allowed", 403, Blame.CLIENT


class ModelNotFound(GatewayError):
    """No model of that name is served here."""

    code, status, blame = "model_not_found", 404, Blame.CLIENT


class NotFound(GatewayError):
    """Nothing lives at this path."""

    code, status, blame = "not_found", 404, Blame.CLIENT


class PlatformNotConfigured(NotFound):
    """The path belongs to a platform whose key is not configured."""

    code = "platform_not_configured"


class MethodNotAllowed(GatewayError):
    """The path exists, the method does not."""

    code, status, blame = "method_not_allowed", 405, Blame.CLIENT

    def __init__(self, text: str, *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.allowed = allowed


class TooSlow(GatewayError):
    """The upload stalled or fell below the minimum rate."""

    code, status, blame = "request_timeout", 408, Blame.CLIENT


class TooLarge(GatewayError):
    """The body or one of its files is larger than allowed."""

    code, status, blame = "request_too_large", 413, Blame.CLIENT


class UnsupportedCoding(GatewayError):
    """A transfer coding besides chunked; the status is that of https://www.rfc-editor.org/rfc/rfc9112#section-6.1"""

    code, status, blame = "unsupported_transfer_encoding", 501, Blame.CLIENT


class RangeOutside(GatewayError):
    """The asked part of a result lies past its end; `length` is the whole one's, in bytes."""

    code, status, blame = "range_not_satisfiable", 416, Blame.CLIENT

    def __init__(self, text: str, *, length: int) -> None:
        super().__init__(text)
        self.length = length


class UnsupportedMedia(GatewayError):
    """A content type or content encoding that is not taken."""

    code, status, blame = "unsupported_media_type", 415, Blame.CLIENT


class ExpectationFailed(GatewayError):
    """An `Expect` header other than `100-continue`."""

    code, status, blame = "expectation_failed", 417, Blame.CLIENT


class KeyReused(GatewayError):
    """The same Idempotency-Key came with another request."""

    code, status, blame = "idempotency_key_reused", 422, Blame.CLIENT


class HeadersTooLarge(GatewayError):
    """More or longer header lines than allowed."""

    code, status, blame = "headers_too_large", 431, Blame.CLIENT


class Moderated(GatewayError):
    """
    The platform refused the content: an outcome, not a fault.

    `stage` is `input` or `output`; `categories` are the vendor's own words.
    """

    code, status, blame = "moderation_blocked", 400, Blame.CLIENT

    def __init__(self, text: str, *, stage: str, categories: tuple[str, ...], paid: Paid = Paid.NO) -> None:
        super().__init__(text, paid=paid)
        self.stage = stage
        self.categories = categories
