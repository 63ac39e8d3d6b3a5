"""The registration form, shared by the portal and the clerk's desk: its fields, its files, and what it shows again.

The form carries everything itself (uploaded files by their ids), so a draft survives every step and every mistake
without anything being kept for it on the server but the files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import request

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.chassis.web import _, language, rejected_fields
from services.intake.app import attach
from services.intake.domain import petition
from services.intake.domain.attachment import LARGEST
from services.intake.domain.petition import Faulty, Petition
from services.intake.store import reference, uploads
from services.intake.web.reading import caller, form_errors

CLAIMS_SHOWN = 1
_NAMES = {
    "claims": "claims.0",
    "attachments": "files",
    "attachments_": "files",
    "accused_": "accused",
    "petitioner": "petitioner.name",
    "representatives": "representatives.0.name",
}
_ORDER = (
    "channel", "purpose", "title", "region_code", "content", "claims", "files", "anonymous", "petitioner", "group_size",
    "representatives", "accused",
)  # fmt: skip
_NOT_VALUES = frozenset({"csrf_token", "_once", "do", "attachments", "drop"})
_PERSON = ("name", "phone", "address", "email", "id_type", "id_number")


@dataclass(slots=True)
class Form:
    """The form as it was filled in: values by field name, files that are uploaded, and what is wrong."""

    values: dict[str, str]
    claims: int
    files: list[dict[str, Any]]
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def blank(cls, **values: str) -> Form:
        """An empty form."""
        return cls(values, CLAIMS_SHOWN, [])

    @classmethod
    def posted(cls) -> Form:
        """The posted form; new files are taken in, blank claims left out."""
        given = request.form
        values = {name: given[name] for name in given if name not in _NOT_VALUES}
        claims = [text for __, text in _numbered(values, "claims.") if text.strip()]
        for name in [name for name in values if name.startswith("claims.")]:
            del values[name]
        values |= {f"claims.{index}": text for index, text in enumerate(claims)}
        dropped = set(given.getlist("drop"))
        ids = [text for text in given.getlist("attachments") if text not in dropped]
        form = cls(values, max(CLAIMS_SHOWN, len(claims)), [])
        ids += form._take_in_files()
        form.files = _files(ids)
        return form

    def _take_in_files(self) -> list[str]:
        """Take in what was sent; a file that cannot be taken is told and does not hold up the others."""
        taken: list[str] = []
        for file in request.files.getlist("files"):
            if not file.filename:
                continue
            try:
                data = file.stream.read(LARGEST + 1)
                taken.append(str(attach.receive(data, file.filename, uploader=caller().key, at=now()).id))
            except Rejected as rejected:
                message = next(iter(rejected_fields(rejected).values()))
                self.errors["files"] = _("%(file)s：%(reason)s", file=file.filename[-60:], reason=message)
        return taken

    def told(self, channel: str) -> dict[str, Any]:
        """What the form tells, in the words of the API."""
        values = self.values
        anonymous = values.get("anonymous") == "yes"
        representatives = [self._person(f"representatives.{index}") for index in range(petition.REPRESENTATIVES)]
        size = values.get("group_size", "").strip()
        told: dict[str, Any] = {
            "channel": values.get("channel") or channel,
            "title": values.get("title"),
            "content": values.get("content"),
            "claims": [text for __, text in _numbered(values, "claims.")],
            "purpose": values.get("purpose"),
            "region_code": values.get("region_code"),
            "group_size": (int(size) if size.isdecimal() and len(size) < 9 else size) if size else None,
            "accused": self._accused(),
            "attachments": [file["id"] for file in self.files],
            "anonymous": anonymous,
            "language": language(),
        }
        if not anonymous:
            told["petitioner"] = self._person("petitioner")
            told["representatives"] = [person for person in representatives if any(person.values())]
        return told

    def read(self, channel: str) -> Petition | None:
        """The petition in the form; None with :attr:`errors` filled where it has faults."""
        moment = now()
        try:
            read = petition.parse(self.told(channel), today=moment.date())
        except Faulty as faulty:
            self.blame(faulty)
            return None
        with database().transaction() as tx:
            if reference.region_name(tx, read.region_code) is None:
                self.errors["region_code"] = _("请选择问题属地。")
        return None if self.errors else read

    def blame(self, faulty: Faulty) -> None:
        """Show faults beside their fields."""
        found = self.errors | form_errors(faulty, **_NAMES)
        if "region_code" in found:
            found["region_code"] = _("请选择问题属地。")  # a list to choose from, whatever is wrong
        self.errors = dict(sorted(found.items(), key=lambda item: _place(item[0])))

    def _person(self, prefix: str) -> dict[str, str]:
        return {name: text for name in _PERSON if (text := self.values.get(f"{prefix}.{name}", "").strip())}

    def _accused(self) -> list[Any]:
        """One organisation or person a line; a name that the register holds becomes its agency."""
        names = [line.strip() for line in self.values.get("accused", "").splitlines() if line.strip()]
        if not names:
            return []
        with database().transaction() as tx:
            known = reference.agencies_by_name(tx, names)
        return [known[name].code if name in known else {"name": name} for name in names]


def region_groups(tx: Transaction) -> list[tuple[str, list[tuple[str, str]]]]:
    """The regions for a select in groups: each city and county with its townships."""
    rows = reference.regions_to_choose(tx)
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    below: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if row["level"] == "township":
            below.setdefault(row["parent_code"], []).append((row["code"], row["name"]))
    for row in rows:
        if row["level"] != "township":
            whole = (row["code"], _("%(region)s（全境或者不确定乡镇）", region=row["name"]))
            groups.append((row["name"], [whole, *below.get(row["code"], [])]))
    return groups


def place_in_full(tx: Transaction, code: str) -> str:
    """A region with those above it, as people write it."""
    return "".join(row["name"] for row in reference.line_of(tx, code))


def _place(name: str) -> int:
    """Where a field stands on the page, so that the summary of errors follows it."""
    return next((place for place, start in enumerate(_ORDER) if name.startswith(start)), len(_ORDER))


def _numbered(values: dict[str, str], prefix: str) -> list[tuple[int, str]]:
    found = [
        (int(number), text)
        for name, text in values.items()
        if name.startswith(prefix) and (number := name[len(prefix) :]).isdecimal() and len(number) < 4
    ]
    return sorted(found)


def _files(ids: list[str]) -> list[dict[str, Any]]:
    wanted: list[UUID] = []
    for text in ids[: petition.ATTACHMENTS]:
        try:
            wanted.append(UUID(text))
        except ValueError:
            continue
    if not wanted:
        return []
    with database().transaction() as tx:
        rows = uploads.waiting(tx, wanted, uploader=caller().key)
    return [
        {"id": str(row["id"]), "name": attach.name_of(row["id"], row["name"]), "bytes": row["bytes"]} for row in rows
    ]
