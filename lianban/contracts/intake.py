"""What intake says: the matter as the petitioner told it, and what the petitioner does later.

No event carries the petitioner's data or words; entitled services fetch those from intake.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lianban.contracts.codes import Channel, NoticeChannel, Purpose
from lianban.contracts.events import event
from lianban.contracts.refs import AgencyRef, ClaimRef, RatingVote


@event("intake.matter-registered.v1")
class MatterRegistered:
    """A matter was registered (条例 §22①, §23①); the subject is the matter's id."""

    number: str
    channel: Channel
    purpose: Purpose
    region_code: str
    region_name: str
    received_at: datetime
    claims: tuple[ClaimRef, ...]
    group_size: int
    accused: tuple[AgencyRef, ...] = ()
    anonymous: bool = False
    reachable: tuple[NoticeChannel, ...] = ()
    attachments: int = 0
    registered_by: str | None = None
    imported: bool = False


@event("intake.matter-sealed.v1")
class MatterSealed:
    """An accusation was sealed for the competent discipline body (条例 §30); it never enters routing."""

    number: str
    received_at: datetime


@event("intake.matter-supplemented.v1")
class MatterSupplemented:
    """The petitioner added facts or files."""

    supplement_id: UUID
    attachments: int
    supplemented_at: datetime


@event("intake.matter-withdrawn.v1")
class MatterWithdrawn:
    """The petitioner withdrew the matter."""

    withdrawn_at: datetime


@event("intake.matter-opened.v1")
class MatterOpened:
    """The petitioner opened the status page with the query code; ``notices`` were on it (a proof of service)."""

    opened_at: datetime
    notices: tuple[UUID, ...]


@event("intake.matter-rated.v1")
class MatterRated:
    """The petitioner rated; ``solved`` false asks for re-handling, ``round`` counts decisions from 1."""

    round: int
    votes: tuple[RatingVote, ...]
    solved: bool | None
    rated_at: datetime
