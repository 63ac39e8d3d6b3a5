"""Patterns: moulds cut at what each copy has of its own, for the services whose rows are made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import NAMESPACE_URL, UUID

from cli.bulk.ids import ID, UUIDS
from cli.bulk.moulds import HEX, NULL, TABLES, Mould, Row, unescaped
from cli.bulk.templates import Cutter, Form, Template
from lianban.chassis.time import CHINA
from lianban.contracts.codes import DocumentKind
from lianban.contracts.envelope import partition_of
from lianban.law.projector import clock_name
from services.agency_gateway.domain.journal import canonical
from services.agency_gateway.domain.statement import statement_name
from services.intake.domain.petition import claim_name
from services.notification.domain.numbering import document_name
from services.routing.domain.grams import grams

ENDED = ("done", "released", "withdrawn")
SOURCE = "lianban-bulk"
"""What a copy names as its source: by this it is told from what people submitted."""

NUMBER, PARTITION, KEY_OF_PARTITION, MARKER, SOURCE_ID, CONTACTS, GRAMS = range(7)
BODY_HASH, ANSWER_HASH, POSITION = range(7, 10)
FIRST_ID = 10
"""Gaps that every mould has; those of its own ids, persons and document numbers follow."""
SIZES = {NUMBER: 16, PARTITION: 2, KEY_OF_PARTITION: 20, MARKER: 8}
"""How many bytes go into gaps where these are the same for every copy."""
PHONE = 11
"""The bytes of a telephone number."""


def _one_page() -> bytes:
    """A PDF of one page: documents of copies are numbered and served, but were never printed."""
    words = b"BT /F1 14 Tf 72 760 Td (Lianban: document of a bulk matter) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(words), words),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    made, places = b"%PDF-1.4\n", []
    for turn, told in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (turn, told)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + b"xref\n0 7\n0000000000 65535 f \n%strailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(made),
    )


ONE_PAGE = _one_page()


@dataclass(frozen=True, slots=True)
class Column:
    """A column's value as PostgreSQL writes it, and its type; no value is null."""

    kind: str
    value: Template | None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed column: its plain bytes and what they are bound to."""

    plain: Template | bytes
    context: Template


@dataclass(frozen=True, slots=True)
class Made:
    """A column whose whole field is made for each copy."""

    gap: int


@dataclass(frozen=True, slots=True)
class Gone:
    """When the messages of an assignment left the gateway, if it ended long enough ago; else nothing."""

    ended_at: str


Piece = Column | Sealed | Made | Gone


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An entry of the ledger: what is hashed before the data, the data, and the columns between place and data."""

    hashed: Template
    data: Template
    middle: list[Column]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An entry of a journal; ``body`` and ``answer`` are the bytes in it, which are kept for a time only."""

    agency: str
    header: Template
    before: list[Column]
    """The columns before the sealed bytes, without agency and position."""
    times: list[Column]
    body: Template
    answer: Template | None
    day: str


@dataclass(frozen=True, slots=True)
class PersonGaps:
    """Where a person of the matter stands; None where the mould's person has no such thing."""

    phone: int
    name: int
    address: int | None
    email: int | None
    street: str


def shared_ids(moulds: Iterable[Mould]) -> set[str]:
    """Ids that stand in several moulds: staff, regions, agencies. A copy keeps them."""
    seen: set[str] = set()
    shared: set[str] = set()
    for mould in moulds:
        ids = set(_ids(mould))
        shared |= seen & ids
        seen |= ids
    return shared


def _ids(mould: Mould) -> list[str]:
    found: dict[str, None] = {mould.id: None}
    for tables in mould.rows.values():
        for rows in tables.values():
            for row in rows:
                for text in _texts(row):
                    found |= dict.fromkeys(UUIDS.findall(text))
    return list(found)


def _texts(row: Row) -> Iterator[str]:
    for name, value in row.values.items():
        if value != NULL and name not in row.opened:
            yield _hexed(value) if name == "body" and value.startswith(HEX) else value
    for name, opened in row.opened.items():
        if name != "pdf":
            yield opened.decode()


def _hexed(value: str) -> str:
    return bytes.fromhex(value[len(HEX) :]).decode()


Types = Mapping[str, Mapping[str, Mapping[str, str]]]
"""The types of columns by service and table."""


class Pattern:
    """One mould, cut for some services."""

    def __init__(self, mould: Mould, types: Types, shared: set[str], gram_field: Callable[[str], bytes]) -> None:
        """``types``: of the columns, in the services for which it is cut; ``gram_field``: of an array of grams."""
        self.mould = mould
        self.types = types
        self.gram_field = gram_field
        self.known: dict[str, int] = {mould.number: NUMBER, mould.marker: MARKER}
        self.places = FIRST_ID
        self.sizes = dict(SIZES)
        self.ids: dict[str, int] = {}
        for found in _ids(mould):
            if found not in shared:
                self.ids[found] = self._new(found, ID)
        self.partition = partition_of(UUID(mould.id))
        self.known[f'"partitionkey":"p{self.partition:02d}"'] = KEY_OF_PARTITION
        self.persons = [self._person(person) for person in _persons(mould)]
        self.documents = self._documents()
        self.cutter = Cutter(self.known)
        self.tables: dict[str, dict[str, list[tuple[str, list[Piece]]]]] = {}
        self.ledger: list[LedgerRow] = []
        self.journal: list[JournalRow] = []
        self.base_grams: frozenset[str] = frozenset()
        for service in types:
            self.tables[service] = {}
            for name, rows in mould.rows[service].items():
                if name == "ledger":
                    self.ledger = [self._ledger(row, types[service][name]) for row in rows]
                elif name == "journal":
                    self.journal = [self._journal(row, types[service][name]) for row in rows]
                else:
                    self.tables[service][name] = [(row.day, self._row(service, name, row)) for row in rows]
            if service == "routing":
                self.base_grams = self._grams()
        self.base_gram_fields = b"".join(map(gram_field, self.base_grams))
        self.used = self._used()
        self.followed = [(place, name) for place, name in self._followed() if place in self.used]

    def _new(self, text: str, size: int | None = None) -> int:
        place = self.known.get(text)
        if place is None:
            place = self.known[text] = self.places
            self.places += 1
            if size is not None:
                self.sizes[place] = size
        return place

    def bare(self, place: int) -> int:
        """The gap of an id in a column of ids."""
        return place + self.places

    def _person(self, person: dict[str, str]) -> PersonGaps:
        return PersonGaps(
            phone=self._new(person["phone"], PHONE),
            name=self._new(f'"{person["name"]}"'),
            address=self._new(person["address"]) if person["address"] else None,
            email=self._new(person["email"]) if person["email"] else None,
            street=re.sub(r"[0-9]+组[0-9]+号$", "", person["address"]),
        )

    def _followed(self) -> Iterator[tuple[int, Form]]:
        """The ids that follow from names (RFC 9562, 5.5), and what is hashed for each."""
        rows, matter = self.mould.rows, UUID(self.mould.id)
        for claim, ordinal in _claims(self.mould):
            yield self.ids[claim], Form([self.bare(self.ids[self.mould.id]), claim_name(ordinal).encode()])
        names: dict[str, str] = {}
        for value in (row.values for row in rows["oversight"]["clock"]):
            part = None if value["assignment_id"] == NULL else UUID(value["assignment_id"])
            names[value["id"]] = clock_name(matter, value["rule"], part, int(value["round"]))
        for value in (row.values for row in rows["agency_gateway"]["statement"]):
            names[value["id"]] = statement_name(value["agency_code"], value["sender_id"])
        for value in (row.values for row in rows["notification"]["document"]):
            names[value["id"]] = document_name(matter, DocumentKind(value["kind"]), int(value["round"]))
        for found, name in names.items():
            yield self.ids[found], self.cutter.cut(name).form(NAMESPACE_URL.bytes)

    def _documents(self) -> list[tuple[int, DocumentKind, date, int]]:
        found = []
        for turn, row in enumerate(self.mould.rows["notification"]["document"]):
            if row.values["number"] != NULL:
                issued = datetime.fromisoformat(row.values["issued_at"]).astimezone(CHINA).date()
                kind = DocumentKind(row.values["kind"])
                found.append((self._new(row.values["number"]), kind, issued, turn))
        return found

    # -- rows

    def _row(self, service: str, table: str, row: Row) -> list[Piece]:
        return [self._piece(service, table, name, value, row) for name, value in row.values.items()]

    def _piece(self, service: str, table: str, name: str, value: str, row: Row) -> Piece:
        kind = self.types[service][table][name]
        if name == "content":
            return Column(kind, None)  # what the press printed from; nothing is printed of copies
        if name in row.opened:
            context = next(t for t in TABLES[service] if t.name == table).sealed[name].format_map(row.values)
            plain = ONE_PAGE if name == "pdf" else self.cutter.cut(row.opened[name].decode())
            return Sealed(plain, self.cutter.cut(context))
        match (service, table, name):
            case (_, "outbox", "body"):
                return Column("text", self.cutter.cut(_hexed(value)))
            case (_, "outbox", "bus_key"):
                return Column(kind, Template((value[:-2], PARTITION)))
            case ("intake", "matter", "contacts"):
                return Made(CONTACTS)
            case ("intake", "matter", "source"):
                return Column(kind, Template((SOURCE,)))
            case ("intake", "matter", "source_id"):
                return Column(kind, Template((SOURCE_ID,)))
            case ("routing", "case_text", "grams"):
                return Made(GRAMS)
            case ("agency_gateway", "assignment", "messages_gone_at") if row.values["state"] in ENDED:
                return Gone(row.values["changed_at"])
        return self._column(kind, value)

    def _column(self, kind: str, value: str) -> Column:
        return Column(kind, None if value == NULL else self.cutter.cut(unescaped(value)))

    def _ledger(self, row: Row, types: Mapping[str, str]) -> LedgerRow:
        value = row.values
        happened = datetime.fromisoformat(value["happened_at"]).astimezone(UTC).isoformat()
        names = ("event_id", "subject", "producer", "sequence", "type")
        hashed = "\n".join([*(value[name] for name in names), happened, ""])
        return LedgerRow(
            hashed=self.cutter.cut(hashed),
            data=self.cutter.cut(unescaped(value["data"])),
            middle=[self._column(types[name], value[name]) for name in (*names, "happened_at", "recorded_at")],
        )

    def _journal(self, row: Row, types: Mapping[str, str]) -> JournalRow:
        value = row.values
        stamps = ("received_at", "passed_on_at", "answered_at", "answer_passed_on_at")
        ids = ("direction", "kind", "message_id", "assignment_id")
        header = {
            "agency": value["agency_code"],
            **{name: None if value[name] == NULL else value[name] for name in ids},
            **{name: None if value[name] == NULL else _instant(value[name]) for name in stamps},
            "position": "<position>",
            "body_hash": "<body>",
            "answer_hash": "<answer>" if "sealed_answer" in row.opened else None,
        }
        text = canonical(header).decode()
        parts = re.split(r'("<position>"|<body>|<answer>)', text)
        places = {'"<position>"': POSITION, "<body>": BODY_HASH, "<answer>": ANSWER_HASH}
        cut = [(places[part],) if part in places else self.cutter.cut(part).pieces for part in parts]
        answer = row.opened.get("sealed_answer")
        return JournalRow(
            agency=value["agency_code"],
            header=Template(tuple(piece for pieces in cut for piece in pieces)),
            before=[self._column(types[name], value[name]) for name in (*ids, "matter_id")],
            times=[self._column(types[name], value[name]) for name in stamps],
            body=self.cutter.cut(row.opened["sealed"].decode()),
            answer=self.cutter.cut(answer.decode()) if answer is not None else None,
            day=row.day,
        )

    def _grams(self) -> frozenset[str]:
        rows = self.mould.rows["routing"]["case_text"]
        if not rows:
            return frozenset()
        told = json.loads(rows[0].opened["body"])
        text = "\n".join([told["title"], told["content"], *(claim[2] for claim in told["claims"])])
        return grams(text.replace(self.mould.marker, " "))

    def _used(self) -> set[int]:
        """The gaps that these services fill: only their values are made."""
        used: set[int] = set()
        for tables in self.tables.values():
            for rows in tables.values():
                for _, row in rows:
                    used |= _gaps(row)
        for entry in self.ledger:
            used |= entry.hashed.gaps | entry.data.gaps | _gaps(entry.middle)
        for told in self.journal:
            used |= told.header.gaps | told.body.gaps | _gaps(told.before)
            used |= told.answer.gaps if told.answer is not None else set()
        return used


def _gaps(pieces: Iterable[Piece]) -> set[int]:
    gaps: set[int] = set()
    for piece in pieces:
        match piece:
            case Column(value=Template() as value):
                gaps |= value.gaps
            case Made(gap):
                gaps.add(gap)
            case Sealed(plain, context):
                gaps |= context.gaps | (plain.gaps if isinstance(plain, Template) else set())
    return gaps


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")


def _persons(mould: Mould) -> list[dict[str, str]]:
    opened = mould.rows["intake"]["matter"][0].opened.get("persons")
    found: list[dict[str, str]] = json.loads(opened) if opened else []
    return found


def _claims(mould: Mould) -> list[tuple[str, int]]:
    rows = mould.rows["routing"]["petition_case"]
    return [(c["id"], c["ordinal"]) for c in json.loads(unescaped(rows[0].values["claims"]))] if rows else []
