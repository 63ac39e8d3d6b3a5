"""The exchange API: what departments' systems state is taken once, told back, and nothing of others leaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg.rows import DictRow

from deploy.waiting import until
from lianban.chassis import auth
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.contracts.agency_gateway import (
    AgencyAccepted,
    AgencyGaveOpinion,
    AgencyObjected,
    AgencyReplied,
    MessageDelivered,
)
from lianban.contracts.codes import AgencyLevel, AgencyRole, ClaimResult, ObjectionReason, StaffRole
from lianban.contracts.intake import MatterRegistered
from lianban.contracts.refs import agency_id
from lianban.contracts.routing import (
    AgencyRegistered,
    AgencyStatementRefused,
    AssignmentAccepted,
    AssignmentOpinionGiven,
    AssignmentWithdrawn,
)
from services.agency_gateway.app import journaling
from services.agency_gateway.web import create_app
from tests import unrolled
from tests.exported import Exported
from tests.integration.agency_gateway.conftest import (
    CANARY,
    ECOLOGY,
    TOWN,
    URBAN,
    Department,
    Intake,
    Sent,
    a_profile,
    emitted,
    hear,
    register,
    run_until,
    send,
    state_of,
)

Look = psycopg.Connection[DictRow]
Call = Callable[..., Any]
TOKEN = "lbx_0123456789abcdef0123456789"
OTHERS = "lbx_fedcba9876543210fedcba9876"


@pytest.fixture
def client(look: Look) -> FlaskClient:
    app = create_app()
    app.testing = True
    register({"agency": URBAN.code, "adapter": "pull", "level": 2}, system=TOKEN)
    register({"agency": TOWN.code, "adapter": "pull", "level": 2}, system=OTHERS)
    return app.test_client()


@pytest.fixture
def post(client: FlaskClient) -> Call:
    def call(path: str, body: Any, token: str = TOKEN, **headers: str) -> Any:
        return client.post(path, json=body, headers={"Authorization": f"Bearer {token}", **headers})

    return call


@pytest.fixture
def get(client: FlaskClient) -> Call:
    def call(path: str, token: str = TOKEN) -> Any:
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).json

    return call


def stating(sent: Sent) -> str:
    return f"/exchange/v1/assignments/{sent.id}/statements"


def a_statement(kind: str = "accept", **members: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "kind": kind, **members}


def a_reply(sent: Sent, **members: Any) -> dict[str, Any]:
    results = [{"claim_id": str(claim), "result": "supported", "text": "已整改。"} for claim in sent.claims]
    members = {"legal_basis": "《水污染防治法》第三十九条"} | members
    return a_statement("reply", text="已责令停产整改。", facts="排口超标。", results=results, **members)


def test_a_statement_is_taken_once_and_a_repeat_gets_the_same_answer(look: Look, intake: Intake, post: Call) -> None:
    sent = send(intake, URBAN)
    body = a_statement(reference="CG-1")
    first, second = post(stating(sent), body), post(stating(sent), body)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json == second.json
    assert first.json["status"] == "awaiting_confirmation"
    (event,) = emitted(look, AgencyAccepted)
    assert (event.assignment_id, event.agency) == (sent.id, URBAN)
    with database().transaction() as tx:
        assert journaling.verify(tx, URBAN.code) is None


def test_a_departments_request_is_traced_under_the_matters_number(
    look: Look, intake: Intake, post: Call, exported: Exported
) -> None:
    sent = send(intake, URBAN)
    number = look.execute("select number from assignment").fetchone()
    assert number is not None
    assert post(stating(sent), a_statement()).status_code == 202
    assert exported.numbers() == {
        "statement accept": number["number"],
        "POST /exchange/v1/assignments/<uuid:assignment_id>/statements": number["number"],
    }


def test_the_same_id_with_another_body_is_refused(look: Look, intake: Intake, post: Call) -> None:
    sent = send(intake, URBAN)
    body = a_statement()
    assert post(stating(sent), body).status_code == 202
    answer = post(stating(sent), body | {"text": "另一句话"})
    assert answer.status_code == 422
    assert answer.json["type"] == "/problems/statement-id-reused"
    assert len(emitted(look, AgencyAccepted)) == 1


def test_the_same_id_from_another_agency_is_another_statement(look: Look, intake: Intake, post: Call) -> None:
    mine, theirs = send(intake, URBAN), send(intake, TOWN)
    body = a_statement()
    first = post(stating(mine), body)
    second = post(stating(theirs), body, token=OTHERS)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["statement_id"] != second.json["statement_id"]


def test_another_agencys_assignment_is_as_unknown_as_one_that_is_not(look: Look, intake: Intake, post: Call) -> None:
    theirs = send(intake, TOWN)
    nobodys = Sent(uuid4(), uuid4(), ())
    answers = [post(stating(sent), a_statement()) for sent in (theirs, nobodys)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json | {"reference": ""} == answers[1].json | {"reference": ""}


def test_an_accused_agency_finds_nothing(look: Look, intake: Intake, client: FlaskClient, post: Call) -> None:
    matter_id = uuid4()
    _accuse(matter_id)
    sent = send(intake, URBAN, matter_id=matter_id)
    assert post(stating(sent), a_statement()).status_code == 404
    answer = client.get(f"/exchange/v1/assignments/{sent.id}", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 404


def test_subordinates_of_the_accused_find_nothing_either(look: Look, intake: Intake, post: Call) -> None:
    matter_id = uuid4()
    hear(
        AgencyRegistered(
            code=TOWN.code, name=TOWN.name, level=AgencyLevel.TOWNSHIP, region_code="990101000000",
            superior_government=URBAN.code,
        ),
        agency_id(TOWN.code),
    )  # fmt: skip
    _accuse(matter_id)
    sent = send(intake, TOWN, matter_id=matter_id)
    assert post(stating(sent), a_statement(), token=OTHERS).status_code == 404


def _accuse(matter_id: UUID) -> None:
    from lianban.contracts.codes import Channel, Purpose

    hear(
        MatterRegistered(
            number="X1", channel=Channel.WEB, purpose=Purpose.APPEAL, region_code="990101000000", region_name="东平县",
            received_at=now(), claims=(), group_size=1, accused=(URBAN,),
        ),
        matter_id,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "shout"}, "/kind"),
        ({"id": "7"}, "/id"),
        ({"text": "长" * 20_001}, "/text"),
        ({"reason": "weather"}, "/reason"),
        ({"results": [{"claim_id": str(UUID(int=7)), "result": "supported"}]}, "/results/0/claim_id"),
        ({"results": [{"claim_id": str(UUID(int=7)), "result": "maybe"}]}, "/results/0/result"),
        ({"proposed_agency": "moon-office"}, "/proposed_agency"),
        ({"version": 0}, "/version"),
        ({"stated_at": "yesterday"}, "/stated_at"),
        ({"unexpected": 1}, "/unexpected"),
        ({"kind": "object", "text": "不归我管"}, "/reason"),
        ({"kind": "object", "reason": "outside_powers"}, "/text"),
        ({"kind": "reply", "text": "好了", "legal_basis": "第一条"}, "/results"),
        ({"kind": "reply", "text": "好了"}, "/legal_basis"),
        (
            {"kind": "reply", "text": "好了", "results": [{"claim_id": str(UUID(int=7)), "result": "supported"}]},
            "/results",
        ),
        ({"kind": "progress"}, "/text"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(
    look: Look, intake: Intake, post: Call, change: dict[str, Any], pointer: str
) -> None:
    hear(
        AgencyRegistered(code=TOWN.code, name=TOWN.name, level=AgencyLevel.TOWNSHIP, region_code="990101000000"),
        agency_id(TOWN.code),
    )
    sent = send(intake, URBAN)
    answer = post(stating(sent), a_statement() | change)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert emitted(look, AgencyAccepted) == []


def test_an_objection_an_opinion_and_a_reply_go_out_with_their_particulars(
    look: Look, intake: Intake, post: Call
) -> None:
    sent = send(intake, URBAN)
    objection = a_statement("object", text="河道归水利", reason="outside_powers", proposed_agency=TOWN.code)
    assert post(stating(sent), objection).status_code == 202
    opinion = a_statement("opinion", text="管网无破损", results=[])
    assert post(stating(sent), opinion).status_code == 202
    assert post(stating(sent), a_reply(sent)).status_code == 202
    (objected,) = emitted(look, AgencyObjected)
    assert (objected.reason, objected.proposed_agency) == (ObjectionReason.OUTSIDE_POWERS, TOWN.code)
    assert len(emitted(look, AgencyGaveOpinion)) == 1
    (replied,) = emitted(look, AgencyReplied)
    assert [(r.claim_id, r.result) for r in replied.results] == [(c, ClaimResult.SUPPORTED) for c in sent.claims]


def test_the_department_sees_what_became_of_its_statement(look: Look, intake: Intake, post: Call, get: Call) -> None:
    sent = send(intake, URBAN)
    accept, progress = a_statement(), a_statement("progress", text="已到现场")
    post(stating(sent), accept)
    refused = UUID(post(stating(sent), progress).json["statement_id"])
    hear(
        AgencyStatementRefused(
            statement_id=refused, assignment_id=sent.id, agency=URBAN, slug="not-accepted", refused_at=now()
        ),
        sent.matter_id,
    )
    hear(
        AssignmentAccepted(assignment_id=sent.id, agency=URBAN, role=AgencyRole.LEAD, binding=False, accepted_at=now()),
        sent.matter_id,
    )
    told = get(f"/exchange/v1/assignments/{sent.id}")
    assert told["state"] == "accepted"
    by_id = {statement["id"]: statement for statement in told["statements"]}
    assert by_id[accept["id"]]["status"] == "applied"
    assert (by_id[progress["id"]]["status"], by_id[progress["id"]]["refusal"]) == ("refused", "not-accepted")
    assert {due["rule"] for due in told["due"]} == {"notice", "handle"}


def test_the_lead_gets_each_co_handlers_opinion(look: Look, intake: Intake, post: Call, get: Call) -> None:
    lead = send(intake, URBAN)
    co = send(intake, TOWN, role=AgencyRole.CO_HANDLER, matter_id=lead.matter_id)
    given = post(stating(co), a_statement("opinion", text="沟渠已清"), token=OTHERS).json["statement_id"]
    hear(
        AssignmentOpinionGiven(assignment_id=co.id, agency=TOWN, statement_id=UUID(given), given_at=now()),
        lead.matter_id,
    )
    run_until(lambda: state_of(look, lead.id, 2)["offered_at"])
    answer = get("/exchange/v1/messages")
    (opinion,) = [i["message"]["opinion"] for i in answer["items"] if i["message"]["kind"] == "co-handler-opinion"]
    assert (opinion["agency"]["code"], opinion["text"]) == (TOWN.code, "沟渠已清")


def test_feed_and_receipt(look: Look, intake: Intake, get: Call, post: Call) -> None:
    sent = send(intake, URBAN)
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    page = get("/exchange/v1/messages?limit=5")
    message = page["items"][0]["message"]
    assert message["petitioner"]["name"] == CANARY
    assert message["matter"]["title"] == "河水发黑"
    path = f"/exchange/v1/messages/{message['id']}/receipt"
    assert post(path, {"reference": "CG-9"}, token=OTHERS).status_code == 404
    assert post(path, {"reference": "CG-9"}).json == {"message_id": message["id"], "status": "delivered"}
    (event,) = emitted(look, MessageDelivered)
    assert event.reference == "CG-9"
    assert get(f"/exchange/v1/messages?after={page['next']}") == {"items": [], "next": page["next"]}


def test_a_receipt_is_traced_under_the_matters_number(
    look: Look, intake: Intake, get: Call, post: Call, exported: Exported
) -> None:
    sent = send(intake, URBAN)
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    path = f"/exchange/v1/messages/{get('/exchange/v1/messages')['items'][0]['message']['id']}/receipt"
    number = look.execute("select number from assignment").fetchone()
    assert number is not None
    assert post(path, {"reference": "CG-9"}).json["status"] == "delivered"
    told = exported.numbers()
    assert told["POST /exchange/v1/messages/<uuid:message_id>/receipt"] == number["number"]
    assert told["GET /exchange/v1/messages"] is None  # a page of the feed is about many


def test_a_receipt_that_comes_again_when_the_feed_has_let_the_message_go_changes_nothing(
    look: Look, intake: Intake, get: Call, post: Call
) -> None:
    sent = send(intake, URBAN)
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    path = f"/exchange/v1/messages/{get('/exchange/v1/messages')['items'][0]['message']['id']}/receipt"
    post(path, {"reference": "CG-9"})
    look.execute("delete from feed_item")
    assert post(path, {"reference": "CG-9"}).json["status"] == "delivered"
    assert len(emitted(look, MessageDelivered)) == 1


def test_a_program_can_work_for_an_agency_on_the_desk(
    look: Look, intake: Intake, client: FlaskClient, get: Call
) -> None:
    register({"agency": URBAN.code, "adapter": "desk", "level": 0})
    sent = [send(intake, URBAN) for _ in range(3)]
    send(intake, TOWN)
    run_until(lambda: all(state_of(look, s.id)["state"] == "delivered" for s in sent))
    first = get("/exchange/v1/assignments?state=open&limit=2")
    rest = get(f"/exchange/v1/assignments?state=open&limit=2&after={first['next']}")
    items = [*first["items"], *rest["items"]]
    assert [item["assignment_id"] for item in items] == [str(s.id) for s in reversed(sent)]
    assert items[0]["matter"]["claims"][0] == {"id": str(sent[2].claims[0]), "ordinal": 1, "text": "诉求1"}
    assert rest["next"] is None
    assert get("/exchange/v1/assignments?state=ended")["items"] == []


def test_without_a_token_or_with_a_wrong_one_nothing_opens(look: Look, client: FlaskClient) -> None:
    assert client.get("/exchange/v1/messages").status_code == 401
    wrong = client.get("/exchange/v1/messages", headers={"Authorization": "Bearer lbx_" + "0" * 30})
    assert wrong.status_code == 401
    assert wrong.json is not None
    assert wrong.json["type"] == "/problems/invalid-token"


def test_a_token_of_the_role_works_for_its_agency(
    look: Look, intake: Intake, client: FlaskClient, token: Call, become: Callable[[str], None]
) -> None:
    sent = send(intake, URBAN)
    signed = token(StaffRole.AGENCY, kind="agency", agency=URBAN.code)
    become("agency_gateway")
    headers = {"Authorization": f"Bearer {signed}"}
    assert client.get(f"/exchange/v1/assignments/{sent.id}", headers=headers).status_code == 200


@pytest.fixture
def called(look: Look, client: FlaskClient, department: Department) -> Call:
    register(a_profile(department.url), callback="callback-key-0123456789")

    def call(body: Any, key: str = "callback-key-0123456789", agency: str = ECOLOGY.code) -> Any:
        return client.post(f"/exchange/v1/callbacks/{agency}", json=body, headers={"X-Api-Key": key})

    return call


def a_call(sent: Sent, status: str, **members: Any) -> dict[str, Any]:
    return {
        "event": "ticket.status", "event_id": str(uuid4()), "external_ref": str(sent.id), "ticket_no": "GD1",
        "status": status, "remark": "", "items": [], "return_code": None, "suggest_dept": None,
        "happened_at": "2026-11-23T10:00:00+08:00", **members,
    }  # fmt: skip


def test_a_departments_own_words_become_ours(look: Look, intake: Intake, called: Call) -> None:
    sent = send(intake)
    items = [{"key": str(claim), "result": "AGREE", "note": "采纳"} for claim in sent.claims]
    assert called(a_call(sent, "TAKEN")).status_code == 202
    body = a_call(sent, "RETURNED", remark="归水利管", return_code="R01", suggest_dept=URBAN.code)
    assert called(body).status_code == 202
    ended = a_call(sent, "FINISHED", remark="已办结", basis="《水污染防治法》第三十九条", items=items)
    assert called(ended).status_code == 202
    assert [type(e).__name__ for e in emitted(look)] == ["AgencyAccepted", "AgencyObjected", "AgencyReplied"]
    assert emitted(look, AgencyObjected)[0].proposed_agency == URBAN.code
    assert emitted(look, AgencyReplied)[0].results[0].result is ClaimResult.SUPPORTED


def test_a_repeated_call_has_one_effect(look: Look, intake: Intake, called: Call) -> None:
    sent = send(intake)
    body = a_call(sent, "TAKEN")
    assert called(body).json == called(body).json
    assert called(body | {"remark": "另一句"}).status_code == 422
    assert len(emitted(look, AgencyAccepted)) == 1


def test_a_status_that_asks_for_nothing_is_only_noted(look: Look, intake: Intake, called: Call) -> None:
    sent = send(intake)
    answer = called(a_call(sent, "NEW"))
    assert (answer.status_code, answer.json["status"]) == (202, "noted")
    assert emitted(look) == []
    assert look.execute("select kind from journal").fetchall() == [{"kind": "note"}]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"status": "LUNCH"}, "/kind"),
        ({"return_code": "R99"}, "/reason"),
        ({"items": [{"key": "x", "result": "AGREE"}]}, "/results/0/claim_id"),
        ({"ticket_no": ["GD1"]}, "/reference"),
        ({"happened_at": "gestern"}, "/stated_at"),
        ({"event_id": None}, "/id"),
        ({"remark": {"deep": 1}}, "/text"),
    ],
)
def test_a_call_that_cannot_be_read_says_which_member(
    look: Look, intake: Intake, called: Call, change: dict[str, Any], pointer: str
) -> None:
    answer = called(a_call(send(intake), "TAKEN") | change)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert emitted(look) == []


def test_calls_need_the_agencys_own_key_and_assignment(look: Look, intake: Intake, called: Call) -> None:
    sent, theirs = send(intake), send(intake, URBAN)
    assert called(a_call(sent, "TAKEN"), key="wrong").status_code == 401
    assert called(a_call(sent, "TAKEN"), agency=URBAN.code).status_code == 401
    assert called(a_call(theirs, "TAKEN")).status_code == 404
    assert called(a_call(sent, "TAKEN", external_ref="nothing")).status_code == 404


def test_what_is_no_json_object_gets_a_clear_answer(look: Look, intake: Intake, called: Call) -> None:
    assert called([1, 2]).status_code == 422
    assert called("text").status_code == 422


def test_a_departments_word_proves_that_it_has_the_message(
    look: Look, intake: Intake, department: Department, called: Call
) -> None:
    department.plays = ["reset-after-storing"]
    department.question_play = "500"
    sent = send(intake)
    run_until(lambda: department.questions >= 1)
    run_until(lambda: state_of(look, sent.id)["state"] == "unknown")
    assert called(a_call(sent, "TAKEN")).status_code == 202
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert department.posts == 1


def test_a_departments_word_does_not_prove_that_it_has_what_followed_the_assignment(
    look: Look, intake: Intake, department: Department, called: Call
) -> None:
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    department.plays = ["reset"]
    withdrawn = AssignmentWithdrawn(assignment_id=sent.id, agency=ECOLOGY, role=AgencyRole.LEAD, withdrawn_at=now())
    hear(withdrawn, sent.matter_id)
    run_until(lambda: state_of(look, sent.id, 2)["tries"] == 1)
    until(lambda: state_of(look, sent.id, 2)["state"] == "unknown", "the only attempt so far has ended", every=0.01)
    assert called(a_call(sent, "WORKING", remark="已到现场。")).status_code == 202
    assert state_of(look, sent.id, 2)["state"] == "unknown"
    run_until(lambda: state_of(look, sent.id, 2)["state"] == "delivered")
    assert [seen["path"] for seen in department.seen][1:] == ["/api/tickets/GD0001/messages"] * 2


def test_other_services_read_statements_on_record(
    look: Look, intake: Intake, client: FlaskClient, post: Call, become: Callable[[str], None]
) -> None:
    sent = send(intake, URBAN)
    made = post(stating(sent), a_reply(sent)).json["statement_id"]
    tokens = {}
    for service in ("routing", "intake"):
        become(service)
        tokens[service] = auth.issue_service("agency_gateway", at=now())
    become("agency_gateway")
    body = {"ids": [made], "purpose": "document"}

    def ask(service: str) -> Any:
        headers = {"Authorization": f"Bearer {tokens[service]}"}
        return client.post("/internal/v1/statements", json=body, headers=headers)

    (item,) = ask("routing").json["items"]
    assert (item["kind"], item["text"], item["agency"]["code"]) == ("reply", "已责令停产整改。", URBAN.code)
    assert item["results"][0] == {"claim_id": str(sent.claims[0]), "result": "supported", "text": "已整改。"}
    log = look.execute("select actor, subject, purpose from access_log where outcome = 'disclosed'").fetchall()
    assert log == [{"actor": "service:routing", "subject": sent.matter_id, "purpose": "document"}]
    assert ask("intake").status_code == 403
    assert client.post("/internal/v1/statements", json=body).status_code == 401


def test_departments_are_told_the_dates_of_oversights_clocks_where_the_site_sets_them(
    look: Look, intake: Intake, get: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrolled.live_there(tmp_path, monkeypatch)
    unrolled.know_the_calendar()
    sent = send(intake, URBAN)
    look.execute("update assignment set sent_at = %s", (unrolled.SENT,))
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    (item,) = get("/exchange/v1/messages")["items"]
    told = get(f"/exchange/v1/assignments/{sent.id}")
    for due in (item["message"]["due"], told["due"]):
        assert [(one["rule"], one["date"]) for one in due] == [("objection", "2026-09-23"), ("notice", "2026-10-02")]
