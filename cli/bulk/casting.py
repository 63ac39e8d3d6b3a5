"""Copies of moulds: ids, numbers, persons and dates anew, sealed with the services' keys, linked into the chains."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from struct import Struct
from uuid import UUID

from cli.bulk import binary
from cli.bulk.ids import BARE_ID, UUIDS, drawn_ids, named_id
from cli.bulk.patterns import (
    ANSWER_HASH,
    BODY_HASH,
    CONTACTS,
    FIRST_ID,
    GRAMS,
    KEY_OF_PARTITION,
    MARKER,
    NUMBER,
    ONE_PAGE,
    PARTITION,
    POSITION,
    SOURCE_ID,
    Column,
    Gone,
    Made,
    Pattern,
    PersonGaps,
    Piece,
    Sealed,
)
from cli.bulk.templates import Form, Template
from lianban.chassis.secrets import Provider
from lianban.contracts.envelope import partition_of
from services.intake.domain import number as numbers
from services.notification.domain.numbering import document_number
from services.oversight.domain.entry import chained

DOCUMENTS_PER_MATTER = 8
"""So many numbers are set aside for each copy's documents; what it does not need stays free."""


@dataclass(frozen=True, slots=True)
class SealedForm:
    """What is sealed, and what it is bound to, ready to be filled."""

    plain: Form
    context: Form


@dataclass(frozen=True, slots=True)
class LedgerForm:
    """A :class:`LedgerRow`, ready to be filled."""

    hashed: Form
    data: Form
    middle: Form


@dataclass(frozen=True, slots=True)
class JournalForm:
    """A :class:`JournalRow`, ready to be filled; ``kept``: whether its bytes still are."""

    agency: str
    head: bytes
    """How the row begins: the number of columns, and the agency."""
    header: Form
    before: Form
    times: Form
    body: Form
    answer: Form | None
    kept: bool


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


class Moved:
    """A pattern moved back by whole weeks: only its gaps are left to fill, once for each copy."""

    def __init__(self, pattern: Pattern, weeks: int, site: Site) -> None:
        self.pattern = pattern
        self.site = site
        self.weeks = timedelta(weeks=weeks)
        self.received_on = pattern.mould.received_on - self.weeks
        self._days: dict[str, str] = {}
        self._measured: dict[Template, int] = {}
        self.tables = {
            service: {name: self._program(name, rows) for name, rows in tables.items()}
            for service, tables in pattern.tables.items()
        }
        self.ledger = [
            LedgerForm(row.hashed.on(self._day).form(), row.data.on(self._day).form(), self._form(row.middle))
            for row in pattern.ledger
        ]
        self.journal = [
            JournalForm(
                row.agency, binary.columns_in_row(_JOURNAL_COLUMNS) + binary.field(row.agency.encode()),
                row.header.on(self._day).form(), self._form(row.before), self._form(row.times),
                row.body.on(self._day).form(), None if row.answer is None else row.answer.on(self._day).form(),
                self._day(row.day) >= site.exchange_since,
            )
            for row in pattern.journal
        ]  # fmt: skip
        self.measured = [value.form() for value in self._measured]

    def _day(self, text: str) -> str:
        if text not in self._days:
            self._days[text] = (date.fromisoformat(text) - self.weeks).isoformat()
        return self._days[text]

    def _program(self, table: str, rows: list[tuple[str, list[Piece]]]) -> list[Form | SealedForm]:
        """What makes a table's rows: forms to fill with what is sealed between them."""
        since = self.site.events_since if table == "outbox" else self.site.exchange_since
        program: list[Form | SealedForm] = []
        plain: list[bytes | int] = []
        for when, row in rows:
            if not when.startswith("9999") and self._day(when) < since:
                continue
            plain.append(binary.columns_in_row(len(row)))
            for piece in row:
                if isinstance(piece, Sealed):
                    text = piece.plain if isinstance(piece.plain, Template) else None
                    filled = Form([ONE_PAGE]) if text is None else text.on(self._day).form()
                    program += [Form(plain), SealedForm(filled, piece.context.form())]
                    plain = []
                else:
                    plain += self._field(piece)
        return [*program, Form(plain)] if plain or program else []

    def _form(self, columns: Iterable[Column]) -> Form:
        return Form(part for column in columns for part in self._field(column))

    def _field(self, piece: Column | Made | Gone) -> list[bytes | int]:
        """A field with its length. One whose length differs from copy to copy is measured for each of them: it gets a
        gap of its own, behind those of the pattern.
        """
        if isinstance(piece, Made):
            return [piece.gap]
        if isinstance(piece, Gone):
            went = self._day(piece.ended_at[:10]) < self.site.exchange_since
            piece = Column("timestamptz", Template((piece.ended_at,)) if went else None)
        if piece.value is None:
            return [binary.NULL]
        value = piece.value.on(self._day)
        match piece.kind:
            case "uuid" if value.gaps:
                return [binary.length(BARE_ID), *map(self.pattern.bare, value.gaps)]
            case "_uuid":
                return self._ids(value)
            case "jsonb":
                value = Template(("\x01", *value.pieces))  # the version of the format
            case kind if kind != "text":
                [text] = value.pieces
                return [binary.field(binary.encoded(kind, str(text)))]
        sizes = [self.pattern.sizes.get(p) if isinstance(p, int) else len(p.encode()) for p in value.pieces]
        if None in sizes:
            place = self._measured.setdefault(value, 2 * self.pattern.places + len(self._measured))
            return [place]
        parts = [piece if isinstance(piece, int) else piece.encode() for piece in value.pieces]
        return [binary.length(sum(size or 0 for size in sizes)), *parts]

    def _ids(self, value: Template) -> list[bytes | int]:
        """An array of ids, of which some are the copy's own."""
        items: list[bytes | int] = []
        for piece in value.pieces:
            if isinstance(piece, int):
                items.append(self.pattern.bare(piece))
            else:
                items += (UUID(found).bytes for found in UUIDS.findall(piece))
        head = binary.array_head("_uuid", len(items))
        fields = (part for item in items for part in (binary.length(BARE_ID), item))
        return [binary.length(len(head) + len(items) * (4 + BARE_ID)), head, *fields]

    def values(self, first: int, copies: int, mac: Callable[[bytes, bytes], bytes]) -> Iterator[list[bytes]]:
        """What goes into the gaps of each of these copies. Ids are drawn for many of them at a time."""
        ids, end = len(self.pattern.ids), first + copies
        for start in range(first, end, DRAWN_TOGETHER):
            together = range(start, min(start + DRAWN_TOGETHER, end))
            seeds = (f"{self.site.seed}:{copy}".encode() for copy in together)
            dice = [hashlib.shake_128(seed).digest(BARE_ID * ids + 64) for seed in seeds]
            bare, texts = drawn_ids(b"".join(drawn[: BARE_ID * ids] for drawn in dice))
            for turn, copy in enumerate(together):
                mine = slice(ids * turn, ids * (turn + 1))
                yield self._values(copy, bare[mine], texts[mine], dice[turn][BARE_ID * ids :], mac)

    def _values(
        self,
        copy: int,
        bare: Sequence[bytes],
        texts: Sequence[bytes],
        dice: bytes,
        mac: Callable[[bytes, bytes], bytes],
    ) -> list[bytes]:
        pattern, used = self.pattern, self.pattern.used
        found = [b""] * (2 * pattern.places)
        found[FIRST_ID : FIRST_ID + len(texts)] = texts
        found[pattern.bare(FIRST_ID) : pattern.bare(FIRST_ID) + len(bare)] = bare

        for place, name in pattern.followed:
            found[pattern.bare(place)], found[place] = named_id(name.fill(found))
        for place, kind, issued, turn in pattern.documents:
            if place in used:
                year = (issued - self.weeks).year
                first = self.site.first_documents.get((kind.value, year), 0)
                number = document_number(kind, year, first + DOCUMENTS_PER_MATTER * copy + turn + 1)
                found[place] = number.encode()
        partition = partition_of(UUID(bytes=found[pattern.bare(pattern.ids[pattern.mould.id])]))
        found[PARTITION] = b"%02d" % partition
        found[KEY_OF_PARTITION] = b'"partitionkey":"p%02d"' % partition
        found[NUMBER] = numbers.compose(self.received_on, self.site.first_number + copy).encode()
        found[MARKER] = b"%d" % (80000000 + copy)
        found[SOURCE_ID] = b"%d-%d" % (self.site.seed, copy)
        contacts: list[bytes] = []
        for turn, person in enumerate(pattern.persons):
            who = int.from_bytes(dice[4 * turn : 4 * turn + 4], "big") % self.site.persons
            contacts += self._person(person, who, found, mac)
        if CONTACTS in used:
            found[CONTACTS] = binary.field(binary.array("_bytea", list(map(binary.field, contacts))))
        if GRAMS in used:
            found[GRAMS] = self._grams(found[MARKER].decode())
        found += [binary.field(form.fill(found)) for form in self.measured]
        return found

    def _grams(self, marker: str) -> bytes:
        """The grams of the mould and of the copy's marker."""
        pattern = self.pattern
        told = f"第{marker}号"
        own = {told[at : at + 2] for at in range(len(told) - 1)} - pattern.base_grams
        head = binary.array_head("_int8", len(pattern.base_grams) + len(own))
        return binary.field(b"".join([head, pattern.base_gram_fields, *map(pattern.gram_field, own)]))

    def _person(
        self, gaps: PersonGaps, who: int, found: list[bytes], mac: Callable[[bytes, bytes], bytes]
    ) -> Iterator[bytes]:
        """Give a copy its person; answers the person's blind indexes."""
        site = self.site
        surname, given = site.surnames[who % len(site.surnames)], site.given[who // 7 % len(site.given)]
        found[gaps.phone] = b"161%08d" % ((who * 7919 + 10007) % 10**8)
        found[gaps.name] = f'"{surname}{given}"'.encode()
        if gaps.address is not None:
            found[gaps.address] = f"{gaps.street}{who % 12 + 1}组{who % 80 + 1}号".encode()
        if gaps.email is not None:
            found[gaps.email] = b"b%d@mail.qinghe.example" % who
        if CONTACTS in self.pattern.used:
            yield mac(found[gaps.phone], b"blind:contact.phone")
            if gaps.email is not None:
                yield mac(found[gaps.email], b"blind:contact.email")

    def cast(
        self, service: str, values: list[bytes], provider: Provider, chains: Chains, into: dict[str, list[bytes]]
    ) -> None:
        """Append the rows of one copy in one service to what goes into its tables."""
        for name, program in self.tables[service].items():
            out = into[name]
            for piece in program:
                if isinstance(piece, Form):
                    out.append(piece.fill(values))
                else:
                    sealed = provider.seal(piece.plain.fill(values), piece.context.fill(values))
                    out += (binary.length(len(sealed)), sealed)
        if service == "oversight" and self.received_on >= self.site.ledger_since:
            self._link_ledger(values, chains, into["ledger"])
        elif service == "agency_gateway":
            self._link_journals(values, provider, chains, into["journal"])

    def _link_ledger(self, values: list[bytes], chains: Chains, out: list[bytes]) -> None:
        partition = int(values[PARTITION])
        position, last = chains.ledger[partition]
        for row in self.ledger:
            data = row.data.fill(values)
            position += 1
            last = chained(last, hashlib.sha256(row.hashed.fill(values) + data).digest())
            place = _LEDGER_PLACE(_LEDGER_COLUMNS, 4, partition, 8, position)
            out += (place, row.middle.fill(values), binary.length(len(data)), data, _HASH, last)
        chains.ledger[partition] = (position, last)

    def _link_journals(self, values: list[bytes], provider: Provider, chains: Chains, out: list[bytes]) -> None:
        for row in self.journal:
            seal = provider.seal if row.kept else None
            position, last = chains.journals[row.agency]
            position += 1
            values[POSITION] = b"%d" % position
            bound = f":{row.agency}:{position}".encode()
            body, body_hash, values[BODY_HASH] = _message(row.body, values, b"journal.body" + bound, seal)
            answer, answer_hash, values[ANSWER_HASH] = _message(row.answer, values, b"journal.answer" + bound, seal)
            made = hashlib.sha256(last + row.header.fill(values)).digest()
            out += (
                row.head, _POSITION(8, position), row.before.fill(values), body, body_hash, answer, answer_hash,
                row.times.fill(values), _HASH, last, _HASH, made,
            )  # fmt: skip
            chains.journals[row.agency] = (position, made)


def _message(
    form: Form | None, values: Sequence[bytes], context: bytes, seal: Callable[[bytes, bytes], bytes] | None
) -> tuple[bytes, bytes, bytes]:
    """A message of a journal, sealed where it is kept, and its hash, both as fields; and the hash in hex."""
    if form is None:
        return binary.NULL, binary.NULL, b""
    plain = form.fill(values)
    told = hashlib.sha256(plain).digest()
    return binary.field(seal(plain, context)) if seal else binary.NULL, _HASH + told, told.hex().encode()


DRAWN_TOGETHER = 100
"""The ids of so many copies are drawn at a time."""
_LEDGER_COLUMNS, _JOURNAL_COLUMNS = 11, 17
_LEDGER_PLACE = Struct(">hiiiq").pack
"""How an entry of the ledger begins: the number of columns, partition and position."""
_POSITION = Struct(">iq").pack
_HASH = binary.length(32)
"""The length of a hash."""
