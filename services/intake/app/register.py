"""Registering a matter (条例 §22①, §23①): the hot path of intake, one transaction of few statements."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from lianban.chassis import traces
from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.secrets import blind, keyed, seal
from lianban.chassis.time import china_day
from lianban.chassis.transaction import Transaction
from lianban.contracts.intake import MatterRegistered, MatterSealed
from lianban.contracts.refs import AgencyRef, ClaimRef
from services.intake.app import attach, metrics
from services.intake.domain import number, query_code
from services.intake.domain.caller import Caller
from services.intake.domain.petition import Fault, Faulty, Person, Petition, claim_id
from services.intake.store import matters, reference


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered matter; ``created`` is False where the source's record had been registered before."""

    id: UUID
    number: str
    query_code: str
    received_at: datetime
    created: bool


def code_of(matter_number: str) -> str:
    """The query code of a matter; derived, never stored."""
    return query_code.from_hash(keyed(matter_number.encode("ascii"), purpose="query-code"))


def register(petition: Petition, *, by: Caller, at: datetime) -> Registered:
    """Register a petition; raises Faulty for unknown regions, agencies and uploads, Rejected without the right."""
    _check_rights(petition, by)
    matter = uuid4()
    words, persons, contacts = _seal(petition, matter)
    with database().transaction() as tx:
        region_name, accused = _named(tx, petition)
        new = matters.NewMatter(
            id=matter,
            number=number.compose(china_day(at), matters.running_numbers.next(tx)),
            channel=petition.channel,
            purpose=petition.purpose,
            region_code=petition.region_code,
            region_name=region_name,
            received_at=at,
            original_received_on=petition.original_received_on,
            words=words,
            persons=persons,
            contacts=contacts,
            claims=len(petition.claims),
            accused=[agency.code for agency in accused],
            group_size=petition.group_size,
            anonymous=petition.anonymous,
            language=petition.language,
            sealed=petition.sealed,
            registered_by=by.name,
            source=petition.source,
            source_id=petition.source_id,
        )
        if not matters.insert(tx, new):
            return _registered_before(tx, petition)
        tx.begin_stream(matter)
        traces.about(new.number)
        if petition.attachments:
            attach.give(tx, petition.attachments, uploader=by.key, matter=matter)
        imported = petition.source is not None and by.may_back_date
        tx.emit(_event(petition, new, accused, imported=imported), subject=matter, at=at)
    metrics.registered.labels(petition.channel.value, petition.purpose.value).inc()
    return Registered(matter, new.number, code_of(new.number), at, created=True)


def contacts_of(persons: tuple[Person, ...]) -> list[bytes]:
    """Blind indexes of everything by which persons are found again."""
    found: dict[bytes, None] = {}
    for person in persons:
        for value, kind in ((person.phone, "phone"), (person.id_number, "id-number"), (person.email.lower(), "email")):
            if value:
                found[blind(value, field=f"contact.{kind}")] = None
    return list(found)


def _check_rights(petition: Petition, by: Caller) -> None:
    if not by.may_use(petition.channel):
        raise Rejected(
            "channel-not-allowed",
            "未登录时只能以“信息网络”（web）形式提交；代他人提交须持有接入渠道或登记员令牌。",
            "Without signing in only the channel web is open; to submit for others use a channel's or a clerk's token.",
            status=403,
            field="/channel",
        )
    if petition.original_received_on is not None and not by.may_back_date:
        raise Rejected(
            "back-dating-not-allowed",
            "只有导入员可以填写原收到日期。",
            "Only the importer role may give an original date.",
            status=403,
            field="/original_received_on",
        )
    if petition.source is not None and not by.may_name_source:
        raise Rejected(
            "source-not-allowed",
            "只有接入渠道、登记员和导入员可以填写来源。",
            "Only channels, clerks and importers may name a source record.",
            status=403,
            field="/source",
        )


def _seal(petition: Petition, matter: UUID) -> tuple[bytes, bytes | None, list[bytes]]:
    words = {
        "title": petition.title,
        "content": petition.content,
        "claims": petition.claims,
        "accused": petition.accused_others,
    }
    sealed_words = seal(json.dumps(words, ensure_ascii=False), context=f"matter.words:{matter}")
    if petition.anonymous:
        return sealed_words, None, []
    persons = [
        {
            "name": person.name,
            "phone": person.phone,
            "address": person.address,
            "email": person.email,
            "id_type": person.id_type,
            "id_number": person.id_number,
        }
        for person in petition.persons
    ]
    sealed_persons = seal(json.dumps(persons, ensure_ascii=False), context=f"matter.persons:{matter}")
    return sealed_words, sealed_persons, contacts_of(petition.persons)


def _named(tx: Transaction, petition: Petition) -> tuple[str, tuple[AgencyRef, ...]]:
    """The name of the region and the accused agencies; raises Faulty with everything that is not registered."""
    region_name = reference.region_name(tx, petition.region_code)
    known = reference.agencies(tx, petition.accused) if petition.accused else {}
    faults = [
        Fault(
            f"/accused/{index}", "unknown-agency", f"名册中没有代码为“{code}”的单位", f"no agency has the code {code}"
        )
        for index, code in enumerate(petition.accused)
        if code not in known
    ]
    if region_name is None:
        raise Faulty([*faults, _unknown_region(petition)])
    if faults:
        raise Faulty(faults)
    return region_name, tuple(known[code] for code in petition.accused)


def _unknown_region(petition: Petition) -> Fault:
    code = petition.region_code
    return Fault("/region_code", "unknown-region", f"没有代码为“{code}”的区划", f"no region has the code {code}")


def _registered_before(tx: Transaction, petition: Petition) -> Registered:
    row = matters.of_source(tx, petition.source, petition.source_id)
    if row is None:
        raise LookupError("the database says that this record was registered, and has no matter of it")
    return Registered(row["id"], row["number"], code_of(row["number"]), row["received_at"], created=False)


def _event(
    petition: Petition, new: matters.NewMatter, accused: tuple[AgencyRef, ...], *, imported: bool
) -> MatterRegistered | MatterSealed:
    if petition.sealed:
        return MatterSealed(number=new.number, received_at=new.received_at)
    return MatterRegistered(
        number=new.number,
        channel=petition.channel,
        purpose=petition.purpose,
        region_code=petition.region_code,
        region_name=new.region_name,
        received_at=new.received_at,
        claims=tuple(ClaimRef(claim_id(new.id, ordinal), ordinal) for ordinal in range(1, len(petition.claims) + 1)),
        group_size=petition.group_size,
        accused=accused,
        anonymous=petition.anonymous,
        reachable=petition.reachable(imported=imported),
        attachments=len(petition.attachments),
        registered_by=new.registered_by,
        imported=imported,
    )
