"""Personal data goes to entitled services only, and every disclosure is on record."""

from __future__ import annotations

import pytest

from lianban.contracts.codes import StaffRole
from tests.integration.intake.conftest import Intake

TEXTS, PERSONS = "/internal/v1/matters/texts", "/internal/v1/matters/persons"


def test_texts_and_persons_are_given_and_put_on_record(intake: Intake) -> None:
    done = intake.submit()
    asked = {"ids": [done["id"]], "purpose": "document"}
    headers = intake.service("notification")
    (text,) = intake.client.post(TEXTS, json=asked, headers=headers).get_json()["items"]
    (person,) = intake.client.post(PERSONS, json=asked, headers=headers).get_json()["items"]
    event = intake.said(done["id"])[0]
    assert (text["title"], text["number"]) == ("工厂后面的河水发黑", done["number"])
    assert [(c["id"], c["text"]) for c in text["claims"]] == [
        (str(event.claims[0].id), "查清污染来源"),
        (str(event.claims[1].id), "清理河道"),
    ]
    assert person == {
        "id": done["id"],
        "number": done["number"],
        "name": "赵明月",
        "phone": "13900001234",
        "email": "zhao@example.com",
        "address": "东平镇河沿路1号",
        "language": "zh",
        "query_code": done["query_code"],
    }
    log = intake.look.execute("select actor, action, subject, purpose from access_log order by id").fetchall()
    assert [(row["actor"], row["action"], str(row["subject"]), row["purpose"]) for row in log] == [
        ("service:notification", "matter-texts", done["id"], "document"),
        ("service:notification", "matter-persons", done["id"], "document"),
    ]


def test_accusations_are_given_to_no_service(intake: Intake) -> None:
    done = intake.submit(purpose="accusation")
    for path in (TEXTS, PERSONS):
        answer = intake.client.post(
            path, json={"ids": [done["id"]], "purpose": "x"}, headers=intake.service("notification")
        )
        assert answer.get_json() == {"items": []}
    assert intake.one("select count(*) as n from access_log")["n"] == 0


@pytest.mark.parametrize(("path", "caller"), [(TEXTS, "oversight"), (PERSONS, "oversight"), (PERSONS, "routing")])
def test_other_services_get_nothing(intake: Intake, path: str, caller: str) -> None:
    done = intake.submit()
    intake.keys.make(caller)
    body = {"ids": [done["id"]], "purpose": "x"}
    assert intake.client.post(path, json=body, headers=intake.service(caller)).status_code == 403


def test_people_get_nothing(intake: Intake) -> None:
    body = {"ids": [intake.submit()["id"]], "purpose": "x"}
    assert intake.client.post(TEXTS, json=body).status_code == 401
    assert intake.client.post(TEXTS, json=body, headers=intake.bearer(StaffRole.OFFICER)).status_code == 401


def test_a_purpose_must_be_given(intake: Intake) -> None:
    answer = intake.client.post(TEXTS, json={"ids": [intake.submit()["id"]]}, headers=intake.service("routing"))
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/purpose")
