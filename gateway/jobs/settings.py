"""What the operator may say about time and queueing."""

from __future__ import annotations

from pydantic import Field

from gateway.domain.quantity import Seconds
from gateway.domain.settings import Settings


class BreakerSettings(Settings):
    """When a platform that fails is left alone, and for how long."""

    failures: int = Field(default=5, ge=1, description="Submissions in a row that fail by the platform's fault")
    open_for: Seconds = Field(
        default=5.0, gt=0, description="No submission for this long, then one as a probe; doubled when it fails"
    )
    longest: Seconds = Field(default=10.0, gt=0, description="The longest time between two probes")


class JobSettings(Settings):
    """Three clocks: the client's, the paid task's, and that of the picture's host. None ends the work of another."""

    answer_within: Seconds = Field(default=300.0, gt=0, description="A request is answered this long after its upload")
    patience: Seconds = Field(
        default=30.0,
        gt=0,
        description="A request waits this long for a slot of one platform while another one could serve it",
    )
    job_max_age: Seconds = Field(
        default=900.0,
        gt=0,
        le=3600,
        description="A paid task older than this gives its slot back and is asked after sparsely",
    )
    unanswered_within: Seconds = Field(
        default=20.0,
        gt=0,
        description="A request waits this long while the platform answers neither its submission nor its polls",
    )
    collect_within: Seconds = Field(
        default=30.0,
        gt=0,
        description="A request waits this long for a picture that is ready; fetching it goes on without the request",
    )
    queue_limit: int = Field(
        default=200, ge=0, description="Submissions that may wait for a slot, by account and model"
    )
    breaker: BreakerSettings = Field(default_factory=BreakerSettings)
    drain: Seconds = Field(default=110.0, ge=0, description="How long running jobs may go on after SIGTERM")
