"""The status: built from what the other services say, opened with number and code, and what a petitioner does there."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from lianban.chassis import auth, transaction
from lianban.chassis.time import at, now
from lianban.chassis.transaction import statistics
from lianban.contracts import agency_gateway, oversight, routing
from lianban.contracts.codes import (
    AgencyRole,
    ClockOutcome,
    ClosingReason,
    DecidedBy,
    ExchangeKind,
    NoticeChannel,
    ObjectionReason,
    StaffRole,
)
from lianban.contracts.intake import MatterOpened, MatterRated, MatterSupplemented, MatterWithdrawn
from tests.integration.intake.conftest import ECOLOGY, NOW, OFFICE, URBAN, Intake
from tests.integration.intake.story import Case

PATH = "/api/v1/matters"


class Petitioner:
    """Somebody with a number and a query code."""

    def __init__(self, intake: Intake, **changes: Any) -> None:
        self.intake = intake
        self.done = intake.submit(**changes)
        self.number, self.code, self.id = self.done["number"], self.done["query_code"], self.done["id"]
        self.case = Case(intake, self.id)

    def status(self, **headers: str) -> dict[str, Any]:
        answer = self.intake.client.get(f"{PATH}/{self.number}?query_code={self.code}", headers=headers)
        assert answer.status_code == 200, answer.get_json()
        return dict(answer.get_json())

    def post(self, what: str, **body: Any) -> Any:
        return self.intake.client.post(f"{PATH}/{self.number}/{what}", json={"query_code": self.code, **body})

    def said(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.intake.said(self.id) if isinstance(event, kind)]


def test_an_unknown_number_and_a_wrong_code_give_the_same_answer(intake: Intake) -> None:
    somebody = Petitioner(intake)
    answers = [
        intake.client.get(f"{PATH}/{somebody.number}?query_code=AAAAAAAA"),
        intake.client.get(f"{PATH}/{somebody.number}"),
        intake.client.get(f"{PATH}/2026112399999990?query_code={somebody.code}"),
        intake.client.get(f"{PATH}/nonsense?query_code={somebody.code}"),
    ]
    bodies = [{**answer.get_json(), "reference": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert all(body == bodies[0] for body in bodies)


def test_number_and_code_are_understood_as_people_type_them(intake: Intake) -> None:
    somebody = Petitioner(intake)
    typed = f"{somebody.number[:8]}-{somebody.number[8:]}"
    answer = intake.client.get(f"{PATH}/{typed}", headers={"X-Query-Code": somebody.code.lower()})
    assert answer.status_code == 200


def test_the_day_of_receipt_in_the_system_before_is_shown(intake: Intake) -> None:
    record = {"original_received_on": "2019-04-25", "source": "old-board", "source_id": "17"}
    imported = Petitioner(intake, headers=intake.bearer(StaffRole.IMPORTER), **record)
    assert imported.status()["original_received_on"] == "2019-04-25"
    assert Petitioner(intake).status()["original_received_on"] is None


def test_guessing_is_throttled_but_looking_is_not(intake: Intake) -> None:
    somebody = Petitioner(intake)
    for _ in range(30):
        assert somebody.status()["number"] == somebody.number
    tries = [intake.client.get(f"{PATH}/{somebody.number}?query_code=AAAAAAAA").status_code for _ in range(25)]
    assert tries == [404] * 20 + [429] * 5


def test_a_token_that_does_not_count_is_refused_before_the_query_code_is_looked_at(intake: Intake) -> None:
    """Else tries at codes could be spread over processes that count them separately, with any word for a token."""
    somebody = Petitioner(intake)
    for code in (somebody.code, "AAAAAAAA"):
        headers = {"X-Query-Code": code, "Authorization": "Bearer rubbish"}
        answer = intake.client.get(f"{PATH}/{somebody.number}", headers=headers)
        assert (answer.status_code, answer.get_json()["type"]) == (401, "/problems/invalid-token")


def test_the_story_is_told_state_by_state(intake: Intake) -> None:
    somebody = Petitioner(intake)
    case = somebody.case
    seen = []
    for step in (case.later, case.route, case.accept, case.progress, case.decide, case.serve, case.close):
        step()
        status = somebody.status()
        seen.append((status["status"], status["held_by"]["code"] if status["held_by"] else None))
    assert seen == [
        ("registered", OFFICE.code),
        ("routed", ECOLOGY.code),
        ("accepted", ECOLOGY.code),
        ("handling", ECOLOGY.code),
        ("decided", ECOLOGY.code),
        ("served", None),
        ("closed", None),
    ]
    assert [(part["agency"]["code"], part["role"], part["state"]) for part in somebody.status()["agencies"]] == [
        (ECOLOGY.code, "lead", "done"),
        (URBAN.code, "co_handler", "done"),
    ]
    texts = [entry["text"] for entry in somebody.status()["timeline"]]
    for sentence in (
        "信访事项已登记。",
        "信访部门确定由清河市生态环境局主办，清河市城市管理局协办。",
        "清河市生态环境局已受理，办理期限60日。",
        "清河市城市管理局已提交协办意见。",
        "清河市生态环境局作出处理意见：予以支持1项、解释说明1项。",
        "处理意见书已送达（电子邮件）。",
    ):
        assert sentence in texts


def test_a_decision_that_is_served_by_mail_and_on_the_portal_is_told_once(intake: Intake) -> None:
    somebody = Petitioner(intake)
    case = somebody.case.route().accept().decide().serve()
    first = case.at
    case.serve(NoticeChannel.PORTAL)
    served = [entry for entry in somebody.status()["timeline"] if entry["kind"] == "decision_served"]
    assert [entry["text"] for entry in served] == ["处理意见书已送达（电子邮件）。"]
    assert datetime.fromisoformat(served[0]["at"]) == first
    case.reopen().accept().decide().serve(NoticeChannel.PORTAL)
    served = [entry for entry in somebody.status()["timeline"] if entry["kind"] == "decision_served"]
    assert [entry["text"] for entry in served] == [
        "处理意见书已送达（电子邮件）。",
        "处理意见书已送达（网上查询）。",
    ]


def test_services_that_an_earlier_version_told_twice_are_told_once(intake: Intake) -> None:
    somebody = Petitioner(intake)
    case = somebody.case.route().accept().decide().serve().reopen().accept().decide().serve()
    intake.look.execute(
        "insert into timeline_entry (event_id, matter_id, at, kind, data) values (%s, %s, %s, 'decision_served', %s),"
        " (%s, %s, %s, 'overdue', %s)",
        (
            *(uuid4(), somebody.id, case.later(), Jsonb({"means": "portal"})),
            *(uuid4(), somebody.id, case.later(), Jsonb({"rule": "objection", "due": "2026-11-30"})),
        ),
    )
    told = [entry["kind"] for entry in somebody.status()["timeline"]]
    assert (told.count("decision_served"), told.count("overdue")) == (3, 1)
    intake.look.execute(Path("services/intake/migrations/0003_timeline.sql").read_bytes())
    told = [entry["kind"] for entry in somebody.status()["timeline"]]
    assert (told.count("decision_served"), told.count("overdue")) == (2, 0)


def test_what_the_petitioner_did_stands_before_what_it_caused_at_the_same_instant(intake: Intake) -> None:
    somebody = Petitioner(intake)
    case = somebody.case.route().accept().decide().serve()
    moment = case.later()
    with at(moment):
        assert somebody.post("ratings", votes=VOTES, solved=False).status_code == 201
    case.hear(routing.CaseClosed(reason=ClosingReason.RATED, closed_at=moment))
    case.hear(routing.CaseReopened(round=2, ordered_by=DecidedBy.POLICY, reopened_at=moment))
    assert [entry["kind"] for entry in somebody.status()["timeline"]][-5:] == [
        "decision_served",
        "rated",
        "answered",
        "closed",
        "reopened",
    ]


def test_a_withdrawal_stands_before_what_it_caused_at_the_same_instant(intake: Intake) -> None:
    somebody = Petitioner(intake)
    case = somebody.case.route()
    moment = case.later()
    with at(moment):
        somebody.post("withdrawal")
    case.hear(
        routing.AssignmentWithdrawn(assignment_id=case.lead, agency=ECOLOGY, role=AgencyRole.LEAD, withdrawn_at=moment)
    )
    case.hear(routing.CaseClosed(reason=ClosingReason.WITHDRAWN, closed_at=moment))
    told = [entry["kind"] for entry in somebody.status()["timeline"]]
    assert told == ["registered", "routed", "withdrawn", "taken_back", "closed"]


def test_an_objection_of_the_lead_moves_the_matter_to_the_petition_office(intake: Intake) -> None:
    somebody = Petitioner(intake)
    case = somebody.case.route()
    reason = ObjectionReason.OUTSIDE_POWERS
    case.hear(
        routing.AssignmentObjected(
            assignment_id=case.lead,
            agency=ECOLOGY,
            role=AgencyRole.LEAD,
            reason=reason,
            proposed=URBAN,
            statement_id=uuid4(),
            objected_at=case.later(),
        )
    )
    status = somebody.status()
    assert (status["status"], status["held_by"]["code"]) == ("objected", OFFICE.code)
    assert status["timeline"][-1]["text"] == (
        "清河市生态环境局提出异议（不属于本机关职权范围），认为应由清河市城市管理局办理；信访部门正在核实。"
    )
    case.hear(routing.CaseDisputed(parties=(ECOLOGY, URBAN), decider=OFFICE, disputed_at=case.later()))
    assert somebody.status()["status"] == "disputed"


def test_every_event_may_come_twice(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().progress().decide().serve().close().reopen().accept()
    somebody.case.clock("handle", date(2027, 1, 22), bound=ECOLOGY)
    with at(NOW):
        once = somebody.status()
        intake.hear_all_again()
        twice = somebody.status()
    for status in (once, twice):
        for document in status["documents"]:
            del document["href"]  # a ticket has an id of its own
    assert twice == once


def test_events_that_come_together_have_the_effect_that_they_have_one_by_one(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Petitioner(intake).case
    case.route().route().accept().progress().decide().serve().serve(NoticeChannel.SMS).close()
    case.reopen().accept().decide().serve()
    tables = {
        "progress": "matter_id",
        "part": "assignment_id",
        "timeline_entry": "event_id",
        "notice": "notice_id",
        "document": "document_id",
    }
    leave_out = {"position"}

    def everything() -> dict[str, list[dict[str, Any]]]:
        return {
            table: [
                {name: value for name, value in row.items() if name not in leave_out}
                for row in intake.look.execute(
                    f"select * from {table} where matter_id = %s order by {key}", (case.matter,)
                )
            ]
            for table, key in tables.items()
        }

    one_by_one = everything()
    assert {table: len(rows) for table, rows in one_by_one.items()} == {
        "progress": 1, "part": 4, "timeline_entry": 26, "notice": 3, "document": 3,
    }  # fmt: skip
    kinds = [entry["kind"] for entry in one_by_one["timeline_entry"]]
    assert (kinds.count("routed"), kinds.count("decision_served")) == (3, 2)
    for table in tables:
        intake.look.execute(f"delete from {table} where matter_id = %s", (case.matter,))
    monkeypatch.setattr(transaction, "statistics", transaction.QueryStatistics())
    intake.hear_together()
    assert everything() == one_by_one
    runs = {" ".join(sql.split()): row[0] for sql, row in transaction.statistics.runs.items()}
    batched = ("insert into progress", "insert into part", "update part set state", "update progress set state")
    assert {start: sum(n for sql, n in runs.items() if sql.startswith(start)) for start in batched} == dict.fromkeys(
        batched, 1
    )


def test_a_clock_may_start_move_end_and_stop_in_one_batch(intake: Intake) -> None:
    case = Petitioner(intake).case
    running = case.clock("rating", date(2026, 11, 25))
    stopped = case.clock("handle", date(2026, 12, 22), bound=ECOLOGY)
    for due in (date(2027, 1, 20), date(2027, 1, 22)):
        moved = oversight.ClockMoved(clock_id=stopped, rule="handle", raw_due=due, legal_due=due, provisional=True)
        case.hear(moved, source="oversight")
    case.hear(
        oversight.ClockBreached(clock_id=stopped, rule="handle", bound=ECOLOGY, legal_due=date(2027, 1, 22)),
        source="oversight",
    )
    case.hear(
        oversight.ClockStopped(clock_id=stopped, rule="handle", outcome=ClockOutcome.LATE, stopped_at=NOW),
        source="oversight",
    )
    intake.look.execute("delete from clock where matter_id = %s", (case.matter,))
    intake.hear_together()
    rows = intake.look.execute("select * from clock where matter_id = %s order by rule", (case.matter,)).fetchall()
    assert [
        (row["clock_id"], row["legal_due"], row["provisional"], row["breached"], row["outcome"], row["stopped_at"])
        for row in rows
    ] == [
        (stopped, date(2027, 1, 22), True, True, "late", NOW),
        (running, date(2026, 11, 25), False, False, None, None),
    ]


def test_clocks_show_until_when_and_a_breach_is_told(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.clock("rating", date(2026, 11, 25))
    handle = somebody.case.clock("handle", date(2027, 1, 22), bound=ECOLOGY)
    with at(NOW):
        status = somebody.status()
    assert (status["next_due"]["rule"], status["next_due"]["days_left"]) == ("handle", 60)
    assert "条例" in status["next_due"]["article"]
    somebody.case.hear(
        oversight.ClockBreached(clock_id=handle, rule="handle", bound=ECOLOGY, legal_due=date(2027, 1, 22)),
        source="oversight",
    )
    (breach,) = [entry for entry in somebody.status()["timeline"] if entry["kind"] == "overdue"]
    assert breach["text"].startswith("清河市生态环境局超过了期限")
    somebody.case.hear(
        oversight.ClockStopped(clock_id=handle, rule="handle", outcome=ClockOutcome.LATE, stopped_at=NOW),
        source="oversight",
    )
    assert somebody.status()["next_due"] is None


def test_only_deliveries_of_the_matter_itself_are_told(intake: Intake) -> None:
    somebody = Petitioner(intake)
    for kind in (ExchangeKind.ASSIGNMENT, ExchangeKind.SUPPLEMENT):
        somebody.case.hear(
            agency_gateway.MessageDelivered(
                delivery_id=uuid4(),
                kind=kind,
                assignment_id=uuid4(),
                agency=URBAN,
                adapter="pull",
                reference="X-1",
                delivered_at=NOW,
            ),
            source="agency_gateway",
        )
    told = [entry for entry in somebody.status()["timeline"] if entry["kind"] == "delivered"]
    assert [entry["text"] for entry in told] == ["材料已送到清河市城市管理局。"]


def test_opening_proves_each_notice_once(intake: Intake) -> None:
    somebody = Petitioner(intake)
    notice = somebody.case.notify()
    assert intake.client.get(f"{PATH}/{somebody.number}?query_code=AAAAAAAA").status_code == 404
    assert somebody.said(MatterOpened) == []
    somebody.status()
    somebody.status()
    assert [event.notices for event in somebody.said(MatterOpened)] == [(notice,)]
    another = somebody.case.notify(NoticeChannel.EMAIL)
    somebody.status()
    assert [event.notices for event in somebody.said(MatterOpened)] == [(notice,), (another,)]


def test_documents_have_links_that_their_owner_accepts(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().decide().serve()
    (document,) = somebody.status()["documents"]
    assert (document["kind"], document["kind_label"], document["issuer"]["code"]) == (
        "decision",
        "处理意见书",
        ECOLOGY.code,
    )
    ticket = document["href"].partition("ticket=")[2]
    intake.become("notification")
    given = auth.verify_ticket(ticket, file=UUID(document["id"]), at=now())
    assert (given.holder, given.issuer) == (f"person:{somebody.id}", "intake")


VOTES = [
    {"target": "petition_office", "value": "satisfied"},
    {"target": "agency", "agency": ECOLOGY.code, "value": "dissatisfied"},
]


def test_office_and_agencies_are_rated_separately_and_once(intake: Intake) -> None:
    somebody = Petitioner(intake)
    early = somebody.post("ratings", votes=VOTES)
    assert (early.status_code, early.get_json()["type"]) == (409, "/problems/rating-not-open")
    somebody.case.route().accept().decide()
    first = somebody.post("ratings", votes=VOTES, solved=False)
    assert first.status_code == 201
    assert [target["value"] for target in first.get_json()["rating"]["targets"]] == ["satisfied", "dissatisfied", None]
    (event,) = somebody.said(MatterRated)
    assert (event.round, event.solved, [vote.agency for vote in event.votes]) == (1, False, [None, ECOLOGY])
    again = somebody.post("ratings", votes=VOTES)
    assert (again.status_code, [e["pointer"] for e in again.get_json()["errors"]]) == (422, ["/votes/0", "/votes/1"])
    assert somebody.post("ratings", solved=True).status_code == 422
    rest = somebody.post("ratings", votes=[{"target": "agency", "agency": URBAN.code, "value": "satisfied"}])
    assert rest.status_code == 201
    assert len(somebody.said(MatterRated)) == 2


def test_the_answer_to_a_vote_is_the_rating_that_the_status_shows(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().decide()
    assert somebody.post("ratings", votes=VOTES[:1]).status_code == 201
    rated = somebody.post("ratings", votes=VOTES[1:], solved=True).get_json()["rating"]
    assert [target["value"] for target in rated["targets"]] == ["satisfied", "dissatisfied", None]
    assert (rated["open"], rated["round"], rated["solved"]) == (True, 1, True)
    assert somebody.status()["rating"] == rated


def test_a_rating_takes_few_statements(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().decide()
    before = {sql: runs[0] for sql, runs in statistics.runs.items()}
    assert somebody.post("ratings", votes=VOTES, solved=True).status_code == 201
    ran = [sql for sql, runs in statistics.runs.items() for _ in range(int(runs[0] - before.get(sql, 0)))]
    # the matter's id; its stream, begun and taken; matter, parts, votes, answers; vote and answer; stream, outbox
    assert len(ran) == 11


def test_a_new_decision_is_rated_anew(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().decide().serve()
    assert somebody.post("ratings", votes=VOTES, solved=False).status_code == 201
    somebody.case.reopen()
    status = somebody.status()
    assert (status["status"], status["rating"]["open"]) == ("routed", False)
    somebody.case.accept().decide()
    assert somebody.status()["rating"]["round"] == 2
    assert somebody.post("ratings", votes=VOTES, solved=True).status_code == 201
    assert [event.round for event in somebody.said(MatterRated)] == [1, 2]


def test_a_closed_matter_is_rated_for_thirty_days(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().decide().serve().close(ClosingReason.WINDOW_OVER)
    with at(NOW + timedelta(days=31)):
        assert somebody.post("ratings", votes=VOTES).status_code == 409
    with at(NOW + timedelta(days=29)):
        assert somebody.post("ratings", votes=VOTES).status_code == 201


def test_a_misspelt_member_is_told_and_nothing_is_recorded(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().decide().serve()
    for path, pointer, body in (
        ("ratings", "/vote", {"vote": VOTES, "solved": True}),
        ("supplements", "/words", {"text": "昨夜又排了一次", "words": "x"}),
        ("withdrawal", "/why", {"why": "x"}),
    ):
        refused = somebody.post(path, **body)
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.get_json()["errors"]] == [pointer]
    assert somebody.said(MatterRated) == []


def test_a_supplement_is_said_without_words_and_told_to_entitled_services(intake: Intake) -> None:
    somebody = Petitioner(intake)
    upload = intake.upload().json["id"]
    done = somebody.post("supplements", text="昨夜又排了一次", attachments=[upload])
    assert done.status_code == 201
    (event,) = somebody.said(MatterSupplemented)
    assert (str(event.supplement_id), event.attachments) == (done.get_json()["supplement_id"], 1)
    assert "昨夜" not in str(event)
    asked = {"ids": [somebody.id], "purpose": "delivery"}
    answer = intake.client.post("/internal/v1/matters/texts", json=asked, headers=intake.service("agency_gateway"))
    (item,) = answer.get_json()["items"]
    assert [added["text"] for added in item["supplements"]] == ["昨夜又排了一次"]
    assert item["attachments"][0]["supplement_id"] == done.get_json()["supplement_id"]


def test_an_empty_supplement_and_one_that_comes_too_late_are_refused(intake: Intake) -> None:
    somebody = Petitioner(intake)
    assert somebody.post("supplements", text=" ").status_code == 422
    assert somebody.post("supplements", text=["x"]).status_code == 422
    assert somebody.post("supplements", attachments=[str(uuid4())]).status_code == 422
    somebody.case.route().accept().decide()
    late = somebody.post("supplements", text="还有")
    assert (late.status_code, late.get_json()["type"]) == (409, "/problems/supplement-too-late")
    assert somebody.said(MatterSupplemented) == []


def test_a_withdrawal_counts_at_once_and_once(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route()
    first, second = somebody.post("withdrawal"), somebody.post("withdrawal")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.get_json()["status"] == "withdrawn"
    assert len(somebody.said(MatterWithdrawn)) == 1
    somebody.case.close(ClosingReason.WITHDRAWN)
    assert somebody.status()["status"] == "closed"


def test_a_decided_matter_is_not_withdrawn(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route().accept().decide()
    assert somebody.post("withdrawal").status_code == 409


@pytest.mark.parametrize("what", ["ratings", "supplements", "withdrawal"])
def test_nothing_is_done_without_the_code(intake: Intake, what: str) -> None:
    somebody = Petitioner(intake)
    for body in ({}, {"query_code": "AAAAAAAA"}, {"query_code": 7}):
        assert intake.client.post(f"{PATH}/{somebody.number}/{what}", json=body).status_code == 404


@pytest.mark.parametrize(
    ("what", "body"), [("ratings", {"solved": True}), ("supplements", {"text": "x"}), ("withdrawal", {})]
)
def test_an_accusation_takes_nothing_more_here(intake: Intake, what: str, body: dict[str, Any]) -> None:
    somebody = Petitioner(intake, purpose="accusation")
    answer = somebody.post(what, **body)
    assert (answer.status_code, answer.get_json()["type"]) == (409, "/problems/matter-sealed")
    assert len(intake.said(somebody.id)) == 1


def test_the_status_speaks_english_when_asked(intake: Intake) -> None:
    somebody = Petitioner(intake)
    somebody.case.route()
    status = somebody.status(**{"Accept-Language": "en"})
    assert (status["status_label"], status["agencies"][0]["role_label"]) == ("Transferred or assigned", "Lead")
