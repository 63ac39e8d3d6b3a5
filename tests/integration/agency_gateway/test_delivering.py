"""A department's system that misbehaves in every way gets each message once, in order, and nobody else suffers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg.rows import DictRow

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.contracts.agency_gateway import MessageDelivered, MessageOutcomeUnknown, MessageRejected
from lianban.contracts.codes import AgencyRole, ExchangeKind
from lianban.contracts.intake import MatterRegistered
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import AssignmentWithdrawn
from services.agency_gateway.adapters.rest_push import client, wire
from services.agency_gateway.app import console, delivering, feeding, journaling, metrics, profiles
from services.agency_gateway.app.profile_schema import InvalidProfile
from services.agency_gateway.domain.delivery import Stuck
from services.agency_gateway.domain.lane import Breaker, Circuit
from services.agency_gateway.domain.profile import Profile
from services.agency_gateway.domain.trouble import Trouble
from services.agency_gateway.store import deliveries, lanes
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


def gauge(name: str, **labels: str) -> float | None:
    """What operations see of the department's lane."""
    return REGISTRY.get_sample_value(f"lianban_gateway_{name}", {"agency": ECOLOGY.code, **labels})


def test_a_message_reaches_the_departments_system_in_its_own_words(
    look: Look, intake: Intake, department: Department
) -> None:
    register(a_profile(department.url))
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    (seen,) = department.seen
    assert seen["headers"]["X-Request-Ref"] == str(state_of(look, sent.id)["id"])
    assert seen["body"]["kind"] == "MAIN"
    assert seen["body"]["subject"] == "河水发黑"
    assert seen["body"]["items"][0] == {"key": str(sent.claims[0]), "text": "诉求1"}
    assert seen["body"]["reporter"] == {"name": CANARY, "tel": "13900000000", "addr": "东平镇"}
    assert "/api/v1/files/" in seen["body"]["files"][0]
    (event,) = emitted(look)
    assert isinstance(event, MessageDelivered)
    assert (event.reference, event.adapter) == ("GD0001", "rest_push")


@pytest.mark.parametrize(
    "play",
    [
        "html-after-storing", "500-after-storing", "hang-after-storing", "reset-after-storing", "reset-mid-response",
        "drip", "huge",
    ],
)  # fmt: skip
def test_what_the_department_has_is_found_by_asking_and_not_sent_again(
    look: Look, intake: Intake, department: Department, play: str
) -> None:
    register(a_profile(department.url))
    department.plays = [play]
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert department.posts == 1
    assert department.questions == 1
    assert [type(event) for event in emitted(look)] == [MessageOutcomeUnknown, MessageDelivered]
    assert state_of(look, sent.id)["reference"] == "GD0001"


@pytest.mark.parametrize(
    ("play", "trouble"),
    [
        ("html", "unreadable-answer"), ("500", "server-error"), ("hang", "timed-out"), ("reset", "broken-off"),
        ("no-reference", "unreadable-answer"), ("redirect", "redirected"), ("429", "busy"),
        ("401", "credentials-refused"), ("404", "no-such-address"),
    ],
)  # fmt: skip
def test_what_the_department_does_not_have_is_sent_again_until_it_does(
    look: Look, intake: Intake, department: Department, play: str, trouble: str
) -> None:
    register(a_profile(department.url))
    department.plays = [play]
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert department.posts == 2
    assert [ticket["times"] for ticket in department.tickets.values()] == [1]
    lane = look.execute("select last_trouble, circuit from lane where agency_code = %s", (ECOLOGY.code,)).fetchone()
    assert lane == {"last_trouble": trouble, "circuit": "closed"}


def test_a_department_that_refuses_for_good_leaves_the_message_to_a_person(
    look: Look, intake: Intake, department: Department
) -> None:
    register(a_profile(department.url))
    department.plays = ["422"]
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "rejected")
    (event,) = emitted(look, MessageRejected)
    assert event.slug == "refused"
    with database().transaction() as tx:
        console.retry(tx, state_of(look, sent.id)["id"], at=now())
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")


def test_a_refused_message_can_be_laid_on_the_agencys_desk(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    department.plays = ["422"]
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "rejected")
    with database().transaction() as tx:
        console.hand_over(tx, state_of(look, sent.id)["id"], at=now())
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert look.execute("select count(*) as n from desk_item").fetchone() == {"n": 1}
    assert department.posts == 1


def test_where_nobody_can_be_asked_and_a_repeat_is_not_safe_a_person_decides(
    look: Look, intake: Intake, department: Department
) -> None:
    document = a_profile(department.url)
    document["rest_push"] |= {"question": None, "repeat_is_safe": False}
    register(document)
    department.plays = ["reset-after-storing"]
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "parked")
    assert department.posts == 1
    assert state_of(look, sent.id)["trouble"] == "cannot-ask"


def _sent_into_the_unknown(intake: Intake, department: Department) -> Sent:
    """A message that the department stored without saying so, and about which it gives no answer for now."""
    register(a_profile(department.url))
    department.plays = ["reset-after-storing"]
    department.question_play = "500"
    sent = send(intake)
    run_until(lambda: department.questions >= 1)
    return sent


def _has_it_once(department: Department, sent: Sent, look: Look) -> None:
    """The department got the message, once, and was found out to have it."""
    assert [ticket["times"] for ticket in department.tickets.values()] == [1]
    assert department.posts == 1
    assert state_of(look, sent.id)["reference"] == "GD0001"


def test_what_is_unknown_while_intake_is_away_is_still_asked_for_before_it_is_sent_again(
    look: Look, intake: Intake, department: Department
) -> None:
    sent = _sent_into_the_unknown(intake, department)
    intake.away, department.question_play = True, None
    run_until(lambda: state_of(look, sent.id)["trouble"] == "source-away")
    tries = state_of(look, sent.id)["tries"]
    run_until(lambda: state_of(look, sent.id)["tries"] >= tries + 2)
    intake.away = False
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    _has_it_once(department, sent, look)


def test_what_was_parked_while_it_was_unknown_is_asked_for_when_a_person_tries_it_again(
    look: Look, intake: Intake, department: Department
) -> None:
    sent = _sent_into_the_unknown(intake, department)
    intake.missing.add(str(sent.matter_id))
    run_until(lambda: state_of(look, sent.id)["state"] == "parked")
    register({"agency": ECOLOGY.code, "adapter": "pull", "level": 2})  # the other system does not have it, perhaps
    assert state_of(look, sent.id)["adapter"] == "rest_push"
    register(a_profile(department.url))
    intake.missing.clear()
    department.question_play = None
    with database().transaction() as tx:
        console.retry(tx, state_of(look, sent.id)["id"], at=now())
    assert state_of(look, sent.id)["state"] == "unknown"
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    _has_it_once(department, sent, look)


@pytest.mark.parametrize(("module", "function"), [(wire, "_seconds"), (client, "_judge_status")])
def test_an_error_of_ours_after_the_request_went_out_leaves_the_outcome_unknown(
    look: Look,
    intake: Intake,
    department: Department,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    function: str,
) -> None:
    register(a_profile(department.url))
    works = getattr(module, function)
    failed: list[None] = []

    def broken(argument: Any) -> Any:
        if not failed:
            failed.append(None)
            raise RuntimeError("a programming error")
        return works(argument)

    monkeypatch.setattr(module, function, broken)
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] in {"delivered", "parked"})
    (event, _) = emitted(look)
    assert isinstance(event, MessageOutcomeUnknown)
    _has_it_once(department, sent, look)


def test_while_the_question_gets_no_answer_nothing_is_sent(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    department.plays = ["reset"]
    department.question_play = "500"
    sent = send(intake)
    run_until(lambda: department.questions >= 3)
    assert department.posts == 1
    department.question_play = None
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert department.posts == 2


def test_a_dead_address_is_retried_and_opens_the_lane(look: Look, intake: Intake, department: Department) -> None:
    document = a_profile("http://127.0.0.1:9")
    document["breaker"]["failures"] = 2
    register(document)
    sent = send(intake)
    lane = run_until(lambda: look.execute("select * from lane where circuit = 'open' and openings >= 2").fetchone())
    assert lane["last_trouble"] == "unreachable"
    metrics.measure()
    assert gauge("lane_circuit_open") == 1
    assert gauge("lane_messages", state="waiting") == 1
    assert (gauge("lane_oldest_age_seconds") or 0) > 0
    register(a_profile(department.url))
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert look.execute("select circuit, failures from lane").fetchone() == {"circuit": "closed", "failures": 0}
    metrics.measure()
    assert gauge("lane_circuit_open") == 0
    assert gauge("lane_messages", state="waiting") == gauge("lane_oldest_age_seconds") == 0
    assert (gauge("deliveries_total", adapter="rest_push", outcome="failed") or 0) >= 2
    assert (gauge("delivery_lag_seconds_count") or 0) >= 1


def test_what_is_counted_by_lane_is_there_from_zero_before_a_lane_delivers_anything(look: Look, intake: Intake) -> None:
    with database().transaction() as tx:
        lanes.ensure(tx, "city-unheard-of", "清河市气象局")
        lanes.set_limits(tx, "city-unheard-of", adapter="rest_push", limits=Profile("x").limits, at=now())
    metrics.measure()
    labels = {"agency": "city-unheard-of"}
    lag = [
        REGISTRY.get_sample_value("lianban_gateway_delivery_lag_seconds_count", labels),
        REGISTRY.get_sample_value("lianban_gateway_delivery_lag_seconds_bucket", {**labels, "le": "60.0"}),
    ]
    assert lag == [0, 0]
    attempts = {
        (adapter, outcome): REGISTRY.get_sample_value(
            "lianban_gateway_deliveries_total", {**labels, "adapter": adapter, "outcome": outcome}
        )
        for adapter in ("rest_push", "desk")
        for outcome in ("delivered", "offered", "failed", "unclear", "refused", "postponed", "stuck")
    }
    assert set(attempts.values()) == {0}


def test_messages_on_one_assignment_go_out_in_order(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    department.plays = ["429", "429"]
    sent = send(intake)
    withdrawn = AssignmentWithdrawn(assignment_id=sent.id, agency=ECOLOGY, role=AgencyRole.LEAD, withdrawn_at=now())
    hear(withdrawn, sent.matter_id)
    run_until(lambda: state_of(look, sent.id, 2)["state"] == "delivered")
    assert [seen["path"] for seen in department.seen] == ["/api/tickets"] * 3 + ["/api/tickets/GD0001/messages"]
    assert [event.kind for event in emitted(look, MessageDelivered)] == [
        ExchangeKind.ASSIGNMENT,
        ExchangeKind.ASSIGNMENT_WITHDRAWN,
    ]


def test_kinds_that_a_departments_system_cannot_take_go_to_its_desk(
    look: Look, intake: Intake, department: Department
) -> None:
    document = a_profile(department.url)
    del document["rest_push"]["calls"]["assignment-withdrawn"]
    register(document)
    sent = send(intake)
    hear(
        AssignmentWithdrawn(assignment_id=sent.id, agency=ECOLOGY, role=AgencyRole.LEAD, withdrawn_at=now()),
        sent.matter_id,
    )
    run_until(lambda: state_of(look, sent.id, 2)["state"] == "delivered")
    assert state_of(look, sent.id, 2)["adapter"] == "desk"


def test_a_hanging_department_holds_its_own_calls_and_nobody_elses(
    look: Look, intake: Intake, department: Department
) -> None:
    register(a_profile(department.url, limits={"concurrency": 3, "connect_seconds": 1, "total_seconds": 15}))
    department.always = "hang"
    department.hang_seconds = 5
    for _ in range(20):
        send(intake)
    run_until(lambda: department.at_once == 3)
    started = time.monotonic()
    others = [send(intake, TOWN) for _ in range(30)]
    run_until(lambda: all(state_of(look, other.id)["state"] == "delivered" for other in others))
    assert time.monotonic() - started < 4
    assert department.most_at_once == 3
    department.stop.set()


def test_what_a_dead_process_left_in_sending_is_asked_for(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    sent = send(intake)
    delivery = state_of(look, sent.id)
    department.store(str(delivery["id"]), {})
    look.execute(
        "update delivery set state = 'sending', due_at = null, tries = 1, worker = %s, lease_until = now() + '1 hour'",
        (delivering._worker(),),
    )
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert department.posts == 0
    assert department.questions == 1


def test_a_lease_that_is_over_is_taken_up_by_any_process(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    run_until(lambda: True)
    sent = send(intake)
    look.execute(
        "update delivery set state = 'sending', due_at = null, tries = 1, worker = 'another:1',"
        " lease_until = now() - '1 s'::interval"
    )
    assert delivering.recover() == 1
    assert state_of(look, sent.id)["state"] == "unknown"
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")


def test_while_intake_is_away_messages_wait_and_the_lane_is_not_blamed(
    look: Look, intake: Intake, department: Department
) -> None:
    register(a_profile(department.url))
    intake.away = True
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["tries"] >= 2)
    assert look.execute("select circuit, failures from lane").fetchone() == {"circuit": "closed", "failures": 0}
    intake.away = False
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")


def test_a_matter_that_intake_does_not_know_is_parked(look: Look, intake: Intake) -> None:
    matter_id = uuid4()
    intake.missing.add(str(matter_id))
    sent = send(intake, TOWN, matter_id=matter_id)
    run_until(lambda: state_of(look, sent.id)["state"] == "parked")
    assert state_of(look, sent.id)["trouble"] == "source-missing"


def test_a_matter_with_which_intake_fails_holds_up_no_other(look: Look, intake: Intake) -> None:
    failing = send(intake, TOWN)
    intake.failing.add(str(failing.matter_id))
    others = [send(intake, TOWN) for _ in range(3)]
    run_until(lambda: all(state_of(look, other.id)["state"] == "delivered" for other in others))
    assert state_of(look, failing.id)["trouble"] == "source-away"
    assert [state_of(look, other.id)["tries"] for other in others] == [1, 1, 1]
    intake.failing.clear()
    look.execute("update delivery set due_at = now() where state = 'pending'")
    run_until(lambda: state_of(look, failing.id)["state"] == "delivered")


def test_a_message_that_cannot_be_composed_is_parked_and_holds_up_no_other(look: Look, intake: Intake) -> None:
    garbled, without_opinion = send(intake, TOWN), send(intake, TOWN)
    intake.garbled.add(str(garbled.matter_id))
    look.execute("update delivery set statement_id = %s where assignment_id = %s", (uuid4(), without_opinion.id))
    others = [send(intake, TOWN) for _ in range(3)]
    run_until(lambda: all(state_of(look, other.id)["state"] == "delivered" for other in others))
    for stuck in (garbled, without_opinion):
        assert state_of(look, stuck.id)["state"] == "parked"
        assert state_of(look, stuck.id)["trouble"] == "bug"


def test_an_accused_agency_gets_nothing(look: Look, intake: Intake) -> None:
    matter_id = uuid4()
    _registered(matter_id, accused=TOWN)
    sent = send(intake, TOWN, matter_id=matter_id)
    run_until(lambda: state_of(look, sent.id)["state"] == "parked")
    assert state_of(look, sent.id)["trouble"] == "blocked"
    assert look.execute("select count(*) as n from desk_item").fetchone() == {"n": 0}


def _registered(matter_id: Any, accused: Any) -> None:
    from lianban.contracts.codes import Channel, Purpose

    hear(
        MatterRegistered(
            number="X1", channel=Channel.WEB, purpose=Purpose.APPEAL, region_code="990101000000", region_name="东平县",
            received_at=now(), claims=(), group_size=1, accused=(accused,),
        ),
        matter_id,
    )  # fmt: skip


def test_a_copy_tells_nothing_about_the_petitioner(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    sent = send(intake, role=AgencyRole.COPY)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert "reporter" not in department.seen[0]["body"]
    assert all(path.endswith("/texts") for path, _ in intake.asked)


def test_the_feed_offers_until_the_receipt_comes(look: Look, intake: Intake) -> None:
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})
    first, second = send(intake, URBAN), send(intake, URBAN)
    run_until(lambda: look.execute("select count(*) as n from feed_item").fetchone() == {"n": 2})
    with database().transaction() as tx:
        page = feeding.messages(tx, URBAN.code, after=0, limit=1, at=now())
        rest = feeding.messages(tx, URBAN.code, after=page.next, limit=10, at=now())
    told = [message for _, message in (*page.items, *rest.items)]
    assert {message["assignment_id"] for message in told} == {str(first.id), str(second.id)}
    assert told[0]["matter"]["attachments"][0]["href"].startswith("http")
    assert state_of(look, first.id)["state"] == "sending"
    with database().transaction() as tx:
        for message in told:
            feeding.acknowledge(tx, URBAN.code, message["id"], "CG-7", at=now())
            feeding.acknowledge(tx, URBAN.code, message["id"], "CG-7", at=now())
        assert feeding.messages(tx, URBAN.code, after=0, limit=10, at=now()).items == ()
    assert state_of(look, first.id)["state"] == "delivered"
    assert look.execute("select sealed from feed_item where sealed is not null").fetchall() == []
    assert len(emitted(look, MessageDelivered)) == 2


def test_what_began_on_the_desk_stays_there_when_the_system_is_connected(
    look: Look, intake: Intake, department: Department
) -> None:
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    register(a_profile(department.url))
    withdrawn = AssignmentWithdrawn(assignment_id=sent.id, agency=ECOLOGY, role=AgencyRole.LEAD, withdrawn_at=now())
    hear(withdrawn, sent.matter_id)
    run_until(lambda: state_of(look, sent.id, 2)["state"] == "delivered")
    assert state_of(look, sent.id, 2)["adapter"] == "desk"
    assert department.seen == []


def test_what_waits_behind_an_assignment_on_the_desk_is_not_taken_along_to_the_system(
    look: Look, intake: Intake, department: Department
) -> None:
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    withdrawn = AssignmentWithdrawn(assignment_id=sent.id, agency=ECOLOGY, role=AgencyRole.LEAD, withdrawn_at=now())
    hear(withdrawn, sent.matter_id)
    register(a_profile(department.url))
    run_until(lambda: state_of(look, sent.id, 2)["state"] == "delivered")
    assert state_of(look, sent.id, 2)["adapter"] == "desk"
    assert department.seen == []


def test_the_past_is_delivered_on_the_desks_whatever_the_profiles_say(
    look: Look, intake: Intake, department: Department
) -> None:
    register(a_profile(department.url))
    sent = send(intake)
    assert delivering.put_on_desks() == 1
    assert state_of(look, sent.id)["state"] == "delivered"
    assert state_of(look, sent.id)["adapter"] == "desk"
    assert department.seen == []


def test_a_new_profile_takes_along_what_waits(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile("http://127.0.0.1:9"))
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["trouble"] == "unreachable")
    register({"agency": ECOLOGY.code, "adapter": "pull", "level": 2})
    run_until(lambda: look.execute("select count(*) as n from feed_item").fetchone() == {"n": 1})


def test_what_was_under_way_while_the_profile_changed_goes_by_the_new_one(
    look: Look, intake: Intake, department: Department
) -> None:
    register({"agency": ECOLOGY.code, "adapter": "pull", "level": 2})
    sent = send(intake)
    look.execute("update delivery set adapter = 'rest_push'")  # as it comes back from an attempt by the old profile
    run_until(lambda: look.execute("select count(*) as n from feed_item").fetchone() == {"n": 1})
    assert state_of(look, sent.id)["trouble"] is None
    assert look.execute("select adapter from delivery").fetchone() == {"adapter": "pull"}


def test_a_stored_profile_that_cannot_be_read_holds_up_its_own_agency_only(
    look: Look, intake: Intake, department: Department
) -> None:
    register(a_profile(department.url))
    broken = send(intake)
    look.execute("update profile set document = document - 'adapter', revision = revision + 1")
    profiles._present.clear()
    others = [send(intake, TOWN) for _ in range(3)]
    run_until(lambda: all(state_of(look, other.id)["state"] == "delivered" for other in others))
    run_until(lambda: state_of(look, broken.id)["trouble"] == "bad-profile")
    delivery = state_of(look, broken.id)
    assert (delivery["state"], delivery["adapter"], department.posts) == ("pending", "rest_push", 0)
    with pytest.raises(InvalidProfile), database().transaction() as tx:
        profiles.profile_of(tx, ECOLOGY.code)
    with database().transaction() as tx:
        assert profiles.profile_of(tx, TOWN.code).adapter == "desk"
    register(a_profile(department.url))
    with database().transaction() as tx:
        console.retry(tx, delivery["id"], at=now())
    run_until(lambda: state_of(look, broken.id)["state"] == "delivered")


def test_what_was_queued_for_the_feed_while_the_profile_changed_goes_to_the_system_that_is_connected_now(
    look: Look, intake: Intake, department: Department
) -> None:
    register(a_profile(department.url))
    sent = send(intake)
    look.execute("update delivery set adapter = 'pull'")  # as a handler queues it that had read the old profile
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert state_of(look, sent.id)["adapter"] == "rest_push"
    assert len(department.tickets) == 1


def test_what_a_dead_process_was_giving_to_another_system_than_queued_for_is_asked_for(
    look: Look, intake: Intake, department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(a_profile(department.url))
    sent = send(intake)
    look.execute("update delivery set adapter = 'pull'")
    with monkeypatch.context() as dying:
        dying.setattr(delivering._outcomes, "add", lambda _: delivering._calls.end())
        run_until(lambda: department.tickets and delivering.wait_until_idle(5))
    assert delivering.recover(worker=delivering._worker()) == 1
    assert state_of(look, sent.id)["state"] == "unknown"
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert (department.posts, department.questions) == (1, 1)


def test_what_lies_in_a_feed_that_nobody_reads_can_be_laid_on_the_agencys_desk(look: Look, intake: Intake) -> None:
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})
    sent = send(intake, URBAN)
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    delivery_id = state_of(look, sent.id)["id"]
    with pytest.raises(Rejected), database().transaction() as tx:
        console.retry(tx, delivery_id, at=now())
    with database().transaction() as tx:
        console.hand_over(tx, delivery_id, at=now())
        assert feeding.messages(tx, URBAN.code, after=0, limit=10, at=now()).items == ()
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert look.execute("select count(*) as n from desk_item").fetchone() == {"n": 1}
    with database().transaction() as tx:
        feeding.acknowledge(tx, URBAN.code, delivery_id, "CG-7", at=now())  # it had fetched the message before
    assert len(emitted(look, MessageDelivered)) == 1


def withdraw(sent: Sent, agency: AgencyRef) -> None:
    """The assignment is taken back: a message follows it."""
    withdrawn = AssignmentWithdrawn(assignment_id=sent.id, agency=agency, role=AgencyRole.LEAD, withdrawn_at=now())
    hear(withdrawn, sent.matter_id)


def laid(look: Look, sent: Sent) -> list[str]:
    """The kinds of messages on the desk about an assignment, in order."""
    rows = look.execute("select kind from desk_item where assignment_id = %s order by version", (sent.id,))
    return [row["kind"] for row in rows]


@pytest.mark.parametrize("late", [False, True])
def test_what_follows_an_assignment_that_is_laid_on_the_desk_by_hand_goes_there_too(
    look: Look, intake: Intake, department: Department, late: bool
) -> None:
    register(a_profile(department.url))
    department.plays = ["422"]
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "rejected")
    if not late:
        withdraw(sent, ECOLOGY)
        assert state_of(look, sent.id, 2)["adapter"] == "rest_push"
    with database().transaction() as tx:
        console.hand_over(tx, state_of(look, sent.id)["id"], at=now())
    if late:  # after the operator, before the assignment lies there
        withdraw(sent, ECOLOGY)
    run_until(lambda: state_of(look, sent.id, 2)["state"] == "delivered")
    assert laid(look, sent) == ["assignment", "assignment-withdrawn"]
    assert department.posts == 1


@pytest.mark.parametrize("offered", [False, True])
def test_what_follows_an_assignment_leaves_the_feed_with_it(look: Look, intake: Intake, offered: bool) -> None:
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})
    sent = send(intake, URBAN)
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    withdraw(sent, URBAN)
    if offered:
        run_until(lambda: state_of(look, sent.id, 2)["offered_at"])
    with database().transaction() as tx:
        console.hand_over(tx, state_of(look, sent.id)["id"], at=now())
        assert feeding.messages(tx, URBAN.code, after=0, limit=10, at=now()).items == ()
    run_until(lambda: state_of(look, sent.id, 2)["state"] == "delivered")
    assert laid(look, sent) == ["assignment", "assignment-withdrawn"]


def test_what_follows_an_assignment_and_may_have_reached_the_system_waits_for_a_person_as_before(
    look: Look, intake: Intake
) -> None:
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})
    sent = send(intake, URBAN)
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    withdraw(sent, URBAN)
    look.execute("update delivery set adapter = 'rest_push', state = 'unknown' where version = 2")
    with database().transaction() as tx:
        console.hand_over(tx, state_of(look, sent.id)["id"], at=now())
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert laid(look, sent)[0] == "assignment"
    assert state_of(look, sent.id, 2)["adapter"] == "rest_push"


def test_what_left_the_feed_can_come_back_at_its_end(look: Look, intake: Intake) -> None:
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})
    sent, other = send(intake, URBAN), send(intake, URBAN)
    run_until(lambda: look.execute("select count(*) as n from feed_item").fetchone() == {"n": 2})
    with database().transaction() as tx:
        before = feeding.messages(tx, URBAN.code, after=0, limit=10, at=now())
        console.hand_over(tx, state_of(look, sent.id)["id"], at=now())
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})  # takes along what waits
    run_until(lambda: state_of(look, sent.id)["offered_at"])
    with database().transaction() as tx:
        ((_, message),) = feeding.messages(tx, URBAN.code, after=before.next, limit=10, at=now()).items
    assert message["assignment_id"] == str(sent.id)
    assert state_of(look, other.id)["offered_at"]


def test_the_outcome_of_a_lost_attempt_does_not_pass_for_that_of_a_new_one(look: Look, intake: Intake) -> None:
    sent = send(intake, TOWN)
    with database().transaction() as tx:
        (lost,) = deliveries.claim(tx, at=now(), worker="another:1", lease=timedelta(seconds=-1), lanes=5, most=5)
    assert delivering.recover() == 1
    with database().transaction() as tx:
        console.retry(tx, lost.id, at=now())  # starts over
        deliveries.claim(tx, at=now(), worker="another:2", lease=timedelta(hours=1), lanes=5, most=5)
    late = delivering._Ended(lost, delivering._Result(Stuck(Trouble.BUG)), Profile(TOWN.code))
    with database().transaction() as tx:
        delivering._write_all(tx, [late], at=now())
    assert state_of(look, sent.id)["state"] == "sending"


def test_an_attempt_that_counts_no_longer_lays_nothing_into_the_feed(look: Look, intake: Intake) -> None:
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})
    sent = send(intake, URBAN)
    with database().transaction() as tx:
        late = deliveries.claim(tx, at=now(), worker="another:1", lease=timedelta(seconds=-1), lanes=5, most=5)
    known, _, composed = delivering._compose(late)
    assert delivering.recover() == 1
    with database().transaction() as tx:
        console.hand_over(tx, late[0].id, at=now())
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    result = delivering._attempt(late[0], composed[late[0].id], known[URBAN.code], {}, None)
    with database().transaction() as tx:
        delivering._write_all(tx, [delivering._Ended(late[0], result, known[URBAN.code])], at=now())
    counted = look.execute(
        "select (select count(*) from feed_item) as fed, (select count(*) from desk_item) as laid,"
        " (select count(*) from journal) as journaled"
    ).fetchone()
    assert counted == {"fed": 0, "laid": 1, "journaled": 1}


def _retry_lane() -> None:
    with database().transaction() as tx:
        console.retry_lane(tx, ECOLOGY.code, at=now())


@pytest.mark.parametrize(
    "deed", [_retry_lane, lambda: register({"agency": ECOLOGY.code, "adapter": "pull", "level": 2})]
)
def test_who_waits_for_a_message_does_not_hold_its_lane(
    look: Look, intake: Intake, department: Department, deed: Callable[[], None]
) -> None:
    register(a_profile(department.url))
    sent = send(intake)
    look.execute("update delivery set due_at = now() + '1 hour'")
    look.execute("update lane set circuit = 'open', probe_at = now() + '1 hour'")
    thread = threading.Thread(target=deed)
    with look.transaction():
        look.execute("select from delivery where assignment_id = %s for update", (sent.id,))
        thread.start()
        waiting = "select from pg_locks where not granted and locktype = 'transactionid'"
        run_until(lambda: look.execute(waiting).fetchall())
        look.execute("select from lane for update nowait")
    thread.join()


def test_the_journal_tells_every_change(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    department.plays = ["500"]
    sent = [send(intake) for _ in range(3)]
    run_until(lambda: all(state_of(look, s.id)["state"] == "delivered" for s in sent))
    with database().transaction() as tx:
        assert journaling.verify(tx, ECOLOGY.code) is None
    with pytest.raises(psycopg.errors.RaiseException):
        look.execute("update journal set kind = 'object' where position = 2")
    look.execute("alter table journal disable trigger all")
    look.execute("create temporary table cut as select * from journal where position = 4")
    look.execute("delete from journal where position = 4")
    with database().transaction() as tx:
        assert "the entries after 3 are missing: 4 were written" in str(journaling.verify(tx, ECOLOGY.code))
    look.execute("insert into journal select * from cut")
    look.execute("update journal set kind = 'object' where position = 2")
    with database().transaction() as tx:
        assert journaling.verify(tx, ECOLOGY.code) == f"{ECOLOGY.code}: entry 2 was changed"
    look.execute("delete from journal where position = 2")
    with database().transaction() as tx:
        assert "entry 2 is missing" in str(journaling.verify(tx, ECOLOGY.code))


def test_no_row_holds_the_petitioner_in_clear(look: Look, intake: Intake, department: Department) -> None:
    register(a_profile(department.url))
    register({"agency": URBAN.code, "adapter": "pull", "level": 2})
    sent = [send(intake), send(intake, TOWN), send(intake, URBAN)]
    run_until(lambda: look.execute("select count(*) as n from journal").fetchone() == {"n": 3})
    assert len(sent) == 3
    tables = look.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    for table in tables:
        text = str(look.execute(f"select t::text as row from {table['tablename']} t").fetchall())
        assert CANARY not in text
        assert CANARY.encode().hex() not in text


@pytest.mark.parametrize("in_flight", [0, 1, 3, 5])
@pytest.mark.parametrize(
    ("circuit", "probe_in"),
    [(Circuit.CLOSED, None), *((circuit, wait) for circuit in (Circuit.OPEN, Circuit.HALF_OPEN) for wait in (-1, 60))],
)
def test_the_claim_keeps_to_the_rule_of_the_circuit(
    look: Look, intake: Intake, circuit: Circuit, in_flight: int, probe_in: int | None
) -> None:
    sent = [send(intake, TOWN) for _ in range(10)]
    at = now()
    probe_at = at + timedelta(seconds=probe_in) if probe_in is not None else None
    look.execute("update lane set concurrency = 4, circuit = %s, probe_at = %s", (circuit.value, probe_at))
    look.execute(
        "update delivery set state = 'sending', due_at = null, lease_until = now() + '1 hour'"
        " where assignment_id = any(%s)",
        ([s.id for s in sent[:in_flight]],),
    )
    breaker = Breaker(circuit, probe_at=probe_at)
    with database().transaction() as tx:
        taken = deliveries.claim(tx, at=at, worker="w:1", lease=timedelta(seconds=9), lanes=5, most=50)
    assert len(taken) == breaker.room(at=at, in_flight=in_flight, concurrency=4)
    after = look.execute("select circuit from lane").fetchone()
    assert after == {"circuit": (breaker.probing() if taken else breaker).circuit.value}


def test_a_slow_departments_rate_is_kept(look: Look, intake: Intake) -> None:
    register({"agency": TOWN.code, "adapter": "pull", "level": 2, "limits": {"per_minute": 600}})
    for _ in range(20):
        send(intake, TOWN)
    at = now()
    with database().transaction() as tx:
        first = deliveries.claim(tx, at=at, worker="w:1", lease=timedelta(seconds=9), lanes=5, most=50)
        again = deliveries.claim(tx, at=at, worker="w:1", lease=timedelta(seconds=9), lanes=5, most=50)
    assert (len(first), len(again)) == (4, 0)
    lane = look.execute("select ready_at from lane").fetchone()
    assert lane == {"ready_at": at + timedelta(seconds=0.4)}
