"""A private PostgreSQL with intake's tables, a small region in it, and the application as a client sees it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from psycopg.rows import DictRow

from lianban.chassis import auth
from lianban.chassis.auth import Principal
from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.chassis.time import at, now
from lianban.contracts import routing
from lianban.contracts.catalogue import load
from lianban.contracts.codes import AgencyLevel, StaffRole
from lianban.contracts.refs import AgencyRef
from services.intake.app.hearing import HANDLERS
from services.intake.store import matters, progress
from services.intake.web import create_app
from tests.databases import FreshDatabase
from tests.keys import Keys

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
ECOLOGY = AgencyRef("city-ecology", "清河市生态环境局")
URBAN = AgencyRef("city-urban", "清河市城市管理局")
OFFICE = AgencyRef("city-petition", "清河市信访局")
TOWN = "990102101000"


@dataclass
class Intake:
    """Intake's database, what it says and hears, and a client of its application."""

    look: psycopg.Connection[DictRow]
    app: Flask
    keys: Keys
    become: Callable[[str], None]
    files: Path
    heard: list[tuple[UUID, Any, UUID, str, datetime]] = field(default_factory=list)

    @property
    def client(self) -> FlaskClient:
        """A browser or script that was never here before."""
        return self.app.test_client()

    def hear(self, event: Any, subject: UUID, *, source: str = "routing", at: datetime = NOW) -> None:
        """Let intake handle an event as its inbox would."""
        self.heard.append((uuid4(), event, subject, source, at))
        self._handle(*self.heard[-1])

    def hear_all_again(self) -> None:
        """Let intake handle every event that it has heard once more, under the same ids."""
        for event in self.heard:
            self._handle(*event)

    def hear_together(self) -> None:
        """Let intake handle every event that it has heard as one batch."""
        subjects = list(dict.fromkeys(subject for _, _, subject, _, _ in self.heard))
        with database().transaction() as tx:
            tx.ask_for(subjects)
            progress.prepare(tx, subjects)
            tx.settle()
            for event_id, event, subject, source, moment in self.heard:
                HANDLERS[type(event)](tx, Received(event_id, subject, source, 1, moment, event))

    def _handle(self, event_id: UUID, event: Any, subject: UUID, source: str, moment: datetime) -> None:
        with database().transaction() as tx:
            tx.lock(subject)
            HANDLERS[type(event)](tx, Received(event_id, subject, source, 1, moment, event))

    def said(self, matter: UUID | str | None = None) -> list[Any]:
        """What intake said, oldest first."""
        rows = self.look.execute(
            "select type, body from outbox where %(id)s::uuid is null or subject = %(id)s order by position",
            {"id": matter},
        )
        return [load(row["type"], json.loads(bytes(row["body"]))["data"]) for row in rows]

    def one(self, sql: str, *params: Any) -> Any:
        """The only row of a query."""
        return self.look.execute(sql, params).fetchone()

    def bearer(self, *roles: StaffRole, kind: auth.Kind = "staff", **more: Any) -> dict[str, str]:
        """The header of somebody with roles."""
        return {"Authorization": f"Bearer {self.access(*roles, kind=kind, **more)}"}

    def access(self, *roles: StaffRole, kind: auth.Kind = "staff", subject: str = "s-1", **more: Any) -> str:
        """An access token as routing makes it."""
        self.become("routing")
        token = auth.issue_access(Principal(kind=kind, subject=subject, roles=frozenset(roles), **more), at=now())
        self.become("intake")
        return token

    def service(self, name: str) -> dict[str, str]:
        """The header of a neighbour."""
        self.become(name)
        token = auth.issue_service("intake", at=now())
        self.become("intake")
        return {"Authorization": f"Bearer {token}"}

    def submit(self, headers: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """Register a matter by API, by a petitioner at NOW or by whom the headers name; the answer's JSON."""
        with nullcontext() if headers else at(NOW):
            answer = self.client.post("/api/v1/matters", json=a_petition(**changes), headers=headers)
        assert answer.status_code == 201, answer.get_json()
        return dict(answer.get_json())

    def upload(
        self, data: bytes | None = None, name: str = "河.jpg", client: FlaskClient | None = None, **more: Any
    ) -> Any:
        """Upload a file; the answer."""
        content = a_picture() if data is None else data
        return (client or self.client).post("/api/v1/uploads", data={"file": (io.BytesIO(content), name)}, **more)


@pytest.fixture
def intake(
    fresh_database: FreshDatabase,
    become: Callable[[str], None],
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Intake:
    """Intake with an empty database but for a few regions and agencies."""
    keys.make("notification")
    monkeypatch.setenv("LIANBAN_FILES", str(tmp_path / "files"))
    look = fresh_database("intake")
    monkeypatch.setattr(matters, "running_numbers", matters.RunningNumbers())
    app = create_app()
    app.testing = True
    made = Intake(look, app, keys, become, tmp_path / "files")
    _populate(made)
    return made


def _populate(intake: Intake) -> None:
    city, county, township = AgencyLevel.CITY, AgencyLevel.COUNTY, AgencyLevel.TOWNSHIP
    for code, label, level, parent in (
        ("990100000000", "清河市", city, None),
        ("990102000000", "望湖区", county, "990100000000"),
        (TOWN, "东平镇", township, "990102000000"),
    ):
        intake.hear(routing.RegionRegistered(code=code, name=label, level=level, parent_code=parent), uuid4())
    for agency in (ECOLOGY, URBAN, OFFICE):
        intake.hear(
            routing.AgencyRegistered(
                code=agency.code,
                name=agency.name,
                level=city,
                region_code="990100000000",
                petition_office=agency is OFFICE,
            ),
            uuid4(),
        )


def a_petition(**changes: Any) -> dict[str, Any]:
    """A petition as a script submits it."""
    return {
        "channel": "web",
        "title": "工厂后面的河水发黑",
        "content": "十月以来，东平镇印染厂后面的河水发黑发臭。",
        "claims": ["查清污染来源", {"text": "清理河道"}],
        "purpose": "appeal",
        "region_code": TOWN,
        "petitioner": {
            "name": "赵明月",
            "phone": "13900001234",
            "email": "zhao@example.com",
            "address": "东平镇河沿路1号",
        },
        **changes,
    }


def a_picture(width: int = 40, height: int = 30, kind: str = "JPEG") -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (40, 40, 40)).save(out, kind)
    return out.getvalue()
