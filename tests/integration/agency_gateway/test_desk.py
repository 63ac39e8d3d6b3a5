"""The agency desk and the integration console, as people use them: pages and forms, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg.rows import DictRow

from lianban.chassis import time
from lianban.chassis.time import now
from lianban.chassis.web.access import COOKIE
from lianban.contracts.agency_gateway import AgencyAccepted, AgencyObjected, AgencyReplied
from lianban.contracts.codes import AgencyRole, StaffRole
from lianban.contracts.routing import AgencyStatementRefused, AssignmentAccepted, AssignmentDesignated
from services.agency_gateway.web import create_app
from tests import unrolled
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


@pytest.fixture
def client(look: Look) -> FlaskClient:
    app = create_app()
    app.testing = True
    return app.test_client()


@pytest.fixture
def sign_in(
    client: FlaskClient, token: Callable[..., str], become: Callable[[str], None]
) -> Callable[..., FlaskClient]:
    def as_(role: StaffRole, agency: str | None = None) -> FlaskClient:
        signed = token(role, agency=agency)
        become("agency_gateway")
        client.set_cookie(COOKIE, signed)
        return client

    return as_


def arrived(look: Look, intake: Intake, **options: Any) -> Sent:
    sent = send(intake, TOWN, **options)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    return sent


def fill(client: FlaskClient, page: str, action: str, **fields: str) -> Any:
    """Post the form of a page that goes to ``action``, with its hidden fields."""
    html = client.get(page).get_data(as_text=True)
    form = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', html, re.S)
    assert form is not None, f"no form for {action} on {page}"
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form.group(1)))
    return client.post(action, data=hidden | fields)


def dates_on(client: FlaskClient, sent: Sent) -> set[date]:
    """The last days that an assignment's page shows in its card of dates."""
    html = client.get(f"/desk/assignments/{sent.id}").get_data(as_text=True)
    return {date.fromisoformat(day) for day in re.findall(r'clock-note.*?datetime="([0-9-]+)"', html)}


def test_an_empty_desk_says_so(look: Look, sign_in: Any) -> None:
    assert "没有待办的派件" in sign_in(StaffRole.AGENCY, TOWN.code).get("/desk/").get_data(as_text=True)


def test_the_inbox_shows_own_assignments_with_their_nearest_date(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    send(intake, URBAN)
    html = sign_in(StaffRole.AGENCY, TOWN.code).get("/desk/").get_data(as_text=True)
    assert re.findall(r'href="/desk/assignments/([^"]+)"', html) == [str(sent.id)]
    assert "河水发黑" in html
    assert "异议" in html
    assert "还剩" in html


def test_a_time_to_object_that_passed_is_a_right_not_used_and_no_duty_overdue(
    look: Look, intake: Intake, sign_in: Any
) -> None:
    sent = arrived(look, intake)
    look.execute("update assignment set sent_at = now() - interval '12 days'")
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    inbox = client.get("/desk/").get_data(as_text=True)
    assert "异议" not in re.findall(rf"{sent.id}.*", inbox, re.S)[0].split("</tr>")[0]
    page = client.get(f"/desk/assignments/{sent.id}").get_data(as_text=True)
    assert "期满未行使" in page
    assert "已超期" not in page


def test_an_objection_is_offered_while_there_is_time_to_object_and_then_it_is_said_until_when_there_was(
    look: Look, intake: Intake, sign_in: Any
) -> None:
    sent = arrived(look, intake)
    look.execute("update assignment set sent_at = '2026-11-23 09:00+08'")
    page = f"/desk/assignments/{sent.id}"
    with time.at(datetime(2026, 11, 30, 15, 59, tzinfo=UTC)):  # 23:59 in China
        client = sign_in(StaffRole.AGENCY, TOWN.code)
        assert f'href="{page}/object"' in client.get(page).get_data(as_text=True)
        assert 'id="statement"' in client.get(f"{page}/object").get_data(as_text=True)
    with time.at(datetime(2026, 11, 30, 16, 1, tzinfo=UTC)):
        client = sign_in(StaffRole.AGENCY, TOWN.code)
        html = client.get(page).get_data(as_text=True)
        assert f"{page}/accept" in html
        assert f'href="{page}/object"' not in html
        assert "提出异议的期限已于2026年11月30日届满" in html
        form = client.get(f"{page}/object").get_data(as_text=True)
        assert 'id="statement"' not in form
        assert "提出异议的期限已于2026年11月30日届满" in form


def test_an_objection_on_a_page_that_was_opened_in_time_is_passed_on(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    page = f"/desk/assignments/{sent.id}/object"
    html = client.get(page).get_data(as_text=True)
    look.execute("update assignment set sent_at = now() - interval '12 days'")
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', html))
    wrong = client.post(page, data=hidden | {"reason": "outside_powers"})
    assert wrong.status_code == 422
    assert 'id="statement"' in wrong.get_data(as_text=True)
    given = {"reason": "outside_powers", "text": "河道归水利局管。"}
    assert client.post(page, data=hidden | given).status_code == 303
    assert len(emitted(look, AgencyObjected)) == 1


def test_the_inbox_goes_on_by_pages_and_filters(look: Look, intake: Intake, sign_in: Any) -> None:
    for _ in range(3):
        send(intake, TOWN)
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    first = client.get("/desk/?limit=2").get_data(as_text=True)
    following = re.search(r'href="([^"]+)" rel="next"', first)
    assert following is not None
    second = client.get(following.group(1).replace("&amp;", "&")).get_data(as_text=True)
    pages = [re.findall(r'href="/desk/assignments/([^"]+)"', html) for html in (first, second)]
    assert [len(page) for page in pages] == [2, 1]
    assert "没有符合条件的派件" in client.get("/desk/?show=objected").get_data(as_text=True)
    assert client.get("/desk/?show=nonsense&after=x").status_code == 422


def test_opening_an_assignment_shows_the_matter_and_is_on_record(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    html = sign_in(StaffRole.AGENCY, TOWN.code).get(f"/desk/assignments/{sent.id}").get_data(as_text=True)
    for text in ("厂后面的河水发黑发臭。", "诉求1", CANARY, "河.jpg", "?ticket="):
        assert text in html
    log = look.execute("select actor, agency, subject from access_log where action = 'desk.open'").fetchall()
    assert log == [{"actor": "staff:s-1", "agency": TOWN.code, "subject": sent.matter_id}]


def test_other_agencies_and_other_roles_see_nothing(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    assert sign_in(StaffRole.AGENCY, URBAN.code).get(f"/desk/assignments/{sent.id}").status_code == 404
    assert sign_in(StaffRole.AGENCY).get("/desk/").status_code == 403
    assert sign_in(StaffRole.OFFICER).get(f"/desk/assignments/{sent.id}").status_code == 403
    assert sign_in(StaffRole.AGENCY, TOWN.code).get("/desk/lanes").status_code == 403


def test_accepting_waits_for_confirmation_and_then_shows_it(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    page = f"/desk/assignments/{sent.id}"
    answer = fill(client, page, f"{page}/accept")
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    html = client.get(page).get_data(as_text=True)
    assert "等待确认" in html
    assert f"{page}/accept" not in html
    (event,) = emitted(look, AgencyAccepted)
    hear(
        AssignmentAccepted(assignment_id=sent.id, agency=TOWN, role=AgencyRole.LEAD, binding=False, accepted_at=now()),
        sent.matter_id,
    )
    html = client.get(page).get_data(as_text=True)
    assert "已生效" in html
    assert f"{page}/reply" in html
    assert event.agency == TOWN


def test_a_double_click_has_one_effect(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    page = f"/desk/assignments/{sent.id}"
    html = client.get(page).get_data(as_text=True)
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', html))
    answers = [client.post(f"{page}/accept", data=hidden) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(emitted(look, AgencyAccepted)) == 1


def test_an_objection_without_reasons_is_shown_again_as_typed(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    page = f"/desk/assignments/{sent.id}/object"
    answer = fill(client, page, page, legal_basis="三定方案第四条")
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'href="#f-reason"' in html
    assert "三定方案第四条" in html
    assert emitted(look, AgencyObjected) == []
    done = fill(client, page, page, reason="outside_powers", text="河道归水利局管。")
    assert done.status_code == 303
    assert len(emitted(look, AgencyObjected)) == 1


def test_a_reply_answers_every_claim(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    hear(
        AssignmentAccepted(assignment_id=sent.id, agency=TOWN, role=AgencyRole.LEAD, binding=False, accepted_at=now()),
        sent.matter_id,
    )
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    page = f"/desk/assignments/{sent.id}/reply"
    one = {f"result-{sent.claims[0]}": "supported", "text": "已处理。"}
    assert fill(client, page, page, **one).status_code == 422
    both = one | {f"result-{sent.claims[1]}": "explained", f"claim-text-{sent.claims[1]}": "另案办理。"}
    assert fill(client, page, page, **both).status_code == 422
    both["legal_basis"] = "《信访工作条例》第三十二条"
    assert fill(client, page, page, **both).status_code == 303
    (event,) = emitted(look, AgencyReplied)
    assert [outcome.result.value for outcome in event.results] == ["supported", "explained"]


def test_a_refused_statement_says_why(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    page = f"/desk/assignments/{sent.id}"
    fill(client, f"{page}/progress", f"{page}/progress", text="已到现场。")
    (made,) = look.execute("select id from statement").fetchall()
    hear(
        AgencyStatementRefused(
            statement_id=made["id"], assignment_id=sent.id, agency=TOWN, slug="not-accepted", refused_at=now()
        ),
        sent.matter_id,
    )
    html = client.get(page).get_data(as_text=True)
    assert "尚未受理，请先受理" in html
    assert "已到现场。" in html


def test_a_binding_assignment_offers_only_acceptance(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake)
    hear(
        AssignmentDesignated(
            assignment_id=sent.id, agency=TOWN, role=AgencyRole.LEAD, decided_by=URBAN, designated_at=now()
        ),
        sent.matter_id,
    )
    page = f"/desk/assignments/{sent.id}"
    html = sign_in(StaffRole.AGENCY, TOWN.code).get(page).get_data(as_text=True)
    assert f"{page}/accept" in html
    assert f"{page}/object" not in html


def test_an_agency_with_its_own_system_is_told_where_the_text_is(
    look: Look, intake: Intake, department: Department, sign_in: Any
) -> None:
    register(a_profile(department.url))
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    assert sign_in(StaffRole.AGENCY, ECOLOGY.code).get(f"/desk/assignments/{sent.id}").status_code == 200


def test_the_console_says_in_plain_words_what_is_wrong_and_tries_again(
    look: Look, intake: Intake, department: Department, sign_in: Any
) -> None:
    register(a_profile("http://127.0.0.1:9"))
    sent = send(intake)
    run_until(lambda: state_of(look, sent.id)["trouble"] == "unreachable")
    client = sign_in(StaffRole.OPERATOR)
    assert "连不上对方系统" in client.get("/desk/lanes").get_data(as_text=True)
    lane = f"/desk/lanes/{ECOLOGY.code}"
    assert "连不上对方系统" in client.get(lane).get_data(as_text=True)
    assert fill(client, lane, f"{lane}/retry").status_code == 303
    register(a_profile(department.url))
    department.plays = ["422"]
    run_until(lambda: state_of(look, sent.id)["state"] == "rejected")
    message = f"{lane}/messages/{state_of(look, sent.id)['id']}"
    assert "被拒收" in client.get(lane).get_data(as_text=True)
    assert fill(client, lane, f"{message}/handover").status_code == 303
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    again = client.get(lane, follow_redirects=True)
    assert "没有未送达的消息" in again.get_data(as_text=True)
    assert client.get("/desk/lanes/no-such").status_code == 404


def test_times_of_other_days_do_not_break_the_list(look: Look, intake: Intake, sign_in: Any) -> None:
    sent = arrived(look, intake, matter_id=uuid4())
    look.execute("update assignment set sent_at = %s where id = %s", (now() - timedelta(days=400), sent.id))
    assert "已超期" in sign_in(StaffRole.AGENCY, TOWN.code).get("/desk/").get_data(as_text=True)


def test_the_desk_says_the_dates_of_oversights_clocks_where_the_site_sets_them(
    look: Look, intake: Intake, sign_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrolled.live_there(tmp_path, monkeypatch)
    unrolled.know_the_calendar()
    sent = arrived(look, intake)
    look.execute("update assignment set sent_at = %s", (unrolled.SENT,))
    with time.at(unrolled.ACCEPTED):
        client = sign_in(StaffRole.AGENCY, TOWN.code)
        assert dates_on(client, sent) == {unrolled.OBJECTION, unrolled.NOTICE}
        hear(
            AssignmentAccepted(
                assignment_id=sent.id,
                agency=TOWN,
                role=AgencyRole.LEAD,
                binding=False,
                accepted_at=unrolled.ACCEPTED,
            ),
            sent.matter_id,
        )
        assert dates_on(client, sent) == {unrolled.NOTICE, unrolled.HANDLE}
        assert "2026年10月2日" in client.get("/desk/").get_data(as_text=True)


def test_in_english_a_button_says_what_to_do_and_not_what_was_done(look: Look, intake: Intake, sign_in: Any) -> None:
    lead, co = arrived(look, intake), arrived(look, intake, role=AgencyRole.CO_HANDLER)
    hear(
        AssignmentAccepted(
            assignment_id=co.id, agency=TOWN, role=AgencyRole.CO_HANDLER, binding=False, accepted_at=now()
        ),
        co.matter_id,
    )
    client = sign_in(StaffRole.AGENCY, TOWN.code)
    html = client.get(f"/desk/assignments/{lead.id}?lang=en").get_data(as_text=True)
    (form,) = re.findall(r'<form[^>]*id="accept".*?</form>', html, re.S)
    assert re.findall(r"<button[^>]*>\s*(.*?)\s*</button>", form, re.S) == ["Accept"]
    html = client.get(f"/desk/assignments/{co.id}?lang=en").get_data(as_text=True)
    assert re.findall(r'href="[^"]*/opinion"[^>]*>\s*(.*?)\s*</a>', html, re.S) == ["Give opinion"]
