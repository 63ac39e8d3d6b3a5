"""What stands in the registers: regions, agencies, staff and the responsibility catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from lianban.contracts.codes import AgencyLevel, StaffRole
from lianban.contracts.refs import AgencyRef


@dataclass(frozen=True, slots=True)
class Region:
    """A place of one of the four levels; ``code`` has twelve digits."""

    code: str
    name: str
    level: AgencyLevel
    parent_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """A body that can be given a matter, with its superior in both lines (government and vertical)."""

    code: str
    name: str
    level: AgencyLevel
    region_code: str
    petition_office: bool = False
    superior_government: str | None = None
    superior_vertical: str | None = None
    functions: tuple[str, ...] = ()
    phone: str = ""
    address: str = ""
    duty_hours: str = ""
    successor: str | None = None
    active: bool = True

    @property
    def ref(self) -> AgencyRef:
        """The snapshot that events carry."""
        return AgencyRef(self.code, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """A person who works with the system; ``agency`` for an agency's people, ``territory`` limits what is seen."""

    username: str
    name: str
    roles: frozenset[StaffRole]
    agency: str | None = None
    territory: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """Who takes part in a type of matter: the body with ``function``, at ``level`` if there is one.

    A co-handler without a level is sought at the lead's level, a lead without one from the place upwards.
    """

    function: str
    level: AgencyLevel | None = None


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """Where a power comes from: ``title`` of the act and its ``article``."""

    title: str
    article: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatterType:
    """An item of the responsibility catalogue (权责清单): who leads and who usually takes part, and why.

    ``examples`` are sentences as petitioners write them; the text model learns from names, keywords and examples.
    """

    code: str
    item: str
    field: str
    name: str
    name_en: str = ""
    lead: Part
    co_handlers: tuple[Part, ...] = ()
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    basis: tuple[LegalBasis, ...] = ()
