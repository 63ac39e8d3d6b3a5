"""Registering by API: who may, what is refused, what is said and what is kept."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from lianban.contracts.codes import Channel, StaffRole
from lianban.contracts.intake import MatterRegistered, MatterSealed
from lianban.contracts.refs import AgencyRef
from services.intake.domain import number
from tests.integration.intake.conftest import URBAN, Intake, a_petition

PATH = "/api/v1/matters"


def problem(answer: Any) -> tuple[int, list[str]]:
    body = answer.get_json()
    return answer.status_code, [error["pointer"] for error in body.get("errors", [])]


def test_a_petition_gets_number_and_query_code_and_is_said_without_words(intake: Intake) -> None:
    done = intake.submit()
    assert number.is_number(done["number"])
    assert len(done["query_code"]) == 8
    assert datetime.fromisoformat(done["received_at"]).tzinfo is not None
    (event,) = intake.said(done["id"])
    assert isinstance(event, MatterRegistered)
    assert (event.number, event.channel, event.region_name) == (done["number"], Channel.WEB, "东平镇")
    assert [claim.ordinal for claim in event.claims] == [1, 2]
    assert event.reachable == ("portal", "email", "sms", "letter")
    assert (event.anonymous, event.imported, event.registered_by, event.attachments) == (False, False, None, 0)


def test_the_query_code_is_stored_nowhere(intake: Intake) -> None:
    done = intake.submit()
    row = intake.one("select to_jsonb(matter) as row from matter")
    assert done["query_code"] not in json.dumps(row, default=str)


def test_nothing_personal_lies_open_in_the_database(intake: Intake) -> None:
    secrets = ("赵明月", "13900001234", "zhao@example.com", "河沿路", "发黑", "查清污染", "E12345678", "李四海")
    person = {**a_petition()["petitioner"], "id_type": "passport", "id_number": "E12345678"}
    upload = intake.upload(name="赵明月.jpg").json["id"]
    intake.submit(petitioner=person, accused=[{"name": "李四海"}], attachments=[upload])
    tables = intake.look.execute("select tablename as name from pg_tables where schemaname = 'public'").fetchall()
    for table in [table["name"] for table in tables]:
        for row in intake.look.execute(f"select t::text as row from {table} t"):
            plain = row["row"]
            for secret in secrets:
                assert secret not in plain
                assert secret.encode().hex() not in plain


def test_the_same_words_are_sealed_differently_each_time(intake: Intake) -> None:
    intake.submit()
    intake.submit()
    words = [bytes(row["words"]) for row in intake.look.execute("select words from matter")]
    assert words[0] != words[1]


def test_an_accusation_is_sealed_and_said_as_sealed_only(intake: Intake) -> None:
    done = intake.submit(purpose="accusation")
    assert [type(event) for event in intake.said(done["id"])] == [MatterSealed]
    status = intake.client.get(f"{PATH}/{done['number']}?query_code={done['query_code']}").get_json()
    assert (status["status"], status["held_by"]["name"]) == ("discipline", "有权处理的纪检监察机关")
    assert (status["may_withdraw"], status["may_supplement"], status["rating"]["open"]) == (False, False, False)


def test_accused_agencies_are_said_with_their_names(intake: Intake) -> None:
    done = intake.submit(accused=["city-urban", {"name": "张某"}])
    assert intake.said(done["id"])[0].accused == (AgencyRef(URBAN.code, URBAN.name),)


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"region_code": "990199000000"}, ["/region_code"]),
        ({"accused": ["city-urban", "city-moon"]}, ["/accused/1"]),
        ({"accused": ["city-moon"], "region_code": "990199000000"}, ["/accused/0", "/region_code"]),
        ({"attachments": [str(uuid4())]}, ["/attachments/0"]),
        ({"purpose": "gossip", "title": ""}, ["/purpose", "/title"]),
    ],
)
def test_what_is_unknown_or_missing_is_told_with_its_place(
    intake: Intake, changes: dict[str, Any], pointers: list[str]
) -> None:
    assert problem(intake.client.post(PATH, json=a_petition(**changes))) == (422, pointers)
    assert intake.said() == []
    assert intake.one("select count(*) as n from matter")["n"] == 0


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (json.dumps(a_petition(), ensure_ascii=False).encode("gb18030"), "application/json", 400),
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"title=x", "application/x-www-form-urlencoded", 415),
        (b'{"title": "' + b"x" * 2_000_000 + b'"}', "application/json", 413),
    ],
)
def test_bodies_that_are_none_are_refused(intake: Intake, data: bytes, content_type: str, status: int) -> None:
    answer = intake.client.post(PATH, data=data, content_type=content_type)
    assert answer.status_code == status
    assert answer.get_json()["status"] == status


def test_messages_come_in_the_language_that_is_asked_for(intake: Intake) -> None:
    body = a_petition(title="")
    chinese = intake.client.post(PATH, json=body).get_json()["errors"][0]["message"]
    english = intake.client.post(PATH, json=body, headers={"Accept-Language": "en"}).get_json()["errors"][0]["message"]
    assert (chinese, english) == ("请填写标题。", "Title is missing.")


def test_the_same_key_gives_the_same_number_and_another_body_is_refused(intake: Intake) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = intake.client.post(PATH, json=a_petition(), headers=key)
    again = intake.client.post(PATH, json=a_petition(), headers=key)
    other = intake.client.post(PATH, json=a_petition(title="另一件"), headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.get_json() == again.get_json()
    assert other.get_json()["type"] == "/problems/idempotency-key-reused"
    assert len(intake.said()) == 1


def test_a_refused_body_can_be_corrected_under_the_same_key(intake: Intake) -> None:
    key = {"Idempotency-Key": "k-2"}
    assert intake.client.post(PATH, json=a_petition(region_code="990199000000"), headers=key).status_code == 422
    assert intake.client.post(PATH, json=a_petition(), headers=key).status_code == 201


def test_only_those_with_a_token_submit_for_others(intake: Intake) -> None:
    hotline = a_petition(channel="hotline")
    assert problem(intake.client.post(PATH, json=hotline)) == (403, ["/channel"])
    headers = intake.bearer(StaffRole.CHANNEL, kind="channel", subject="12345")
    done = intake.client.post(PATH, json=hotline, headers=headers)
    assert done.status_code == 201
    assert intake.said(done.get_json()["id"])[0].registered_by == "channel:12345"


def test_only_importers_give_an_original_date(intake: Intake) -> None:
    body = a_petition(original_received_on="2019-04-25", source="old-board", source_id="17")
    clerk = intake.client.post(PATH, json=body, headers=intake.bearer(StaffRole.CLERK))
    assert problem(clerk) == (403, ["/original_received_on"])
    done = intake.client.post(PATH, json=body, headers=intake.bearer(StaffRole.IMPORTER))
    assert done.status_code == 201
    event = intake.said(done.get_json()["id"])[0]
    assert (event.imported, "portal" in event.reachable) == (True, False)
    assert str(intake.one("select original_received_on as day from matter")["day"]) == "2019-04-25"


def test_a_record_of_another_system_is_registered_once(intake: Intake) -> None:
    headers = intake.bearer(StaffRole.IMPORTER)
    body = a_petition(source="old-board", source_id="17")
    first = intake.client.post(PATH, json=body, headers=headers)
    again = intake.client.post(PATH, json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert len(intake.said()) == 1


def test_a_source_is_not_named_by_strangers(intake: Intake) -> None:
    body = a_petition(source="old-board", source_id="17")
    assert problem(intake.client.post(PATH, json=body)) == (403, ["/source"])


def test_numbers_are_all_different(intake: Intake) -> None:
    headers = intake.bearer(StaffRole.CHANNEL, kind="channel")
    assert len({intake.submit(headers)["number"] for _ in range(120)}) == 120


def test_a_registration_takes_few_statements(intake: Intake) -> None:
    from lianban.chassis.transaction import statistics

    headers = intake.bearer(StaffRole.CHANNEL, kind="channel")
    for _ in range(2):
        before = {sql: runs[0] for sql, runs in statistics.runs.items()}
        key = {"Idempotency-Key": str(uuid4())}
        assert intake.client.post(PATH, json=a_petition(), headers={**headers, **key}).status_code == 201
        ran = [sql for sql, runs in statistics.runs.items() if runs[0] > before.get(sql, 0)]
    # the key with its answer, the matter, the stream with the number taken on it, the outbox
    assert len(ran) == 4
