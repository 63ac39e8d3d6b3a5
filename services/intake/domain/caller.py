"""Who is telling intake something, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lianban.contracts.codes import Channel, StaffRole

_FOR_OTHERS = frozenset({StaffRole.CHANNEL, StaffRole.CLERK, StaffRole.IMPORTER})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who submits: ``key`` tells callers apart (for uploads), ``name`` goes on record where somebody registers."""

    key: str = "anonymous"
    name: str | None = None
    roles: frozenset[StaffRole] = field(default_factory=frozenset)

    def may_use(self, channel: Channel) -> bool:
        """Petitioners themselves use the web; staff and connected channels submit for others by any channel."""
        return channel is Channel.WEB or not self.roles.isdisjoint(_FOR_OTHERS)

    @property
    def may_name_source(self) -> bool:
        """Whether the record of another system may be named that a matter comes from."""
        return not self.roles.isdisjoint(_FOR_OTHERS)

    @property
    def may_back_date(self) -> bool:
        """Whether an original date may be given."""
        return StaffRole.IMPORTER in self.roles


PETITIONER = Caller()
"""Somebody on the portal, not signed in."""


def territory_prefix(region: str | None) -> str:
    """What the codes of all regions within a territory begin with; empty for no bounds."""
    if not region:
        return ""
    return next(region[:end] for end in (2, 4, 6, 9, 12) if not region[end:].strip("0"))
