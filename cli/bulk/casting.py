"""Copies of moulds: ids, numbers, persons and dates anew, sealed with the services' keys, linked into the chains."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from cli.bulk.moulds import HEX, NULL, TABLES, Mould, Row, escaped, unescaped
from cli.bulk.templates import Cutter, Template, constant, gap, joined
from lianban.chassis.secrets import Provider
from lianban.chassis.time import CHINA
from lianban.contracts.codes import DocumentKind
from lianban.contracts.envelope import partition_of
from lianban.law.projector import clock_id
from services.agency_gateway.domain.journal import canonical
from services.agency_gateway.domain.statement import statement_id
from services.intake.domain import number as numbers
from services.intake.domain.petition import claim_id
from services.notification.domain.numbering import document_id, document_number
from services.oversight.domain.entry import chained
from services.routing.domain.grams import grams

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ENDED = ("done", "released", "withdrawn")
SOURCE = "lianban-bulk"
"""What a copy names as its source: by this it is told from what people submitted."""

NUMBER, PARTITION, KEY_OF_PARTITION, MARKER, SOURCE_ID, CONTACTS, GRAMS = range(7)
BODY_HASH, ANSWER_HASH, POSITION = range(7, 10)
FIRST_FREE = 10
"""Gaps that every mould has; those of its own ids, persons and document numbers follow."""


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
class Sealed:
    """A sealed column: its plain bytes and what they are bound to."""

    plain: Template | bytes
    context: Template


@dataclass(frozen=True, slots=True)
class Hexed:
    """A column of bytes that are a text."""

    text: Template


@dataclass(frozen=True, slots=True)
class Gone:
    """When the messages of an assignment left the gateway, if it ended long enough ago; else nothing."""

    ended_at: str


Piece = Template | Sealed | Hexed | Gone


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An entry of the ledger: what is hashed before the data, the data, and the row but for place, data and hash."""

    hashed: Template
    data: Template
    middle: Template


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An entry of a journal; ``body`` and ``answer`` are the bytes in it, which are kept for a time only."""

    agency: str
    header: Template
    before: Template
    """The columns before the sealed bytes, without agency and position."""
    times: Template
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


@dataclass(frozen=True, slots=True)
class Site:
    """What all copies of one run share: where numbers go on, the words for names, how long things are kept."""

    seed: int
    first_number: int
    first_documents: dict[tuple[str, int], int]
    persons: int
    surnames: tuple[str, ...]
    given: tuple[str, ...]
    events_since: str
    """The first day whose events are still kept in the outbox."""
    exchange_since: str
    """The first day of which the gateway still keeps the bytes of ended assignments."""
    ledger_since: date
    """Matters that came in earlier are not in the ledger."""


@dataclass(slots=True)
class Chains:
    """The heads of the ledger's and the journals' hash chains: position and hash."""

    ledger: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    journals: dict[str, tuple[int, bytes]] = field(default_factory=dict)


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


class Pattern:
    """One mould, cut for some services."""

    def __init__(self, mould: Mould, services: Sequence[str], shared: set[str]) -> None:
        self.mould = mould
        self.known: dict[str, int] = {mould.number: NUMBER, mould.marker: MARKER}
        self.places = FIRST_FREE
        self.ids: dict[str, int] = {}
        for found in _ids(mould):
            if found not in shared:
                self.ids[found] = self._new(found)
        self.partition = partition_of(UUID(mould.id))
        self.known[f'"partitionkey":"p{self.partition:02d}"'] = KEY_OF_PARTITION
        self.persons = [self._person(person) for person in _persons(mould)]
        self.documents = self._documents()
        self.claims = _claims(mould)
        self.clocks = [
            (row.values["id"], row.values["rule"], row.values["assignment_id"], int(row.values["round"]))
            for row in mould.rows["oversight"]["clock"]
        ]
        self.statements = [
            (row.values["id"], row.values["agency_code"], row.values["sender_id"])
            for row in mould.rows["agency_gateway"]["statement"]
        ]
        self.cutter = Cutter(self.known)
        self.tables: dict[str, dict[str, list[tuple[str, list[Piece]]]]] = {}
        self.ledger: list[LedgerRow] = []
        self.journal: list[JournalRow] = []
        self.base_grams: frozenset[str] = frozenset()
        for service in services:
            self.tables[service] = {}
            for name, rows in mould.rows[service].items():
                if name == "ledger":
                    self.ledger = [self._ledger(row) for row in rows]
                elif name == "journal":
                    self.journal = [self._journal(row) for row in rows]
                else:
                    self.tables[service][name] = [(row.day, self._row(service, name, row)) for row in rows]
            if service == "routing":
                self.base_grams = self._grams()
        self.used = self._used()
        self.made = [place for text, place in self.ids.items() if place in self.used or text == mould.id]
        self.claims = [told for told in self.claims if self.ids[told[0]] in self.used]
        self.clocks = [told for told in self.clocks if self.ids[told[0]] in self.used]
        self.statements = [told for told in self.statements if self.ids[told[0]] in self.used]

    def _new(self, text: str) -> int:
        place = self.known.get(text)
        if place is None:
            place = self.known[text] = self.places
            self.places += 1
        return place

    def _person(self, person: dict[str, str]) -> PersonGaps:
        return PersonGaps(
            phone=self._new(person["phone"]),
            name=self._new(f'"{person["name"]}"'),
            address=self._new(person["address"]) if person["address"] else None,
            email=self._new(person["email"]) if person["email"] else None,
            street=re.sub(r"[0-9]+组[0-9]+号$", "", person["address"]),
        )

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
        pieces: list[Piece] = []
        for place, (name, value) in enumerate(row.values.items()):
            pieces.append(constant("\t" if place else ""))
            pieces += self._column(service, table, name, value, row)
        return [*pieces, constant("\n")]

    def _column(self, service: str, table: str, name: str, value: str, row: Row) -> list[Piece]:
        if name == "content":
            return [constant(NULL)]  # what the press printed from; nothing is printed of copies
        if name in row.opened:
            context = next(t for t in TABLES[service] if t.name == table).sealed[name].format_map(row.values)
            plain = ONE_PAGE if name == "pdf" else self.cutter.cut(row.opened[name].decode())
            return [constant(HEX), Sealed(plain, self.cutter.cut(context))]
        match (service, table, name):
            case (_, "outbox", "body"):
                return [constant(HEX), Hexed(self.cutter.cut(_hexed(value)))]
            case (_, "outbox", "routing_key"):
                return [constant(value[:-2]), gap(PARTITION)]
            case ("intake", "matter", "contacts"):
                return [gap(CONTACTS)]
            case ("intake", "matter", "source"):
                return [constant(SOURCE)]
            case ("intake", "matter", "source_id"):
                return [gap(SOURCE_ID)]
            case ("routing", "case_text", "grams"):
                return [gap(GRAMS)]
            case ("agency_gateway", "assignment", "messages_gone_at") if row.values["state"] in ENDED:
                return [Gone(row.values["changed_at"])]
        return [self.cutter.cut(value)]

    def _ledger(self, row: Row) -> LedgerRow:
        value = row.values
        happened = datetime.fromisoformat(value["happened_at"]).astimezone(UTC).isoformat()
        lines = [value[name] for name in ("event_id", "subject", "producer", "sequence", "type")]
        middle = [*lines, value["happened_at"], value["recorded_at"], ""]
        hashed = "\n".join([*lines, happened, ""])
        cut = self.cutter.cut
        return LedgerRow(cut(hashed), cut(unescaped(value["data"])), cut("\t".join(middle)))

    def _journal(self, row: Row) -> JournalRow:
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
        cut = [gap(places[part]) if part in places else self.cutter.cut(part) for part in parts]
        answer = row.opened.get("sealed_answer")
        return JournalRow(
            agency=value["agency_code"],
            header=joined(cut),
            before=self.cutter.cut("\t".join([*(value[name] for name in ids), value["matter_id"], ""])),
            times=self.cutter.cut("\t".join(["", *(value[name] for name in stamps), ""])),
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
        pieces = (
            piece for tables in self.tables.values() for rows in tables.values() for _, row in rows for piece in row
        )
        for piece in pieces:
            for part in _templates(piece):
                used |= set(part.gaps)
        for entry in self.ledger:
            used |= {*entry.hashed.gaps, *entry.data.gaps, *entry.middle.gaps}
        for told in self.journal:
            parts = [told.header, told.before, told.times, told.body, *([told.answer] if told.answer else [])]
            used |= {place for template in parts for place in template.gaps}
        return used

    # -- copies

    def moved(self, weeks: int, site: Site) -> Moved:
        """This pattern, moved back in time."""
        return Moved(self, weeks, site)


def _templates(piece: Piece) -> Iterator[Template]:
    if isinstance(piece, Template):
        yield piece
    elif isinstance(piece, Hexed):
        yield piece.text
    elif isinstance(piece, Sealed):
        yield piece.context
        if isinstance(piece.plain, Template):
            yield piece.plain


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")


def _persons(mould: Mould) -> list[dict[str, str]]:
    opened = mould.rows["intake"]["matter"][0].opened.get("persons")
    found: list[dict[str, str]] = json.loads(opened) if opened else []
    return found


def _claims(mould: Mould) -> list[tuple[str, int]]:
    rows = mould.rows["routing"]["petition_case"]
    return [(c["id"], c["ordinal"]) for c in json.loads(unescaped(rows[0].values["claims"]))] if rows else []


class Moved:
    """A pattern moved back by whole weeks: only its gaps are left to fill, once for each copy."""

    def __init__(self, pattern: Pattern, weeks: int, site: Site) -> None:
        self.pattern = pattern
        self.site = site
        self.weeks = timedelta(weeks=weeks)
        known: dict[str, str] = {}

        def day(text: str) -> str:
            if text not in known:
                known[text] = (date.fromisoformat(text) - self.weeks).isoformat()
            return known[text]

        self.received_on = pattern.mould.received_on - self.weeks
        self.tables = {
            service: {name: self._program(name, rows, day) for name, rows in tables.items()}
            for service, tables in pattern.tables.items()
        }
        self.ledger = [LedgerRow(row.hashed.on(day), row.data.on(day), row.middle.on(day)) for row in pattern.ledger]
        self.journal = [
            JournalRow(
                row.agency, row.header.on(day), row.before, row.times.on(day), row.body.on(day),
                row.answer.on(day) if row.answer is not None else None, day(row.day),
            )
            for row in pattern.journal
        ]  # fmt: skip

    def _program(self, table: str, rows: list[tuple[str, list[Piece]]], day: Callable[[str], str]) -> list[Piece]:
        since = self.site.events_since if table == "outbox" else self.site.exchange_since
        kept = [piece for when, row in rows if when.startswith("9999") or day(when) >= since for piece in row]
        program: list[Piece] = []
        plain: list[Template] = []
        for piece in kept:
            if isinstance(piece, Gone):
                went = day(piece.ended_at[:10]) < self.site.exchange_since
                plain.append(constant(piece.ended_at if went else NULL))
                continue
            if isinstance(piece, Template):
                plain.append(piece)
                continue
            program += [joined(plain).on(day), _on(piece, day)]
            plain = []
        return [*program, joined(plain).on(day)] if kept else []

    def values(self, copy: int, mac: Callable[[bytes, bytes], bytes], gram_key: Callable[[str], str]) -> list[str]:
        """What goes into the gaps of one copy."""
        pattern, used = self.pattern, self.pattern.used
        dice = hashlib.shake_128(f"{self.site.seed}:{copy}".encode()).hexdigest(16 * pattern.places + 64)
        found = [""] * pattern.places
        for place in pattern.made:
            found[place] = _drawn(dice, place)
        matter = UUID(found[pattern.ids[pattern.mould.id]])
        parts: dict[str, UUID | None] = {NULL: None}
        for text, ordinal in pattern.claims:
            found[pattern.ids[text]] = str(claim_id(matter, ordinal))
        for text, rule, assignment, round_ in pattern.clocks:
            if assignment not in parts:
                parts[assignment] = self._id(assignment, found, dice)
            found[pattern.ids[text]] = str(clock_id(matter, rule, parts[assignment], round_))
        for text, agency, sender in pattern.statements:
            found[pattern.ids[text]] = str(statement_id(agency, str(self._id(sender, found, dice))))
        for place, kind, issued, turn in pattern.documents:
            if place in used:
                year = (issued - self.weeks).year
                first = self.site.first_documents.get((kind.value, year), 0)
                found[place] = document_number(kind, year, first + DOCUMENTS_PER_MATTER * copy + turn + 1)
        for row in pattern.mould.rows["notification"]["document"]:
            place = pattern.ids[row.values["id"]]
            if place in used:
                kind, round_ = DocumentKind(row.values["kind"]), int(row.values["round"])
                found[place] = str(document_id(matter, kind, round_))
        partition = partition_of(matter)
        found[PARTITION] = f"{partition:02d}"
        found[KEY_OF_PARTITION] = f'"partitionkey":"p{partition:02d}"'
        found[NUMBER] = numbers.compose(self.received_on, self.site.first_number + copy)
        found[MARKER] = str(80000000 + copy)
        found[SOURCE_ID] = f"{self.site.seed}-{copy}"
        contacts: list[bytes] = []
        for turn, person in enumerate(pattern.persons):
            start = 32 * pattern.places + 8 * turn
            contacts += self._person(person, int(dice[start : start + 8], 16) % self.site.persons, found, mac)
        if CONTACTS in used:
            # The backslash of the bytes, escaped for the array and then for COPY.
            found[CONTACTS] = "{" + ",".join(f'"{HEX[:2] * 2}x{contact.hex()}"' for contact in contacts) + "}"
        if GRAMS in used:
            told = f"第{found[MARKER]}号"
            words = pattern.base_grams | {told[at : at + 2] for at in range(len(told) - 1)}
            found[GRAMS] = "{" + ",".join(map(gram_key, words)) + "}"
        return found

    def _id(self, text: str, found: list[str], dice: str) -> UUID:
        place = self.pattern.ids[text]
        if not found[place]:
            found[place] = _drawn(dice, place)
        return UUID(found[place])

    def _person(
        self, gaps: PersonGaps, who: int, found: list[str], mac: Callable[[bytes, bytes], bytes]
    ) -> Iterator[bytes]:
        """Give a copy its person; answers the person's blind indexes."""
        site = self.site
        surname, given = site.surnames[who % len(site.surnames)], site.given[who // 7 % len(site.given)]
        found[gaps.phone] = f"161{(who * 7919 + 10007) % 10**8:08d}"
        found[gaps.name] = f'"{surname}{given}"'
        if gaps.address is not None:
            found[gaps.address] = f"{gaps.street}{who % 12 + 1}组{who % 80 + 1}号"
        if gaps.email is not None:
            found[gaps.email] = f"b{who}@mail.qinghe.example"
        if CONTACTS in self.pattern.used:
            yield mac(found[gaps.phone].encode(), b"blind:contact.phone")
            if gaps.email is not None:
                yield mac(found[gaps.email].encode(), b"blind:contact.email")

    def cast(
        self, service: str, values: list[str], provider: Provider, chains: Chains, into: dict[str, list[str]]
    ) -> None:
        """Append the rows of one copy in one service to the texts of its tables."""
        for name, program in self.tables[service].items():
            out = into[name]
            for piece in program:
                if isinstance(piece, Template):
                    out.append(piece.fill(values))
                elif isinstance(piece, Hexed):
                    out.append(piece.text.fill(values).encode().hex())
                elif isinstance(piece, Sealed):
                    plain = piece.plain if isinstance(piece.plain, bytes) else piece.plain.fill(values).encode()
                    out.append(provider.seal(plain, piece.context.fill(values).encode()).hex())
        if service == "oversight" and self.received_on >= self.site.ledger_since:
            self._link_ledger(values, chains, into["ledger"])
        elif service == "agency_gateway":
            self._link_journals(values, provider, chains, into["journal"])

    def _link_ledger(self, values: list[str], chains: Chains, out: list[str]) -> None:
        partition = int(values[PARTITION])
        position, last = chains.ledger[partition]
        for row in self.ledger:
            data = row.data.fill(values)
            position += 1
            last = chained(last, hashlib.sha256((row.hashed.fill(values) + data).encode()).digest())
            out.append(f"{partition}\t{position}\t{row.middle.fill(values)}{escaped(data)}\t{HEX}{last.hex()}\n")
        chains.ledger[partition] = (position, last)

    def _link_journals(self, values: list[str], provider: Provider, chains: Chains, out: list[str]) -> None:
        for row in self.journal:
            position, last = chains.journals[row.agency]
            position += 1
            body = row.body.fill(values).encode()
            answer = row.answer.fill(values).encode() if row.answer is not None else None
            values[POSITION] = str(position)
            values[BODY_HASH] = hashlib.sha256(body).hexdigest()
            values[ANSWER_HASH] = hashlib.sha256(answer).hexdigest() if answer is not None else ""
            made = hashlib.sha256(last + row.header.fill(values).encode()).digest()
            kept = row.day >= self.site.exchange_since
            sealed = [
                f"{HEX}{provider.seal(part, f'journal.{name}:{row.agency}:{position}'.encode()).hex()}"
                if kept and part is not None
                else NULL
                for name, part in (("body", body), ("answer", answer))
            ]
            answered = f"{HEX}{values[ANSWER_HASH]}" if answer is not None else NULL
            out.append(
                f"{row.agency}\t{position}\t{row.before.fill(values)}{sealed[0]}\t{HEX}{values[BODY_HASH]}\t{sealed[1]}"
                f"\t{answered}{row.times.fill(values)}{HEX}{last.hex()}\t{HEX}{made.hex()}\n"
            )
            chains.journals[row.agency] = (position, made)


def _drawn(dice: str, place: int) -> str:
    """The random id of a place."""
    h = dice[32 * place : 32 * place + 32]
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


DOCUMENTS_PER_MATTER = 8
"""So many numbers are set aside for each copy's documents; what it does not need stays free."""


def _on(piece: Sealed | Hexed, day: Callable[[str], str]) -> Sealed | Hexed:
    if isinstance(piece, Hexed):
        return Hexed(piece.text.on(day))
    return Sealed(piece.plain if isinstance(piece.plain, bytes) else piece.plain.on(day), piece.context)
