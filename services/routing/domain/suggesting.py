"""Who should lead and who should take part: candidates with their reasons, from place, catalogue and text.

Nothing is decided here: a person confirms, unless the site's policy allows automatic routing for the case
(个人信息保护法 §24).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lianban.contracts.codes import AgencyRole, Channel, SuggestionGround
from lianban.contracts.refs import AgencyRef
from lianban.law import places
from services.routing.domain import catalogue
from services.routing.domain.policy import Policy
from services.routing.domain.register import Agency, MatterType, Part
from services.routing.domain.screening import Procedure, screen

KEYWORD_WEIGHT = 0.35
"""How much the catalogue's keywords count beside the text model; tried on the demo's catalogue."""
KEYWORDS_FOR_CERTAINTY = 3
"""Number of different keywords in a text from which they count fully."""
SECOND_TYPE_SHARE = 0.5
"""A further matter type joins its lead as co-handler when its score is at least this share of the best one's."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason in both languages; ``item`` is the catalogue's item, ``article`` the legal basis."""

    ground: SuggestionGround
    zh: str
    en: str
    item: str | None = None
    article: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agency that is suggested, in which role, how surely (0 to 1) and why."""

    agency: AgencyRef
    role: AgencyRole
    score: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class TypeScore:
    """A matter type with its joint score of text model and keywords (0 to 1)."""

    code: str
    name: str
    score: float
    keywords: tuple[str, ...]
    name_en: str = ""

    def label(self, language: str) -> str:
        """The type's name in a language; the catalogue need not have an English one."""
        return (self.name_en if language.startswith("en") else "") or self.name


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Lead, co-handlers and further candidates, best first; ``procedure`` when the text points to another way."""

    lead: Candidate | None
    co_handlers: tuple[Candidate, ...]
    others: tuple[Candidate, ...]
    types: tuple[TypeScore, ...]
    procedure: Procedure | None
    excluded: tuple[str, ...]

    @property
    def matter_type(self) -> str | None:
        """The code of the best matter type."""
        return self.types[0].code if self.types and self.lead else None

    @property
    def grounds(self) -> tuple[SuggestionGround, ...]:
        """Why the lead is suggested, each ground once."""
        return tuple(dict.fromkeys(r.ground for r in self.lead.reasons)) if self.lead else ()


def rank_types(text: str, scores: Mapping[str, float], types: Sequence[MatterType]) -> tuple[TypeScore, ...]:
    """Matter types by the text model's scores and the catalogue's keywords, best first."""
    ranked = []
    for item in types:
        found = tuple(word for word in item.keywords if word in text)
        by_words = min(len(found), KEYWORDS_FOR_CERTAINTY) / KEYWORDS_FOR_CERTAINTY
        score = (1 - KEYWORD_WEIGHT) * scores.get(item.code, 0.0) + KEYWORD_WEIGHT * by_words
        ranked.append(TypeScore(item.code, item.name, round(score, 4), found, item.name_en))
    return tuple(sorted(ranked, key=lambda t: (-t.score, t.code)))


def suggest(
    *,
    text: str,
    place: str,
    place_name: str,
    scores: Mapping[str, float],
    types: Sequence[MatterType],
    agencies: Mapping[str, Agency],
    blocked: Collection[str],
    policy: Policy,
) -> Suggestion:
    """Candidates for a matter; ``blocked`` agencies (accused, their subordinates and successors) are left out."""
    by_code = {item.code: item for item in types}
    ranked = [t for t in rank_types(text, scores, types) if t.score >= policy.suggest_minimum][:5]
    excluded: dict[str, None] = {}
    lead: Candidate | None = None
    co_handlers: dict[str, Candidate] = {}
    others: dict[str, Candidate] = {}

    def candidate(part: Part, role: AgencyRole, found: TypeScore) -> Candidate | None:
        unrestricted = catalogue.responsible(part, place, agencies)
        agency = catalogue.responsible(part, place, agencies, excluded=blocked)
        if unrestricted is not None and (agency is None or unrestricted.code != agency.code):
            excluded[unrestricted.code] = None
            if agency is None and role is AgencyRole.LEAD:
                agency = _superior(unrestricted, agencies, blocked)
        if agency is None:
            return None
        reasons = _reasons(agency, part, role, found, by_code[found.code], place_name, place)
        if unrestricted is not None and unrestricted.code != agency.code:
            reasons += (
                Reason(
                    SuggestionGround.ACCUSED,
                    f"{unrestricted.name}为被反映单位或与其有隶属关系，依法回避",
                    f"{unrestricted.name} is accused or depends on the accused and is left out",
                    article="《信访工作条例》第三十条第三款",
                ),
            )
        return Candidate(agency.ref, role, found.score, reasons)

    for found in ranked:
        item = by_code[found.code]
        first = candidate(item.lead, AgencyRole.LEAD, found)
        if first is None:
            continue
        if lead is None:
            lead = first
            for part in item.co_handlers:
                joined = Part(part.function, part.level or item.lead.level)
                partner = candidate(joined, AgencyRole.CO_HANDLER, found)
                if partner is not None and partner.agency.code != lead.agency.code:
                    co_handlers.setdefault(partner.agency.code, partner)
            continue
        if first.agency.code == lead.agency.code:
            continue
        strong = found.keywords and found.score >= SECOND_TYPE_SHARE * lead.score
        if strong and first.agency.code not in co_handlers and len(co_handlers) < policy.suggest_co_handlers:
            co_handlers[first.agency.code] = Candidate(first.agency, AgencyRole.CO_HANDLER, first.score, first.reasons)
        else:
            others.setdefault(first.agency.code, first)
    return Suggestion(
        lead=lead,
        co_handlers=tuple(co_handlers.values())[: policy.suggest_co_handlers],
        others=tuple(c for code, c in others.items() if code not in co_handlers),
        types=tuple(ranked),
        procedure=screen(text),
        excluded=tuple(excluded),
    )


def _superior(accused: Agency, agencies: Mapping[str, Agency], blocked: Collection[str]) -> Agency | None:
    """Who looks at an accused body: its superior (条例 §22②, by 管理权限)."""
    for code in (accused.superior_government, accused.superior_vertical):
        found = agencies.get(code) if code is not None and code not in blocked else None
        if found is not None and found.active:
            return found
    return None


def _reasons(
    agency: Agency, part: Part, role: AgencyRole, found: TypeScore, item: MatterType, place_name: str, place: str
) -> tuple[Reason, ...]:
    basis = item.basis[0] if item.basis else None
    does = ("主管", "is responsible for") if role is AgencyRole.LEAD else ("协同办理", "takes part in")
    reasons = [
        Reason(
            SuggestionGround.CATALOGUE,
            f"权责清单“{item.name}”：由{agency.name}{does[0]}",
            f"Responsibility catalogue, “{item.name_en or item.name}”: {agency.name} {does[1]} it",
            item=item.item,
            article=f"《{basis.title}》{basis.article}" if basis else None,
        ),
        Reason(
            SuggestionGround.PLACE,
            f"问题属地为{place_name}，在{agency.name}管辖范围内",
            f"The place, {place_name}, is in the territory of {agency.name}",
            article="《信访工作条例》第五条第三项",
        ),
    ]
    percent = round(found.score * 100)
    if found.keywords:
        words = "、".join(found.keywords[:4])
        reasons.append(
            Reason(
                SuggestionGround.TEXT,
                f"文本与“{item.name}”相符（{percent}%），出现：{words}",
                f"The text fits “{item.name_en or item.name}” ({percent}%) and mentions: {words}",
            )
        )
    else:
        reasons.append(
            Reason(
                SuggestionGround.TEXT,
                f"文本与“{item.name}”相符（{percent}%）",
                f"The text fits “{item.name_en or item.name}” ({percent}%)",
            )
        )
    return tuple(reasons)


def may_route_automatically(
    suggestion: Suggestion, *, policy: Policy, channel: Channel, imported: bool, accused: bool
) -> bool:
    """Whether the site's policy lets the suggestion be confirmed without a person.

    Never where another procedure may apply or somebody is accused: a person looks at those.
    """
    if suggestion.lead is None or suggestion.procedure is not None or accused:
        return False
    lead = suggestion.lead
    return any(
        (not stated.channels or channel in stated.channels)
        and (not stated.matter_types or suggestion.matter_type in stated.matter_types)
        and (stated.imported is None or stated.imported == imported)
        and lead.score >= stated.minimum_score
        for stated in policy.automatic_routing
    )


def petition_offices(place: str, agencies: Mapping[str, Agency]) -> tuple[Agency, ...]:
    """The petition offices that are responsible for a place, the nearest first: they coordinate (条例 §24)."""
    chain = places.chain(place)
    found = [item for item in agencies.values() if item.petition_office and item.active and item.region_code in chain]
    return tuple(sorted(found, key=lambda item: chain.index(item.region_code)))
