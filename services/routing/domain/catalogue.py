"""From the responsibility catalogue to bodies: which agency has a function for a place.

属地管理、分级负责，谁主管、谁负责 (条例 §5(三)): the body nearest to the place that has the function, unless the
catalogue names a level.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lianban.contracts.codes import AgencyLevel
from services.routing.domain import places
from services.routing.domain.register import Agency, Part

_NEAREST = (AgencyLevel.VILLAGE, AgencyLevel.TOWNSHIP, AgencyLevel.COUNTY, AgencyLevel.CITY)


def in_force(agency: Agency, agencies: Mapping[str, Agency]) -> Agency | None:
    """The agency itself, or the one that continues its powers after a split, merger or abolition (条例 §24)."""
    seen: set[str] = set()
    while not agency.active:
        if agency.successor is None or agency.successor in seen or agency.successor not in agencies:
            return None
        seen.add(agency.code)
        agency = agencies[agency.successor]
    return agency


def responsible(
    part: Part, place: str, agencies: Mapping[str, Agency], *, excluded: Collection[str] = ()
) -> Agency | None:
    """The body that has the part's function for ``place``; ``None`` where nobody has it."""
    chain = places.chain(place)
    found: dict[AgencyLevel, Agency] = {}
    for agency in sorted(agencies.values(), key=lambda a: a.code):
        if part.function not in agency.functions or agency.region_code not in chain:
            continue
        current = in_force(agency, agencies)
        if current is None or current.code in excluded:
            continue
        found.setdefault(agency.level, current)
    if part.level is not None and part.level in found:
        return found[part.level]
    return next((found[level] for level in _NEAREST if level in found), None)
