"""Who stands above whom: who decides a dispute, and who must never see a matter.

Agencies stand in two trees, the government line (领导关系) and the vertical line (业务、垂直管理). A dispute about
acceptance is decided by the common superior, and without one handled by the joint conference (条例 §24①).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lianban.contracts.codes import CodeList
from lianban.law import places


class SuperiorsError(ValueError):
    """The register of agencies contradicts itself, or does not know an agency."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An agency's place in the register; superiors and successors are codes of agencies."""

    code: str
    region_code: str
    government: str | None = None
    vertical: str | None = None
    successors: tuple[str, ...] = ()
    petition_office: bool = False


Register = Mapping[str, Standing]


class Line(CodeList):
    """Which of the two trees."""

    GOVERNMENT = "government", "领导关系", "Government line"
    VERTICAL = "vertical", "业务（垂直）关系", "Vertical line"


class DeciderKind(CodeList):
    """Who decides or coordinates a dispute (条例 §24①)."""

    COMMON_SUPERIOR = "common_superior", "共同的上一级机关、单位", "Common superior"
    JOINT_CONFERENCE = "joint_conference", "信访工作联席会议", "Joint conference"


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides: for the joint conference ``code`` is the petition office that is its office, if one is known."""

    kind: DeciderKind
    code: str | None
    line: Line | None = None


_UP: Mapping[Line, Callable[[Standing], str | None]] = {
    Line.GOVERNMENT: lambda agency: agency.government,
    Line.VERTICAL: lambda agency: agency.vertical,
}


def superiors(code: str, line: Line, register: Register) -> tuple[str, ...]:
    """An agency's superiors in one line, the nearest first; raises :class:`SuperiorsError` on a circle or a gap."""
    up = _UP[line]
    chain: list[str] = []
    current = up(_standing(code, register))
    while current is not None:
        if current == code or current in chain:
            raise SuperiorsError(f"{code} is its own superior in the {line.en.lower()}")
        chain.append(current)
        current = up(_standing(current, register))
    return tuple(chain)


def common_superior(codes: Iterable[str], line: Line, register: Register) -> str | None:
    """The lowest agency above all of them in one line, or ``None``; a party is never above itself."""
    chains = [superiors(code, line, register) for code in dict.fromkeys(codes)]
    if not chains:
        return None
    shared = set(chains[0]).intersection(*chains[1:])
    return next((code for code in chains[0] if code in shared), None)


def who_decides(codes: Iterable[str], register: Register, blocked: frozenset[str] = frozenset()) -> Decider:
    """Who decides a dispute between agencies.

    The common superior that is nearest to them, in the government line when both are as near; where there is
    none, or it is ``blocked`` by the matter itself, the joint conference of the lowest region that holds all parties.
    """
    parties = tuple(dict.fromkeys(codes))
    candidates: list[tuple[int, int, str, Line]] = []
    for order, line in enumerate(Line):
        code = common_superior(parties, line, register)
        if code is not None and code not in blocked:
            distance = max(superiors(party, line, register).index(code) for party in parties)
            candidates.append((distance, order, code, line))
    if candidates:
        _, _, code, line = min(candidates)
        return Decider(DeciderKind.COMMON_SUPERIOR, code, line)
    return Decider(DeciderKind.JOINT_CONFERENCE, _conference_office(parties, register, blocked))


def _conference_office(parties: tuple[str, ...], register: Register, blocked: frozenset[str]) -> str | None:
    lineages = [places.chain(_standing(code, register).region_code) for code in parties]
    shared = [region for region in lineages[0] if all(region in lineage for lineage in lineages)] if lineages else []
    for region in shared:
        offices = sorted(
            agency.code
            for agency in register.values()
            if agency.petition_office and agency.region_code == region and agency.code not in blocked
        )
        if offices:
            return offices[0]
    return None


def blocked_agencies(accused: Iterable[str], register: Register) -> frozenset[str]:
    """The agencies that must not learn of a matter: the accused, all below them in either line, and successors.

    条例 §30③. An accused agency that the register does not know stays in the answer.
    """
    below: dict[str, set[str]] = {}
    for agency in register.values():
        for superior in (agency.government, agency.vertical):
            if superior is not None:
                below.setdefault(superior, set()).add(agency.code)
    found: set[str] = set()
    todo = list(accused)
    while todo:
        code = todo.pop()
        if code in found:
            continue
        found.add(code)
        todo.extend(below.get(code, ()))
        if code in register:
            todo.extend(register[code].successors)
    return frozenset(found)


def _standing(code: str, register: Register) -> Standing:
    try:
        return register[code]
    except KeyError:
        raise SuperiorsError(f"the register does not know the agency {code!r}") from None
