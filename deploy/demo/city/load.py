"""The demo city from its YAML files: typed, and checked as a whole before anything is written anywhere.

:func:`load` reads the folder and raises :class:`~deploy.demo.city.reading.BadCity` with every mistake at once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deploy.demo.city.reading import BadCity, Entry, open_file
from lianban.contracts.codes import AgencyLevel, StaffRole

FOLDER = Path(__file__).parent
REGION_DIGITS = {AgencyLevel.CITY: 4, AgencyLevel.COUNTY: 6, AgencyLevel.TOWNSHIP: 9, AgencyLevel.VILLAGE: 12}
"""How many digits of a region code carry meaning at each level."""
_NEAREST = (AgencyLevel.VILLAGE, AgencyLevel.TOWNSHIP, AgencyLevel.COUNTY, AgencyLevel.CITY)
_CODE = re.compile(r"[a-z0-9-]{3,40}\Z")


class Adapter(StrEnum):
    """How an agency is connected to the gateway."""

    REST_PUSH = "rest_push"
    PULL = "pull"
    DESK = "desk"


class DiversionKind(StrEnum):
    """Which other way a matter must take."""

    COURT = "court"
    ARBITRATION = "arbitration"
    RECONSIDERATION = "reconsideration"
    REVIEW = "review"
    DISCIPLINE = "discipline"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Region:
    """A place; ``aliases`` are words that people use for it."""

    code: str
    name: str
    en: str
    level: AgencyLevel
    aliases: tuple[str, ...]

    @property
    def parent_code(self) -> str | None:
        """The code of the region that this one lies in; ``None`` for the city."""
        above = {AgencyLevel.COUNTY: 4, AgencyLevel.TOWNSHIP: 6, AgencyLevel.VILLAGE: 9}.get(self.level)
        return None if above is None else self.code[:above].ljust(12, "0")


@dataclass(frozen=True, slots=True)
class Function:
    """What an agency can be responsible for."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Contact:
    """How an agency is reached; ``hours`` are its duty hours in words."""

    phone: str
    email: str
    address: str
    hours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """An agency with its superior in both lines and the way it is connected."""

    code: str
    name: str
    level: AgencyLevel
    region: str
    functions: tuple[str, ...]
    petition_office: bool
    superior_government: str | None
    superior_vertical: str | None
    adapter: Adapter
    contact: Contact


@dataclass(frozen=True, slots=True)
class Basis:
    """A legal basis; ``confidence`` is ``verify`` until a person has compared it with the official text."""

    law: str
    article: str
    confidence: str

    @property
    def cited(self) -> str:
        """As it is written in a document."""
        return f"《{self.law}》{self.article}"


@dataclass(frozen=True, slots=True)
class Part:
    """Who takes part: the agency with ``function`` at ``level``, or nearest to the place."""

    function: str
    level: AgencyLevel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatterType:
    """An item of the responsibility catalogue."""

    code: str
    item: str
    zh: str
    en: str
    field: str
    lead: Part
    co: tuple[Part, ...]
    bases: tuple[Basis, ...]
    keywords: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversion:
    """A statutory way that is not a petition; ``to`` names the body, ``advice`` is what the petitioner is told."""

    code: str
    zh: str
    en: str
    kind: DiversionKind
    to: str
    bases: tuple[Basis, ...]
    advice: str
    keywords: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMember:
    """A demo sign-in; ``shown`` says beside the name what it is for."""

    username: str
    name: str
    roles: frozenset[StaffRole]
    agency: str | None
    territory: str | None
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """The whole demo city, in the order of the files: superiors and parents are not necessarily first."""

    regions: Mapping[str, Region]
    functions: Mapping[str, Function]
    fields: Mapping[str, Function]
    agencies: Mapping[str, Agency]
    types: Mapping[str, MatterType]
    diversions: Mapping[str, Diversion]
    staff: tuple[StaffMember, ...]
    password_setting: str
    default_password: str

    def chain(self, region: str) -> tuple[str, ...]:
        """The codes from a place up to the city."""
        found: list[str] = []
        code: str | None = region
        while code is not None:
            found.append(code)
            code = self.regions[code].parent_code
        return tuple(found)

    def resolve(self, part: Part, region: str, *, excluded: Iterable[str] = ()) -> Agency | None:
        """The agency that has a part's function for a place: at the part's level, else the nearest."""
        chain, without = set(self.chain(region)), set(excluded)
        found: dict[AgencyLevel, Agency] = {}
        for code in sorted(self.agencies):
            agency = self.agencies[code]
            if part.function in agency.functions and agency.region in chain and code not in without:
                found.setdefault(agency.level, agency)
        if part.level is not None and part.level in found:
            return found[part.level]
        return next((found[level] for level in _NEAREST if level in found), None)

    def regions_of(self, level: AgencyLevel) -> tuple[Region, ...]:
        """All places of one level."""
        return tuple(region for region in self.regions.values() if region.level is level)


def load(folder: Path = FOLDER) -> City:
    """The city in ``folder``; raises :class:`~deploy.demo.city.reading.BadCity` with every mistake."""
    problems: list[str] = []
    regions = _regions(open_file(folder / "regions.yaml", problems))
    functions = _functions(open_file(folder / "functions.yaml", problems), "functions")
    agencies = _agencies(open_file(folder / "agencies.yaml", problems))
    catalogue = open_file(folder / "catalogue.yaml", problems)
    staff = open_file(folder / "staff.yaml", problems)
    city = City(
        regions=regions,
        functions=functions,
        fields=_functions(catalogue, "fields", last=False),
        agencies=agencies,
        types=_types(catalogue),
        diversions=_diversions(catalogue),
        staff=tuple(_staff(entry) for entry in staff.entries("staff")),
        password_setting=staff.text("password_setting"),
        default_password=staff.text("default_password"),
    )
    catalogue.done()
    staff.done()
    if not problems:
        _check(city, problems)
    if problems:
        raise BadCity(problems)
    return city


def _keep(found: Collection[str], code: str, entry: Entry) -> bool:
    if code in found:
        entry.wrong(f"code {code!r} is used twice")
        return False
    return bool(code)


def _regions(file: Entry) -> dict[str, Region]:
    found: dict[str, Region] = {}
    for entry in file.entries("regions"):
        region = Region(
            entry.text("code"),
            entry.text("name"),
            entry.text("en"),
            entry.code("level", AgencyLevel, AgencyLevel.VILLAGE),
            entry.texts("aliases"),
        )
        entry.done()
        digits = REGION_DIGITS[region.level]
        if not re.fullmatch(r"[0-9]{12}", region.code) or len(region.code.rstrip("0")) > digits:
            entry.wrong(
                f"code {region.code!r} should have 12 digits, at level {region.level} zeros after the first {digits}"
            )
        if _keep(found, region.code, entry):
            found[region.code] = region
    file.done()
    return found


def _functions(file: Entry, key: str, *, last: bool = True) -> dict[str, Function]:
    found = {}
    for code, entry in file.named(key):
        found[code] = Function(code, entry.text("zh"), entry.text("en"))
        entry.done()
    if last:
        file.done()
    return found


def _agencies(file: Entry) -> dict[str, Agency]:
    found: dict[str, Agency] = {}
    for entry in file.entries("agencies"):
        contact = entry.part("contact")
        agency = Agency(
            code=entry.text("code"),
            name=entry.text("name"),
            level=entry.code("level", AgencyLevel, AgencyLevel.CITY),
            region=entry.text("region"),
            functions=entry.texts("functions"),
            petition_office=bool(entry.flag("petition_office", default=False)),
            superior_government=entry.optional("superior_government"),
            superior_vertical=entry.optional("superior_vertical"),
            adapter=entry.code("adapter", Adapter, Adapter.DESK),
            contact=Contact(
                contact.text("phone"), contact.text("email"), contact.text("address"), contact.text("hours")
            ),
        )
        contact.done()
        entry.done()
        if not _CODE.match(agency.code):
            entry.wrong(f"code {agency.code!r} should have 3 to 40 lower-case letters, digits and hyphens")
        if _keep(found, agency.code, entry):
            found[agency.code] = agency
    file.done()
    return found


def _part(entry: Entry, raw: object) -> Part:
    if isinstance(raw, str):
        return Part(raw)
    inner = Entry(f"{entry.where} co", raw, entry.problems)
    part = Part(inner.text("function"), inner.code("level", AgencyLevel, AgencyLevel.CITY))
    inner.done()
    return part


def _bases(entry: Entry) -> tuple[Basis, ...]:
    found = []
    for basis in entry.entries("bases"):
        found.append(Basis(basis.text("law"), basis.text("article"), basis.text("confidence")))
        basis.done()
    return tuple(found)


def _types(file: Entry) -> dict[str, MatterType]:
    found: dict[str, MatterType] = {}
    for entry in file.entries("types"):
        co = entry.get("co")
        item = MatterType(
            code=entry.text("code"),
            item=entry.text("item"),
            zh=entry.text("zh"),
            en=entry.text("en"),
            field=entry.text("field"),
            lead=Part(entry.text("lead"), entry.code("level", AgencyLevel, AgencyLevel.CITY)),
            co=tuple(_part(entry, raw) for raw in co) if isinstance(co, list) else (),
            bases=_bases(entry),
            keywords=entry.texts("keywords"),
            examples=entry.texts("examples"),
        )
        entry.done()
        if _keep(found, item.code, entry):
            found[item.code] = item
    return found


def _diversions(file: Entry) -> dict[str, Diversion]:
    found: dict[str, Diversion] = {}
    for entry in file.entries("diversions"):
        item = Diversion(
            code=entry.text("code"),
            zh=entry.text("zh"),
            en=entry.text("en"),
            kind=entry.code("kind", DiversionKind, DiversionKind.OTHER),
            to=entry.text("to"),
            bases=_bases(entry),
            advice=entry.text("advice"),
            keywords=entry.texts("keywords"),
            examples=entry.texts("examples"),
        )
        entry.done()
        if _keep(found, item.code, entry):
            found[item.code] = item
    return found


def _staff(entry: Entry) -> StaffMember:
    roles = entry.get("roles")
    known: set[StaffRole] = set()
    for role in roles if isinstance(roles, list) else []:
        try:
            known.add(StaffRole(role))
        except ValueError:
            entry.wrong(f"role {role!r} is unknown; known are {', '.join(r.value for r in StaffRole)}")
    member = StaffMember(
        username=entry.text("username"),
        name=entry.text("name"),
        roles=frozenset(known),
        agency=entry.optional("agency"),
        territory=entry.optional("territory"),
        shown=entry.text("shown"),
    )
    entry.done()
    if not member.roles:
        entry.wrong("roles should name at least one role")
    return member


def _check(city: City, problems: list[str]) -> None:
    for region in city.regions.values():
        if region.parent_code is not None and region.parent_code not in city.regions:
            problems.append(f"regions.yaml {region.code}: lies in the unknown region {region.parent_code}")
    for agency in city.agencies.values():
        _check_agency(city, agency, problems)
    offices = Counter(agency.region for agency in city.agencies.values() if agency.petition_office)
    for region in city.regions.values():
        wanted = 1 if region.level in (AgencyLevel.CITY, AgencyLevel.COUNTY) else 0
        if offices[region.code] != wanted:
            problems.append(
                f"agencies.yaml: {region.name} has {offices[region.code]} petition offices instead of {wanted}"
            )
    if problems:
        return
    for item in city.types.values():
        _check_type(city, item, problems)
    for diversion in city.diversions.values():
        _check_words(f"catalogue.yaml {diversion.code}", diversion.bases, diversion.examples, problems)
    names = Counter(member.username for member in city.staff)
    for member in city.staff:
        where = f"staff.yaml {member.username}"
        if names[member.username] > 1:
            problems.append(f"{where}: username is used twice")
        if member.agency is not None and member.agency not in city.agencies:
            problems.append(f"{where}: unknown agency {member.agency!r}")
        if member.agency is None and StaffRole.AGENCY in member.roles:
            problems.append(f"{where}: role agency needs an agency")
        if member.territory is not None and member.territory not in city.regions:
            problems.append(f"{where}: unknown region {member.territory!r}")


def _check_agency(city: City, agency: Agency, problems: list[str]) -> None:
    where = f"agencies.yaml {agency.code}"
    if agency.region not in city.regions:
        problems.append(f"{where}: unknown region {agency.region!r}")
    elif city.regions[agency.region].level is not agency.level:
        problems.append(f"{where}: level {agency.level} does not fit its region {agency.region}")
    for function in agency.functions:
        if function not in city.functions:
            problems.append(f"{where}: unknown function {function!r}")
    for line in ("superior_government", "superior_vertical"):
        code: str | None = getattr(agency, line)
        if code is not None and code not in city.agencies:
            problems.append(f"{where}: unknown {line} {code!r}")
        seen = {agency.code}
        while code is not None and code in city.agencies:
            if code in seen:
                problems.append(f"{where}: {line} runs in a circle through {code!r}")
                break
            seen.add(code)
            code = getattr(city.agencies[code], line)


def _check_type(city: City, item: MatterType, problems: list[str]) -> None:
    where = f"catalogue.yaml {item.code}"
    if item.field not in city.fields:
        problems.append(f"{where}: unknown field {item.field!r}")
    for part in (item.lead, *item.co):
        if part.function not in city.functions:
            problems.append(f"{where}: unknown function {part.function!r}")
    if not problems:
        for region in city.regions_of(AgencyLevel.TOWNSHIP):
            if city.resolve(item.lead, region.code) is None:
                problems.append(f"{where}: nobody in {region.name} has the function {item.lead.function!r}")
    _check_words(where, item.bases, item.examples, problems)


def _check_words(where: str, bases: tuple[Basis, ...], examples: tuple[str, ...], problems: list[str]) -> None:
    if not bases:
        problems.append(f"{where}: needs a legal basis")
    for basis in bases:
        if basis.confidence not in ("verify", "verified"):
            problems.append(f"{where}: confidence of {basis.cited} should be verify or verified")
    if len(examples) < 6:
        problems.append(f"{where}: needs at least six example sentences")
