"""From the responsibility catalogue to bodies: which agency has a function for a place.

属地管理、分级负责，谁主管、谁负责 (条例 §5(三)).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lianban.contracts.codes import AgencyLevel
from lianban.law import places
from services.routing.domain.register import Agency, Part

_UPWARDS = (AgencyLevel.VILLAGE, AgencyLevel.TOWNSHIP, AgencyLevel.COUNTY, AgencyLevel.CITY)


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
    """The body that has the part's function for ``place``; ``None`` where nobody has it.

    Where there is none at the wanted level it is sought upwards, then downwards; without a level, from the place up.
    """
    chain = places.chain(place)
    found: dict[AgencyLevel, Agency] = {}
    for agency in sorted(agencies.values(), key=lambda a: a.code):
        if part.function not in agency.functions or agency.region_code not in chain:
            continue
        current = in_force(agency, agencies)
        if current is None or current.code in excluded:
            continue
        found.setdefault(agency.level, current)
    wanted = _UPWARDS.index(part.level) if part.level is not None else 0
    order = (*_UPWARDS[wanted:], *reversed(_UPWARDS[:wanted]))
    return next((found[level] for level in order if level in found), None)
