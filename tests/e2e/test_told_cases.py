"""The two told cases, from the petitioner through the departments' own systems and back, with every word of theirs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdf
import pytest

from cli.city import password
from cli.story import stage, told
from deploy.demo.actors import Door, TicketDepartment
from deploy.demo.city.load import load
from deploy.demo.matters.plan import Action, DemoMatter, Step
from deploy.demo.matters.playing import Play
from deploy.local.stack import Stack
from deploy.waiting import NotSo, until
from tests.e2e.people import Caller

ECOLOGY, URBAN, TOWN = "city-ecology", "city-urban", "dongping-town"
CITY = load()
NAMES = {code: agency.name for code, agency in CITY.agencies.items()}


class Told:
    """A story that is played as far as the test wants."""

    def __init__(self, stack: Stack, play: Play) -> None:
        self.stack = stack
        self.play = play
        self.left = list(play.story.steps)

    @property
    def story(self) -> DemoMatter:
        return self.play.story

    def through(self, action: Action, actor: str) -> Step:
        """Do everything up to this step of an actor, the step itself included."""
        while True:
            step = self.left.pop(0)
            self.play.do(step)
            if (step.action, step.actor) == (action, actor):
                return step

    def status(self) -> dict[str, Any]:
        return self.play.petitioner.status()

    def sentences(self) -> list[str]:
        """The time line of the status page."""
        return [entry["text"] for entry in self.status()["timeline"]]

    def letters(self) -> list[dict[str, Any]]:
        """The e-mails about this matter in the petitioner's mailbox, the first one first."""
        assert self.story.petitioner is not None
        box = self.play.petitioner.door.get("/demo/mail/api/messages", to=self.story.petitioner.email or "", limit=500)
        return [letter for letter in box["items"] if self.play.number in letter["subject"]]

    def told_by_mail(self, *subjects: str) -> None:
        """The petitioner was told exactly this so far."""

        def subject(letter: dict[str, Any]) -> str:
            return re.sub(r"【.*?】|（.*?）", "", letter["subject"])

        wanted = list(subjects)
        until(lambda: len(self.letters()) >= len(wanted), f"{len(wanted)} letters", seconds=30)
        assert [subject(letter) for letter in self.letters()] == wanted

    def decision(self) -> tuple[str, str]:
        """The text of the decision, without spaces, and of the same document in the petitioner's mailbox."""
        newest = [d for d in self.status()["documents"] if d["kind"] == "decision"][-1]
        pdf = self.play.petitioner.door.ask("GET", newest["href"]).content
        attached = [
            file for letter in self.letters() for file in letter["attachments"] if newest["number"] in file["name"]
        ]
        assert len(attached) == 1
        return pdf_text(pdf), pdf_text(self.play.petitioner.door.ask("GET", attached[0]["href"]).content)


def pdf_text(pdf: bytes) -> str:
    """The words of a PDF without spaces and page numbers."""
    pages = (re.sub(r"—\s*\d+\s*—", "", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    return "".join("".join(pages).split())


@contextmanager
def playing(stack: Stack, name: str) -> Iterator[Told]:
    """A story on the stack; its departments' programs leave it to people until the end."""
    with Play(stage(stack, CITY), told(CITY, name)) as play:
        yield Told(stack, play)


def every_word_of(step: Step) -> list[str]:
    """What an agency said in its opinion or reply, as it is to stand in the decision."""
    said = [step.text, step.facts, step.legal_basis, step.remedy, *(result.text for result in step.results)]
    return ["".join(text.split()) for text in said if text]


def said_in_the_end(story: DemoMatter) -> list[Step]:
    return [step for step in story.steps if step.action in (Action.OPINION, Action.REPLY)]


def overseen(stack: Stack, number: str) -> dict[str, Any]:
    """The matter as the oversight body sees it, every clock with its article and its arithmetic."""
    supervisor = Caller(stack, "supervisor")
    seen: dict[str, Any] = supervisor.get(f"/api/v1/oversight/matters/{number}")
    door = Door(stack.url)
    door.sign_in("supervisor", password(CITY))
    board = door.page(f"/oversight/matters/{number}")
    for clock in seen["clocks"]:
        assert clock["article"]["zh"]
        assert clock["arithmetic"][0]["date"] == clock["started_on"]
        assert clock["arithmetic"][-1]["text"]["zh"]
        assert clock["legal_due"] in {step["date"] for step in clock["arithmetic"]}
        assert clock["article"]["zh"] in board
        assert clock["arithmetic"][0]["text"]["zh"] in board
    return seen


def ended(seen: dict[str, Any], rule: str) -> list[tuple[str | None, str]]:
    """How the clocks of a rule ended: whom they bound and how."""
    return [
        (clock["bound"]["code"] if clock["bound"] else None, clock["standing"])
        for clock in seen["clocks"]
        if clock["rule"] == rule
    ]


@pytest.mark.slow
def test_two_agencies_push_a_black_river_to_each_other_until_the_city_coordinates(stack: Stack) -> None:
    with playing(stack, "pollution") as told_:
        play, officer = told_.play, told_.play.stage.officer
        told_.through(Action.SUBMIT, "petitioner")
        assert play.case()["suggestion"]["lead"]["agency"]["code"] == ECOLOGY
        told_.through(Action.ACCEPT, TOWN)

        # The township sees the photo on its desk.
        town: Any = play.department(TOWN)
        desk = town.door.page(town.assignment(play.number))
        photo = re.search(r'href="([^"]+)"[^>]*>\s*小清沟排口照片\.jpg', desk)
        assert photo is not None
        shown = town.door.ask("GET", photo[1].replace(play.petitioner.door.url, "").replace("&amp;", "&")).content
        assert shown.startswith(b"\xff\xd8\xff")

        told_.through(Action.OBJECT, ECOLOGY)
        assert told_.status()["status"] == "objected"
        assert any(f"{NAMES[ECOLOGY]}提出异议" in sentence for sentence in told_.sentences())

        told_.through(Action.OBJECT, URBAN)
        told_.through(Action.EXPECT_DISPUTED, "officer")
        assert told_.status()["status"] == "disputed"
        case = play.case()
        assert {"city-government", "city-petition"} <= {body["code"] for body in case["deciders"]}
        with pytest.raises(NotSo, match="HTTP 409"):
            officer.route(case["id"], {ECOLOGY: "lead"})

        # The designation binds: the department's own system offers no way back.
        told_.through(Action.DESIGNATE, "city-government")
        ecology = play.department(ECOLOGY)
        assert isinstance(ecology, TicketDepartment)
        ticket = ecology.ticket(play.number, "NEW")
        page = ecology.door.page(ticket)
        assert "指定办理" in page
        assert f"{ticket}/return" not in page
        refused = {"return_code": "R01", "remark": "仍不属于我局职责。"}
        assert "不能退单" in ecology.door.ask("POST", f"{ticket}/return", 409, data=refused).text

        told_.through(Action.REPLY, ECOLOGY)
        assert play.state(ECOLOGY) == "replied"
        assert told_.status()["status"] == "handling"
        assert "decision" not in {document["kind"] for document in told_.status()["documents"]}
        assert f"{NAMES[ECOLOGY]}已提交答复，等待{NAMES[URBAN]}的协办意见。" in told_.sentences()

        told_.through(Action.EXPECT_DECIDED, "officer")
        moved = "您的信访事项已改由其他机关承办"
        told_.told_by_mail(
            "您的信访事项已登记",
            "您的信访事项已转送",
            moved,
            moved,
            "您的信访事项协办单位有变化",
            "您的信访事项已受理",
            "您的信访事项已有处理意见",
        )
        online, by_mail = told_.decision()
        assert online == by_mail
        for step in said_in_the_end(told_.story):
            assert NAMES[step.actor] in online
            for words in every_word_of(step):
                assert words in online

        # Not solved: a second round, in which the departments' programs answer by themselves.
        told_.through(Action.OPEN, "petitioner")
        play.leave_to_programs()
        votes = [{"target": "petition_office", "value": "satisfied"}]
        votes += [{"target": "agency", "agency": code, "value": "dissatisfied"} for code in (ECOLOGY, URBAN, TOWN)]
        play.petitioner.rate(votes, solved=False)

        def decided_again() -> bool:
            status = told_.status()
            return bool(status["rating"]["round"] == 2 and status["status"] == "served")

        until(decided_again, "the decision of the second round", seconds=60)
        told_.through(Action.RATE, "petitioner")
        until(lambda: told_.status()["status"] == "closed", "closed")
        rated = {
            target["agency"]["code"] if target["agency"] else "": target["value"]
            for target in told_.status()["rating"]["targets"]
        }
        assert rated == {
            "": "satisfied",
            ECOLOGY: "basically_satisfied",
            URBAN: "basically_satisfied",
            TOWN: "satisfied",
        }
        until(lambda: "办结" in told_.letters()[-1]["subject"], "the last letter")
        assert any("重新办理" in letter["subject"] for letter in told_.letters())

    seen = overseen(stack, play.number)
    assert ended(seen, "route") == [(None, "met")]
    assert sorted(ended(seen, "handle")) == [(ECOLOGY, "met"), (ECOLOGY, "met")]
    assert {code for code, _ in ended(seen, "objection")} == {ECOLOGY, URBAN, TOWN}
    assert all(outcome in {"met", "cancelled"} for _, outcome in ended(seen, "notice"))
    assert {part["agency"]["code"]: part["objections"] for part in seen["assignments"] if part["objections"]} == {
        ECOLOGY: 1,
        URBAN: 1,
    }
    verified = stack.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.slow
def test_three_departments_investigate_a_reimbursement_together(stack: Stack) -> None:
    lead, health, market = "city-health-insurance", "city-health", "city-market"
    with playing(stack, "reimbursement") as told_:
        play = told_.play
        told_.through(Action.SUBMIT, "petitioner")
        assert play.case()["channel"] == "visit"
        assert play.case()["suggestion"]["lead"]["agency"]["code"] == lead
        told_.through(Action.ACCEPT, market)
        assert {part["agency"]["code"]: part["state"] for part in told_.status()["agencies"]} == {
            lead: "accepted",
            health: "accepted",
            market: "accepted",
        }
        told_.through(Action.OPINION, market)
        assert told_.status()["status"] == "handling"

        # What the others found lies in the lead's own system before it concludes.
        department = play.department(lead)
        assert isinstance(department, TicketDepartment)

        def opinions_arrived() -> bool:
            page = department.door.page(department.ticket(play.number, "WORKING"))
            return all(step.text in page for step in said_in_the_end(told_.story) if step.action is Action.OPINION)

        until(opinions_arrived, "the co-handlers' opinions are in the lead's system")
        told_.through(Action.EXPECT_DECIDED, "officer")
        told_.told_by_mail("您的信访事项已登记", "您的信访事项已转送", "您的信访事项已受理", "您的信访事项已有处理意见")
        online, by_mail = told_.decision()
        assert online == by_mail
        for step in said_in_the_end(told_.story):
            for words in every_word_of(step):
                assert words in online
        told_.through(Action.RATE, "petitioner")
        until(lambda: told_.status()["status"] == "closed", "closed")

    seen = overseen(stack, play.number)
    assert ended(seen, "handle") == [(lead, "met")]
    assert sorted(ended(seen, "notice")) == sorted((code, "met") for code in (lead, health, market))
