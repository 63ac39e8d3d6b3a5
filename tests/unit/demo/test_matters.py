"""The demo city's matters are believable, whole and always the same."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from deploy.demo.city.load import City, load
from deploy.demo.matters.generate import DUPLICATES, REPEATS, STAGES, as_json, generate
from deploy.demo.matters.plan import OFFICER, Action, DemoMatter, Stage, mistakes, stories
from lianban.contracts.codes import Purpose, RatingTarget
from lianban.law import identity
from services.intake.domain.petition import parse
from services.routing.domain.screening import screen


@pytest.fixture(scope="module")
def city() -> City:
    return load()


@pytest.fixture(scope="module")
def matters(city: City) -> tuple[DemoMatter, ...]:
    return generate(city)


@pytest.fixture(scope="module")
def told(city: City) -> tuple[DemoMatter, ...]:
    return stories(city)


def submission(matter: DemoMatter) -> dict[str, object]:
    """The matter as ``POST /api/v1/matters`` takes it."""
    person = matter.petitioner
    assert person is not None
    return {
        "channel": matter.channel.value,
        "title": matter.title,
        "content": matter.content,
        "claims": list(matter.claims),
        "purpose": matter.purpose.value,
        "region_code": matter.region_code,
        "petitioner": {"name": person.name, "phone": person.phone, "address": person.address, "email": person.email},
        "representatives": [{"name": r.name, "phone": r.phone} for r in matter.representatives],
        "group_size": matter.group_size,
        "accused": [*matter.accused, *({"name": name} for name in matter.accused_others)],
    }


def test_there_are_two_hundred_in_all_stages(matters: tuple[DemoMatter, ...]) -> None:
    assert len(matters) == 200
    assert Counter(matter.stage for matter in matters) == {stage: count for stage, (count, _, _) in STAGES.items()}
    assert len({matter.key for matter in matters}) == 200
    assert len({matter.matter_type for matter in matters}) >= 40


def test_the_same_seed_gives_the_same_matters(city: City, matters: tuple[DemoMatter, ...]) -> None:
    assert as_json(generate(city)) == as_json(matters)
    assert as_json(generate(city, seed=1)) != as_json(matters)


def test_intake_takes_every_matter(matters: tuple[DemoMatter, ...], told: tuple[DemoMatter, ...]) -> None:
    for matter in (*matters, *told):
        parse(submission(matter), today=date(2026, 11, 23))
        assert matter.petitioner is not None
        assert identity.is_mobile(matter.petitioner.phone)


def test_texts_are_long_enough_and_nothing_is_left_unfilled(matters: tuple[DemoMatter, ...]) -> None:
    for matter in matters:
        assert len(matter.content) >= 35, matter.key
        assert 6 <= len(matter.title) <= 60, matter.key
        assert 1 <= len(matter.claims) <= 3, matter.key
        said = " ".join([matter.title, matter.content, *matter.claims, *(step.text for step in matter.steps)])
        assert "{" not in said, matter.key


def test_petitioners_have_numbers_that_belong_to_nobody(matters: tuple[DemoMatter, ...]) -> None:
    phones = [m.petitioner.phone for m in matters if m.petitioner is not None]
    assert all(phone.startswith("1610000") and len(phone) == 11 for phone in phones)
    assert all(m.petitioner.email is None or m.petitioner.email.endswith(".example") for m in matters if m.petitioner)


def test_some_repeat_others_and_name_them(matters: tuple[DemoMatter, ...]) -> None:
    by_key = {matter.key: matter for matter in matters}
    repeated = [matter for matter in matters if matter.duplicate_of is not None]
    assert len(repeated) == DUPLICATES + REPEATS
    again = 0
    for matter in repeated:
        original = by_key[matter.duplicate_of or ""]
        assert original.days_ago > matter.days_ago
        assert original.region_code == matter.region_code
        assert original.claims == matter.claims
        again += original.petitioner == matter.petitioner
    assert again == REPEATS


def test_groups_have_at_most_five_representatives(matters: tuple[DemoMatter, ...]) -> None:
    groups = [matter for matter in matters if matter.group_size > 1]
    assert len(groups) >= 12
    assert all(1 + len(matter.representatives) <= min(5, matter.group_size) for matter in groups)


def test_the_accused_never_take_part(city: City, matters: tuple[DemoMatter, ...]) -> None:
    accusing = [matter for matter in matters if matter.accused]
    assert len(accusing) >= 6
    for matter in accusing:
        assert not set(matter.accused) & {step.actor for step in matter.steps}
        assert mistakes(matter, city) == []


def test_accusations_are_sealed_and_nothing_else_happens_to_them(matters: tuple[DemoMatter, ...]) -> None:
    for matter in matters:
        assert (matter.stage is Stage.SEALED) == (matter.purpose is Purpose.ACCUSATION)
        if matter.stage is Stage.SEALED:
            assert [step.action for step in matter.steps] == [Action.SUBMIT]


def test_ordinary_matters_are_not_screened_out(matters: tuple[DemoMatter, ...], told: tuple[DemoMatter, ...]) -> None:
    """Only accusations may sound as if another procedure applied."""
    for matter in (*matters, *told):
        if matter.purpose is not Purpose.ACCUSATION:
            assert screen(f"{matter.title}\n{matter.content}\n" + "\n".join(matter.claims)) is None, matter.key


@pytest.mark.parametrize(
    ("stage", "last"),
    [
        (Stage.FRESH, Action.SUBMIT), (Stage.SUGGESTED, Action.SUBMIT), (Stage.ROUTED, Action.ROUTE),
        (Stage.OBJECTED, Action.OBJECT), (Stage.DISPUTED, Action.EXPECT_DISPUTED), (Stage.ACCEPTED, Action.ACCEPT),
        (Stage.HANDLING, Action.PROGRESS), (Stage.OVERDUE_NOTICE, Action.ROUTE),
        (Stage.OVERDUE_HANDLE, Action.PROGRESS), (Stage.OPINION_MISSING, Action.REPLY),
        (Stage.DECIDED, Action.EXPECT_DECIDED), (Stage.SERVED, Action.OPEN), (Stage.CLOSED, Action.RATE),
        (Stage.REOPENED, Action.RATE), (Stage.WITHDRAWN, Action.WITHDRAW),
    ],
)  # fmt: skip
def test_each_stage_ends_with_its_step(matters: tuple[DemoMatter, ...], stage: Stage, last: Action) -> None:
    for matter in matters:
        if matter.stage is stage:
            assert matter.steps[-1].action is last, matter.key


def test_overdue_matters_are_overdue_and_others_are_not(matters: tuple[DemoMatter, ...]) -> None:
    for matter in matters:
        route = next((step.day for step in matter.steps if step.action is Action.ROUTE), None)
        accept = next((step.day for step in matter.steps if step.action is Action.ACCEPT), None)
        if matter.stage is Stage.OVERDUE_NOTICE:
            assert route is not None
            assert matter.days_ago - route > 15 + 3
        if matter.stage is Stage.OVERDUE_HANDLE:
            assert accept is not None
            assert matter.days_ago - accept > 60 + 10
        if matter.stage is Stage.HANDLING:
            assert accept is not None
            assert matter.days_ago - accept < 60


def test_one_opinion_is_missing_where_the_decision_waits(matters: tuple[DemoMatter, ...]) -> None:
    for matter in matters:
        if matter.stage is Stage.OPINION_MISSING:
            partners = next(step.co_handlers for step in matter.steps if step.action is Action.ROUTE)
            given = [step.actor for step in matter.steps if step.action is Action.OPINION]
            assert len(given) == len(partners) - 1, matter.key


def test_the_two_stories_are_told_to_the_end(told: tuple[DemoMatter, ...]) -> None:
    river, reimbursement = told
    assert [step.actor for step in river.steps if step.action is Action.OBJECT] == ["city-ecology", "city-urban"]
    assert [step.actor for step in river.steps if step.action is Action.COORDINATE] == ["city-petition"]
    designated = next(step for step in river.steps if step.action is Action.DESIGNATE)
    assert (designated.actor, designated.lead) == ("city-government", "city-ecology")
    routed = next(step for step in reimbursement.steps if step.action is Action.ROUTE)
    assert (routed.lead, routed.co_handlers) == ("city-health-insurance", ("city-health", "city-market"))
    for story in told:
        reply = next(step for step in story.steps if step.action is Action.REPLY)
        assert [result.claim for result in reply.results] == list(range(1, len(story.claims) + 1))
        assert reply.facts
        assert reply.remedy
        assert reply.legal_basis
        votes = story.steps[-1].votes
        assert votes[0].target is RatingTarget.PETITION_OFFICE
        rated = {vote.agency for vote in votes[1:]}
        assert rated == {reply.actor, *(step.actor for step in story.steps if step.action is Action.OPINION)}
        said = [step for step in story.steps if step.actor not in ("petitioner", OFFICER)]
        assert all(len(step.text) >= 20 for step in said)


def test_the_answer_of_the_lead_is_held_until_the_last_opinion(told: tuple[DemoMatter, ...]) -> None:
    """In the story of the river the lead replies before the last co-handler has given its opinion."""
    river = told[0]
    order = [step.action for step in river.steps]
    assert (
        order.index(Action.REPLY)
        < len(order) - 1 - order[::-1].index(Action.OPINION)
        < order.index(Action.EXPECT_DECIDED)
    )
