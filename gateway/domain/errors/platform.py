"""Faults of a vendor."""

from __future__ import annotations

from gateway.domain.errors.tree import Blame, GatewayError


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


class PlatformUnavailable(PlatformError):
    """The platform has failed again and again and is left alone for a while; nothing was sent, nothing was charged."""

    code, status = "platform_unavailable", 503
    hopeful = True


class PlatformSilent(PlatformError):
    """The platform may be working on the job and says nothing. The gateway goes on asking; the same request joins."""

    code, status = "platform_silent", 504
    hopeful = safe = True


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
