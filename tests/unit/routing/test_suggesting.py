"""Places, the catalogue, suggestions and the site's policy."""

from __future__ import annotations

from typing import Any

import pytest

from lianban.contracts.codes import AgencyLevel, Channel, SuggestionGround
from lianban.law import places
from services.routing.app.policy import BadPolicy, parse
from services.routing.domain import catalogue
from services.routing.domain.grams import grams
from services.routing.domain.policy import Policy, StatedCase
from services.routing.domain.register import Agency, LegalBasis, MatterType, Part
from services.routing.domain.screening import screen
from services.routing.domain.suggesting import Suggestion, may_route_automatically, petition_offices, suggest

CITY, COUNTY, TOWNSHIP = AgencyLevel.CITY, AgencyLevel.COUNTY, AgencyLevel.TOWNSHIP
VILLAGE = "990102101001"


def agency(code: str, region: str, level: AgencyLevel, *functions: str, **more: Any) -> Agency:
    return Agency(code=code, name=code.upper(), level=level, region_code=region, functions=functions, **more)


AGENCIES = {
    item.code: item
    for item in (
        agency("city-government", "990100000000", CITY, "government"),
        agency("city-ecology", "990100000000", CITY, "ecology", superior_government="city-government"),
        agency("wanghu-ecology", "990102000000", COUNTY, "ecology"),
        agency("city-urban", "990100000000", CITY, "urban-management"),
        agency("dongping-town", "990102101000", TOWNSHIP, "township"),
        agency("shaping-town", "990102102000", TOWNSHIP, "township"),
        agency("city-petition", "990100000000", CITY, "petition", petition_office=True),
        agency("wanghu-petition", "990102000000", COUNTY, "petition", petition_office=True),
    )
}
POLLUTION = MatterType(
    code="water-pollution",
    item="QH-001",
    field="environment",
    name="工业废水污染河道",
    name_en="Industrial discharge into a river",
    lead=Part("ecology", CITY),
    co_handlers=(Part("urban-management"), Part("township")),
    keywords=("河水发黑", "废水", "偷排"),
    basis=(LegalBasis("水污染防治法", "第十条"),),
)
RUBBISH = MatterType(
    code="rubbish",
    item="QH-002",
    field="city-appearance",
    name="垃圾清运",
    lead=Part("urban-management", CITY),
    keywords=("垃圾",),
)


def suggested(text: str, scores: dict[str, float], *, blocked: frozenset[str] = frozenset(), **more: Any) -> Suggestion:
    return suggest(
        text=text,
        place=VILLAGE,
        place_name="周家湾村",
        scores=scores,
        types=[POLLUTION, RUBBISH],
        agencies=more.get("agencies", AGENCIES),
        blocked=blocked,
        policy=Policy(),
    )


class TestPlaces:
    def test_a_region_code_carries_its_superiors(self) -> None:
        assert places.chain(VILLAGE) == (VILLAGE, "990102101000", "990102000000", "990100000000")
        assert places.level_of("990102101000") is TOWNSHIP
        assert places.prefix("990100000000") == "9901"

    @pytest.mark.parametrize(
        ("place", "territory", "inside"),
        [
            (VILLAGE, "990102000000", True),
            (VILLAGE, "990101000000", False),
            ("990100000000", "990102000000", False),
            (VILLAGE, None, True),
        ],
    )
    def test_a_territory_holds_what_lies_below_it(self, place: str, territory: str | None, inside: bool) -> None:
        assert places.within(place, territory) is inside


class TestCatalogue:
    def test_the_wanted_level_comes_first_then_upwards_then_downwards(self) -> None:
        assert catalogue.responsible(Part("ecology", COUNTY), VILLAGE, AGENCIES) == AGENCIES["wanghu-ecology"]
        assert catalogue.responsible(Part("ecology", TOWNSHIP), VILLAGE, AGENCIES) == AGENCIES["wanghu-ecology"]
        assert catalogue.responsible(Part("township", CITY), VILLAGE, AGENCIES) == AGENCIES["dongping-town"]

    def test_agencies_of_other_places_are_not_responsible(self) -> None:
        assert catalogue.responsible(Part("township"), "990101001000", AGENCIES) is None

    def test_an_abolished_agency_is_followed_by_the_one_that_continues_its_powers(self) -> None:
        old = agency("old-ecology", "990100000000", CITY, "forestry", active=False, successor="city-ecology")
        found = catalogue.responsible(Part("forestry"), VILLAGE, {**AGENCIES, old.code: old})
        assert found == AGENCIES["city-ecology"]

    def test_successors_in_a_circle_are_nobody(self) -> None:
        one = agency("one", "990100000000", CITY, active=False, successor="two")
        two = agency("two", "990100000000", CITY, active=False, successor="one")
        assert catalogue.in_force(one, {"one": one, "two": two}) is None


class TestSuggestion:
    def test_lead_and_usual_co_handlers_come_with_their_reasons(self) -> None:
        made = suggested("厂后面的河水发黑，半夜偷排废水。", {"water-pollution": 0.9})
        assert made.lead is not None
        assert made.lead.agency.code == "city-ecology"
        assert [c.agency.code for c in made.co_handlers] == ["city-urban", "dongping-town"]
        assert made.grounds == (SuggestionGround.CATALOGUE, SuggestionGround.PLACE, SuggestionGround.TEXT)
        catalogue_reason = made.lead.reasons[0]
        assert (catalogue_reason.item, catalogue_reason.article) == ("QH-001", "《水污染防治法》第十条")
        assert "河水发黑" in made.lead.reasons[2].zh
        assert made.matter_type == "water-pollution"

    def test_an_accused_agency_is_left_out_and_its_superior_looks(self) -> None:
        made = suggested(
            "河水发黑，废水", {"water-pollution": 0.9}, blocked=frozenset({"city-ecology", "wanghu-ecology"})
        )
        assert made.lead is not None
        assert made.lead.agency.code == "city-government"
        assert made.excluded == ("city-ecology",)

    def test_where_the_accused_has_a_colleague_that_one_leads_with_the_reason(self) -> None:
        made = suggested("河水发黑，废水", {"water-pollution": 0.9}, blocked=frozenset({"city-ecology"}))
        assert made.lead is not None
        assert made.lead.agency.code == "wanghu-ecology"
        assert SuggestionGround.ACCUSED in made.grounds

    def test_a_second_problem_in_the_text_brings_its_agency_in(self) -> None:
        lonely = {code: item for code, item in AGENCIES.items() if code != "dongping-town"}
        made = suggested("垃圾成堆，垃圾没人清", {"rubbish": 0.9, "water-pollution": 0.1}, agencies=lonely)
        assert made.lead is not None
        assert made.lead.agency.code == "city-urban"

    def test_a_text_that_fits_nothing_suggests_nobody(self) -> None:
        assert suggested("你好", {"water-pollution": 0.05}).lead is None

    def test_the_nearest_petition_office_comes_first(self) -> None:
        assert [o.code for o in petition_offices(VILLAGE, AGENCIES)] == ["wanghu-petition", "city-petition"]


class TestScreening:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("对法院判决不服，二审也维持", "litigation"),
            ("村支书贪污扶贫款", "discipline"),
            ("已经申请仲裁，仲裁委不受理", "arbitration"),
            ("对行政处罚决定书不服想行政复议", "reconsideration"),
        ],
    )
    def test_words_of_another_procedure_are_noticed(self, text: str, code: str) -> None:
        found = screen(text)
        assert found is not None
        assert found.code == code

    def test_an_ordinary_complaint_has_no_other_procedure(self) -> None:
        assert screen("河水发黑，请查处") is None


class TestAutomaticRouting:
    POLICY = Policy(automatic_routing=(StatedCase(channels=frozenset({Channel.HOTLINE}), minimum_score=0.5),))

    def allowed(self, text: str = "河水发黑，偷排废水", **given: Any) -> bool:
        made = suggested(text, {"water-pollution": given.pop("score", 0.9)})
        values: dict[str, Any] = {"channel": Channel.HOTLINE, "imported": False, "accused": False}
        return may_route_automatically(made, policy=given.pop("policy", self.POLICY), **{**values, **given})

    def test_only_in_the_stated_cases(self) -> None:
        assert self.allowed()
        assert not self.allowed(channel=Channel.WEB)
        assert not self.allowed(score=0.05)
        assert not self.allowed(policy=Policy())

    def test_never_with_an_accused_or_another_procedure(self) -> None:
        assert not self.allowed(accused=True)
        assert not self.allowed(text="河水发黑，偷排废水，对法院判决不服")


class TestPolicy:
    def test_the_sites_words_become_the_policy(self) -> None:
        made = parse({"hop_limit": 2, "reopen_rounds": 4, "automatic": [{"imported": True}]})
        assert (made.hop_limit, made.reopen_rounds) == (2, 4)
        assert made.automatic_routing == (StatedCase(imported=True),)

    @pytest.mark.parametrize(
        "given",
        [
            {"hoplimit": 2},
            {"automatic": [{"channel": "web"}]},
            {"automatic": [{"channels": ["telepathy"]}]},
            {"hop_limit": "x"},
        ],
    )
    def test_a_word_that_is_not_understood_is_an_error_that_names_it(self, given: dict[str, Any]) -> None:
        with pytest.raises(BadPolicy):
            parse(given)


def test_grams_are_neighbouring_characters_of_one_word() -> None:
    assert grams("河水，ＡＢ1") == {"河水", "ab", "b1"}
