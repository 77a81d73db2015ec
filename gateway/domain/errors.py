"""
One error tree.

Every fault a client can meet is a class here: its `code` is the OpenAI `code`, the metric label and the log field.
The public text is for the client; `detail` is for the log only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    """Who has to change something."""

    CLIENT = "client"
    PLATFORM = "platform"
    GATEWAY = "gateway"


class Paid(StrEnum):
    """Whether the vendor may have charged: the one fact from which everything about repeating follows."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


CATALOGUE: dict[str, type[GatewayError]] = {}


class GatewayError(Exception):
    """
    A fault with a public face.

    Args:
        text: what is wrong, where, and what to do; shown to the client.
        param: the client's own field name, when one is to blame.
        detail: private; goes to the log.
        paid: whether the vendor may have charged for the request.
        retry_after_s: when the same request may succeed, in seconds.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    blame: ClassVar[Blame] = Blame.GATEWAY
    hopeful: ClassVar[bool] = False
    """True when the same request may succeed a little later, as long as it is unpaid."""

    def __init_subclass__(cls) -> None:
        CATALOGUE.setdefault(cls.code, cls)

    def __init__(
        self,
        text: str,
        *,
        param: str | None = None,
        detail: str | None = None,
        paid: Paid = Paid.NO,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.param = param
        self.detail = detail
        self.paid = paid
        self.retry_after_s = retry_after_s


class InternalError(GatewayError):
    """The gateway itself failed; the log has the request id and the traceback."""


# --- the client ------------------------------------------------------------------------------------------------------


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
    """Text where a file belongs."""

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
    """A picture with more pixels than the model takes."""

    code = "image_too_large"


class BadKey(GatewayError):
    """No key, a malformed one, or a wrong one: all three look alike."""

    code, status, blame = "invalid_api_key", 401, Blame.CLIENT


class ForbiddenOrigin(GatewayError):
    """A gateway without keys met a request that did not come from this machine's own programs."""

    code, status, blame = "forbidden_origin", 403, Blame.CLIENT


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


# --- the platform ----------------------------------------------------------------------------------------------------


class PlatformError(GatewayError):
    """The platform took the job and failed at it."""

    code, status, blame = "platform_error", 502, Blame.PLATFORM


class PlatformBusy(PlatformError):
    """The platform said 429 and went on saying so; nothing was charged."""

    code, status = "platform_busy", 429
    hopeful = True


class PlatformAuthFailed(PlatformError):
    """The platform refuses the gateway's own key."""

    code = "platform_auth_failed"


class PlatformOutOfCredits(PlatformError):
    """The gateway's account at the platform is empty."""

    code, status = "platform_out_of_credits", 503


class PlatformUnreachable(PlatformError):
    """No connection to the platform: nothing was sent, nothing was charged."""

    code = "platform_unreachable"
    hopeful = True


class PlatformTimeout(PlatformError):
    """A relayed platform could not be connected in time."""

    code, status = "platform_timeout", 504
    hopeful = True


class AnswerLost(PlatformError):
    """The submission may have been accepted, its answer did not arrive."""

    code = "platform_answer_lost"


class ForeignPollingHost(PlatformError):
    """The platform named a polling address outside its own domain; it got no request."""

    code = "platform_foreign_host"


class TaskLost(PlatformError):
    """The platform no longer knows a task it had accepted."""

    code = "platform_task_lost"


class ResultLost(PlatformError):
    """The picture was made but could not be fetched while it existed."""

    code = "platform_result_lost"


# --- the gateway -----------------------------------------------------------------------------------------------------


class QueueFull(GatewayError):
    """The wait would not fit the time in which an answer was promised."""

    code, status = "queue_full", 429
    hopeful = True


class AnswerOverdue(GatewayError):
    """The job goes on, the promised time is over; the same request joins it."""

    code, status = "answer_overdue", 504


class OutOfRoom(GatewayError):
    """Memory budget and disk are exhausted."""

    code, status = "out_of_room", 503
    hopeful = True


class ShuttingDown(GatewayError):
    """The gateway is draining."""

    code, status = "shutting_down", 503
    hopeful = True
