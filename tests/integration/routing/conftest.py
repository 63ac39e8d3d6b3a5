"""A private PostgreSQL with routing's tables, a small city in it, and neighbours that answer from memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.rows import DictRow

from lianban.chassis.database import Database
from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.contracts.catalogue import load
from lianban.contracts.codes import AgencyLevel, Channel, NoticeChannel, Purpose, StaffRole
from lianban.contracts.intake import MatterRegistered
from lianban.contracts.refs import AgencyRef, ClaimRef
from services.routing.app import registering, suggestion
from services.routing.app.hearing import HANDLERS
from services.routing.domain.register import Agency, LegalBasis, MatterType, Part, Region, Staff
from tests.databases import FreshDatabase, close_template, url_of

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
CITY, COUNTY, TOWNSHIP, VILLAGE = AgencyLevel.CITY, AgencyLevel.COUNTY, AgencyLevel.TOWNSHIP, AgencyLevel.VILLAGE
PASSWORD = "correct horse battery"


REGIONS = (
    Region("990100000000", "清河市", CITY),
    Region("990101000000", "锦川区", COUNTY, "990100000000"),
    Region("990102000000", "望湖区", COUNTY, "990100000000"),
    Region("990102101000", "东平镇", TOWNSHIP, "990102000000"),
    Region("990102101001", "周家湾村", VILLAGE, "990102101000"),
)


def _agency(code: str, name: str, level: AgencyLevel, region: str, function: str, **more: Any) -> Agency:
    superior = more.pop("superior", "city-government")
    return Agency(
        code=code,
        name=name,
        level=level,
        region_code=region,
        functions=(function,),
        superior_government=superior,
        **more,
    )


AGENCIES = (
    _agency("city-government", "清河市人民政府", CITY, "990100000000", "government", superior=None),
    _agency("city-petition", "清河市信访局", CITY, "990100000000", "petition", petition_office=True),
    _agency("city-ecology", "清河市生态环境局", CITY, "990100000000", "ecology"),
    _agency("city-urban", "清河市城市管理局", CITY, "990100000000", "urban-management"),
    _agency("city-water", "清河市水利局", CITY, "990100000000", "water"),
    _agency("city-old", "清河市环保站", CITY, "990100000000", "old", active=False),
    _agency("dongping-town", "东平镇人民政府", TOWNSHIP, "990102101000", "township"),
)
MATTER_TYPES = (
    MatterType(
        code="water-pollution",
        item="QH-001",
        field="environment",
        name="工业废水污染河道",
        name_en="Industrial discharge into a river",
        lead=Part("ecology", CITY),
        co_handlers=(Part("urban-management"), Part("township")),
        keywords=("河水发黑", "废水", "偷排", "印染厂"),
        examples=("厂子后面的河水发黑发臭。", "印染厂半夜往河里偷排废水。"),
        basis=(LegalBasis("水污染防治法", "第十条"),),
    ),
    MatterType(
        code="rubbish",
        item="QH-002",
        field="city-appearance",
        name="垃圾清运不及时",
        lead=Part("urban-management", CITY),
        keywords=("垃圾", "清运"),
        examples=("小区门口垃圾一个星期没人清运。",),
    ),
)
STAFF = (
    Staff(username="officer", name="李转办", roles=frozenset({StaffRole.OFFICER})),
    Staff(username="jinchuan", name="锦川转办", roles=frozenset({StaffRole.OFFICER}), territory="990101000000"),
    Staff(username="urban", name="城管经办", roles=frozenset({StaffRole.AGENCY}), agency="city-urban"),
)


@dataclass
class City:
    """A small city in the database, and what happened to it."""

    connection: psycopg.Connection[DictRow]
    matters: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    registered: dict[UUID, MatterRegistered] = field(default_factory=dict)

    def hear(self, event: Any, subject: UUID, *, at: datetime = NOW, source: str = "intake") -> None:
        """Let routing handle an event as its inbox would."""
        with database().transaction() as tx:
            tx.lock(subject)
            HANDLERS[type(event)](tx, Received(uuid4(), subject, source, 1, at, event))

    def register(self, *, claims: int = 2, title: str = "厂后的河水发黑", **given: Any) -> UUID:
        """A matter that intake registered; its text waits at intake."""
        matter = uuid4()
        values: dict[str, Any] = {
            "number": f"QH{len(self.matters) + 1:012d}",
            "channel": Channel.WEB,
            "purpose": Purpose.APPEAL,
            "region_code": "990102101001",
            "region_name": "周家湾村",
            "received_at": NOW,
            "claims": tuple(ClaimRef(uuid4(), n) for n in range(1, claims + 1)),
            "group_size": 1,
            "reachable": (NoticeChannel.PORTAL,),
            **given,
        }
        event = MatterRegistered(**values)
        self.matters[matter] = {
            "id": str(matter),
            "number": event.number,
            "title": title,
            "content": "印染厂半夜往河里偷排废水，河水发黑。我叫王小明，电话13900000000。",
            "claims": [{"id": str(c.id), "ordinal": c.ordinal, "text": f"诉求{c.ordinal}"} for c in event.claims],
            "attachments": [],
        }
        self.registered[matter] = event
        self.hear(event, matter)
        return matter

    def said(self, matter: UUID) -> list[Any]:
        """What routing said about a subject, oldest first."""
        rows = self.connection.execute("select type, body from outbox where subject = %s order by sequence", (matter,))
        return [load(row["type"], json.loads(bytes(row["body"]))["data"]) for row in rows]

    def last(self, matter: UUID, kind: type[Any]) -> Any:
        """The last event of a kind that routing said."""
        return [event for event in self.said(matter) if isinstance(event, kind)][-1]

    def one(self, sql: str, *params: Any) -> Any:
        """The only row of a query."""
        return self.connection.execute(sql, params).fetchone()


def ref(code: str) -> AgencyRef:
    """An agency of the small city."""
    return next(agency.ref for agency in AGENCIES if agency.code == code)


@pytest.fixture(scope="session")
def small_city(postgres: str, template: Callable[[str], str]) -> str:
    """The name of a database with routing's tables and the small city, to be copied for each test."""
    name = "routing_small_city"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template('routing')}")
    seeding = Database(url_of(postgres, name), service="routing")
    seeding.open()
    with seeding.transaction() as tx:
        for region in REGIONS:
            registering.register_region(tx, region, at=NOW)
        for agency in AGENCIES:
            registering.register_agency(tx, agency, at=NOW)
        for item in MATTER_TYPES:
            registering.register_matter_type(tx, item, at=NOW)
        for person in STAFF:
            registering.register_staff(tx, person, PASSWORD, at=NOW)
    seeding.close()
    close_template(postgres, name)
    return name


@pytest.fixture
def look(fresh_database: FreshDatabase, small_city: str) -> psycopg.Connection[DictRow]:
    """Routing's database with the small city; the connection is for looking in."""
    return fresh_database("routing", of=small_city)


@pytest.fixture
def city(look: psycopg.Connection[DictRow], monkeypatch: pytest.MonkeyPatch) -> City:
    """The small city; intake and the text model answer from memory."""
    made = City(look)

    def fetch(service: str, path: str, body: dict[str, Any], *, purpose: str) -> Any:
        assert (service, path, purpose) == ("intake", "/internal/v1/matters/texts", "routing")
        return {"items": [made.matters[UUID(i)] for i in body["ids"] if UUID(i) in made.matters]}

    def classify(items: Any) -> dict[UUID, dict[str, float]]:
        return {i: {"water-pollution": 0.9 if "河水" in text else 0.01} for i, _, text in items}

    monkeypatch.setattr(suggestion, "fetch", fetch)
    monkeypatch.setattr(suggestion, "classify", classify)
    return made


@pytest.fixture
def app(city: City) -> Flask:
    """Routing's Flask application."""
    from services.routing.web import create_app

    return create_app()


@pytest.fixture
def client(app: Flask, token: Callable[..., str]) -> FlaskClient:
    """A browser that an officer signed in with."""
    found = app.test_client()
    found.set_cookie("lianban_access", token(StaffRole.OFFICER))
    return found
