"""The demo city's data is whole: every reference resolves, and every mistake would be told."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.demo import phrases
from deploy.demo.city import load as city_data
from deploy.demo.city.load import Adapter, City, Diversion, DiversionKind, MatterType, Part
from deploy.demo.city.profiles import Profiles, profiles
from deploy.demo.city.reading import BadCity
from deploy.demo.departments import api
from deploy.demo.departments.vocabulary import Kind, MessageType, ReturnCode, Status
from lianban.chassis.time import now
from lianban.contracts.codes import AgencyLevel, ClaimResult, ExchangeKind, ObjectionReason, StaffRole
from lianban.law.rulebook import standard
from services.agency_gateway.adapters.rest_push import translation
from services.agency_gateway.app.profile_schema import OUTBOUND, read
from services.routing.app.policy import parse
from services.routing.domain.screening import screen


@pytest.fixture(scope="module")
def city() -> City:
    return city_data.load()


@pytest.fixture(scope="module")
def made(city: City) -> Profiles:
    return profiles(city)


def copied(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy of the city's folder in which ``old`` is replaced in one file."""
    folder = tmp_path / "city"
    shutil.copytree(city_data.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_city_has_four_levels_and_as_much_as_is_promised(city: City) -> None:
    """Regions and agencies of all levels, and a catalogue of at least seventy matter types."""
    levels = Counter(region.level for region in city.regions.values())
    assert levels[AgencyLevel.CITY] == 1
    assert levels[AgencyLevel.COUNTY] == 4
    assert levels[AgencyLevel.TOWNSHIP] >= 13
    assert levels[AgencyLevel.VILLAGE] >= 24
    assert {agency.level for agency in city.agencies.values()} == set(AgencyLevel)
    assert len(city.agencies) >= 45
    assert len(city.types) >= 70
    adapters = Counter(agency.adapter for agency in city.agencies.values())
    assert adapters[Adapter.REST_PUSH] >= 24
    assert adapters[Adapter.PULL] >= 8


def test_every_matter_type_has_somebody_responsible_in_every_village(city: City) -> None:
    for item in city.types.values():
        for region in city.regions.values():
            if region.level is not AgencyLevel.CITY:
                lead = city.resolve(item.lead, region.code)
                # At county level nobody knows yet which township it is: only township matters may stay open there.
                assert lead is not None or (item.lead.function == "township" and region.level is AgencyLevel.COUNTY)


def test_the_catalogue_teaches_enough_and_cites_the_law(city: City) -> None:
    items: list[MatterType | Diversion] = [*city.types.values(), *city.diversions.values()]
    for item in items:
        assert len(item.examples) >= 6, item.code
        assert 8 <= len(item.keywords) <= 20, item.code
        assert all(10 <= len(sentence) <= 120 for sentence in item.examples), item.code
        assert all(basis.confidence == "verify" for basis in item.bases), item.code
        assert all(basis.article.startswith(("第", "相关条款")) for basis in item.bases), item.code
    sentences = [sentence for item in city.types.values() for sentence in item.examples]
    assert len(sentences) == len(set(sentences))
    assert len({item.item for item in city.types.values()}) == len(city.types)


def test_every_other_statutory_way_is_described(city: City) -> None:
    kinds = {diversion.kind for diversion in city.diversions.values()}
    assert kinds == set(DiversionKind)
    assert all(len(diversion.advice) > 30 for diversion in city.diversions.values())


def test_the_examples_of_ordinary_matters_are_not_screened_out(city: City) -> None:
    """The statutory screening looks at words; the examples that teach the model must not contain them."""
    found = [s for item in city.types.values() for s in item.examples if screen(s) is not None]
    assert found == []


@pytest.mark.parametrize("level", ["city", "county"])
def test_each_city_and_county_has_one_petition_office(city: City, level: str) -> None:
    for region in city.regions_of(AgencyLevel(level)):
        offices = [a for a in city.agencies.values() if a.petition_office and a.region == region.code]
        assert len(offices) == 1, region.name


def test_the_story_of_the_black_river_finds_its_agencies(city: City) -> None:
    item = city.types["water-pollution"]
    assert [a.code for p in (item.lead, *item.co) if (a := city.resolve(p, "990102101002"))] == [
        "city-ecology", "city-urban", "dongping-town",
    ]  # fmt: skip


def test_a_reimbursement_in_the_county_finds_its_agencies(city: City) -> None:
    item = city.types["medical-settlement"]
    assert [a.code for p in (item.lead, *item.co) if (a := city.resolve(p, "990121101001"))] == [
        "city-health-insurance", "city-health", "city-market",
    ]  # fmt: skip


def test_an_excluded_agency_is_never_found(city: City) -> None:
    found = city.resolve(Part("ecology"), "990102101002", excluded=("wanghu-ecology",))
    assert found is not None
    assert found.code == "city-ecology"


def test_telephone_numbers_and_addresses_belong_to_nobody(city: City) -> None:
    phones = [agency.contact.phone for agency in city.agencies.values()]
    assert all(re.fullmatch(r"0900-555[0-9]{4}", phone) for phone in phones)
    assert len(set(phones)) == len(phones)
    assert all(agency.contact.email.endswith(".example") for agency in city.agencies.values())
    assert all(code.startswith("9901") for code in city.regions)


def test_there_is_a_sign_in_for_every_role(city: City) -> None:
    assert {role for member in city.staff for role in member.roles} == set(StaffRole)
    assert len(city.default_password) >= 10


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("agencies.yaml", "superior_government: city-government", "superior_government: nobody", "government 'nobody'"),
        ("agencies.yaml", 'region: "990101000000"', 'region: "990199000000"', "unknown region '990199000000'"),
        ("agencies.yaml", "functions: [ecology]", "functions: [ecologie]", "unknown function 'ecologie'"),
        ("agencies.yaml", "code: city-urban", "code: city-ecology", "code 'city-ecology' is used twice"),
        ("agencies.yaml", "adapter: pull", "adapter: fax", "adapter 'fax' is unknown; known are rest_push, pull, desk"),
        ("agencies.yaml", "level: county", "level: village", "does not fit its region"),
        ("agencies.yaml", "petition_office: true", "petition_office: false", "0 petition offices instead of 1"),
        ("agencies.yaml", "superior_vertical: null", "superior_vertical: city-government", "runs in a circle"),
        ("regions.yaml", '"990101001000"', '"990105001000"', "unknown region 990105000000"),
        ("regions.yaml", "aliases: [南桥]", "alias: [南桥]", "does not know 'alias'"),
        ("catalogue.yaml", "lead: ecology", "lead: ecologist", "unknown function 'ecologist'"),
        ("catalogue.yaml", "field: environment", "field: nature", "unknown field 'nature'"),
        ("catalogue.yaml", "confidence: verify}", "confidence: sure}", "should be verify or verified"),
        ("staff.yaml", "roles: [clerk]", "roles: [king]", "role 'king' is unknown"),
        ("staff.yaml", "username: officer,", "username: clerk,", "username is used twice"),
        ("staff.yaml", "agency: dongping-town", "agency: atlantis", "unknown agency 'atlantis'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, file: str, old: str, new: str, told: str) -> None:
    if "circle" in told:
        old, new = "superior_government: null", "superior_government: city-petition"
    with pytest.raises(BadCity) as error:
        city_data.load(copied(tmp_path, file, old, new))
    assert told in str(error.value)
    assert file.removesuffix(".yaml") in str(error.value)


def test_a_file_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadCity, match=r"staff\.yaml"):
        city_data.load(copied(tmp_path, "staff.yaml", "staff:", "staff: {"))


def test_the_site_policy_is_understood_and_states_when_nobody_confirms() -> None:
    site = tomllib.loads((city_data.FOLDER / "site.toml").read_text(encoding="utf-8"))
    policy = parse(site["routing"])
    assert policy.automatic_reopening
    assert standard().adjusted(**site["clocks"]).roll_agency_deadlines
    assert not policy.automatic_objections
    assert len(policy.automatic_routing) == 2
    known = city_data.load().types
    assert {code for stated in policy.automatic_routing for code in stated.matter_types} <= set(known)


def test_the_gateway_takes_the_profile_of_every_agency(city: City, made: Profiles) -> None:
    for agency in city.agencies.values():
        profile = read(made.document(agency, departments_url="http://127.0.0.1:18021"))
        assert profile.agency == agency.code
        assert profile.adapter.value == agency.adapter.value
        if agency.adapter is Adapter.REST_PUSH:
            assert profile.rest_push is not None
            assert set(profile.rest_push.calls) == set(OUTBOUND)
        assert made.trade(agency) in phrases.trades()


def test_short_names_mean_the_agencies_of_the_place(city: City, made: Profiles) -> None:
    assert made.departments(city.agencies["city-ecology"])["城管局"] == "city-urban"
    assert made.departments(city.agencies["wanghu-ecology"])["城管局"] == "wanghu-urban"
    assert made.departments(city.agencies["wanghu-ecology"])["清河市城市管理局"] == "city-urban"


def a_message(claim: str, kind: str = "assignment") -> dict[str, object]:
    return {
        "id": str(uuid4()), "kind": kind, "assignment_id": str(uuid4()), "version": 1, "number": "XF2026000001",
        "role": "lead", "transfer_kind": "transfer", "sent_at": "2026-11-02T01:00:00Z", "binding": True,
        "due": [{"rule": "objection", "date": "2026-11-09", "article": "第二十三条"},
                {"rule": "notice", "date": "2026-11-17", "article": "第二十三条"}],
        "region": {"code": "990102101002", "name": "下河村"},
        "matter": {"title": "河水发黑", "content": "厂后的河水发黑。", "attachments": [],
                   "supplements": [{"text": "昨夜又排了。", "at": "2026-11-20T01:00:00Z"}],
                   "claims": [{"id": claim, "ordinal": 1, "text": "请查清原因。"}]},
        "petitioner": {"name": "周广田", "phone": "16100001001", "address": None},
        "opinion": {"agency": {"code": "city-urban", "name": "清河市城市管理局"}, "text": "", "facts": "", "remedy": "",
                    "results": []},
        "reference": "GD-1",
    }  # fmt: skip


def test_an_assignment_becomes_a_ticket_in_the_departments_own_words(city: City, made: Profiles) -> None:
    document = made.document(city.agencies["city-ecology"], departments_url="http://127.0.0.1:18021")
    profile, claim = read(document), str(uuid4())
    assert profile.rest_push is not None
    message = a_message(claim)
    call = profile.rest_push.calls[ExchangeKind.ASSIGNMENT]
    sent = translation.request(profile, profile.rest_push, call, message, {"api-key": "k"})
    assert sent.url == "http://127.0.0.1:18021/api/tickets"
    assert sent.headers["X-Api-Key"] == "k"
    assert sent.headers["X-Request-Ref"] == message["id"]
    assert json.loads(sent.body or b"") == {
        "ref_no": message["assignment_id"], "source_no": "XF2026000001", "subject": "河水发黑",
        "body": "厂后的河水发黑。\n\n补充：昨夜又排了。", "kind": "MAIN",
        "items": [{"key": claim, "text": "请查清原因。"}],
        "reporter": {"name": "周广田", "tel": "16100001001"}, "deadline": "2026-11-17", "no_return": True,
    }  # fmt: skip
    filed = api._new_ticket(json.loads(sent.body or b""))
    assert (filed.kind, filed.no_return, [item.key for item in filed.items]) == (Kind.MAIN, True, [claim])
    for kind in OUTBOUND[1:]:
        later = translation.request(
            profile, profile.rest_push, profile.rest_push.calls[kind], a_message(claim, kind.value), {"api-key": "k"}
        )
        assert later.url == "http://127.0.0.1:18021/api/tickets/GD-1/messages"
        body = json.loads(later.body or b"")
        assert MessageType(body["type"])
        assert body["text"]
        assert kind is not ExchangeKind.SUPPLEMENT or body["text"] == "昨夜又排了。"
        api._change(body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.NEW, None), (Status.CANCELLED, None), (Status.TAKEN, ExchangeKind.ACCEPT),
        (Status.RETURNED, ExchangeKind.OBJECT), (Status.WORKING, ExchangeKind.PROGRESS),
        (Status.ADVISED, ExchangeKind.OPINION), (Status.FINISHED, ExchangeKind.REPLY),
    ],
)  # fmt: skip
def test_a_status_call_is_read_in_our_words(
    city: City, made: Profiles, status: Status, kind: ExchangeKind | None
) -> None:
    profile = read(made.document(city.agencies["city-ecology"], departments_url="http://127.0.0.1:18021"))
    assert profile.rest_push is not None
    assert profile.rest_push.inbound is not None
    returned = status is Status.RETURNED
    call = {
        "event_id": str(uuid4()), "event": "ticket.status", "ticket_no": "GD-1", "external_ref": str(uuid4()),
        "status": status.value, "remark": "现场已核查。", "return_code": "R03" if returned else None,
        "suggest_dept": "城管局" if returned else None, "happened_at": "2026-11-03T09:00:00+08:00",
        "basis": "《水污染防治法》第三十九条" if status is Status.FINISHED else "",
        "items": [{"key": str(uuid4()), "result": "EXPLAIN", "note": "已说明。"}] if status.ended else [],
    }  # fmt: skip
    reading = translation.statement(profile, profile.rest_push.inbound, call, received_at=now())
    assert reading.target == call["external_ref"]
    if kind is None:
        assert reading.statement is None
        return
    assert reading.statement is not None
    assert reading.statement.kind is kind
    assert reading.statement.reason is (ObjectionReason.OTHER_LEAD if returned else None)
    assert reading.statement.proposed_agency == ("city-urban" if returned else None)
    assert reading.statement.text == "现场已核查。"
    assert reading.statement.legal_basis == ("《水污染防治法》第三十九条" if status is Status.FINISHED else None)
    if status.ended:
        assert reading.statement.results[0].result is ClaimResult.EXPLAINED


def test_every_code_of_the_departments_is_mapped(city: City, made: Profiles) -> None:
    codes = made.document(city.agencies["city-ecology"], departments_url="http://127.0.0.1:18021")["codes"]
    assert set(codes["statuses"]) == {status.value for status in Status}
    assert set(codes["return_codes"]) == {code.value for code in ReturnCode}
