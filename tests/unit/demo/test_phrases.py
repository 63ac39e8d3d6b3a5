"""What the demo city's officials write."""

from __future__ import annotations

import pytest

from deploy.demo import phrases


def test_there_are_many_different_sentences() -> None:
    assert phrases.count() >= 150


def test_the_same_seed_gets_the_same_sentence_and_other_seeds_get_others() -> None:
    said = {phrases.sentence("ecology", "working", str(seed)) for seed in range(50)}
    assert phrases.sentence("ecology", "working", "7") == phrases.sentence("ecology", "working", "7")
    assert len(said) == 3


def test_an_answer_to_a_claim_speaks_of_that_claim() -> None:
    assert "停止排污" in phrases.sentence("ecology", "agree", "1", "要求工厂立即停止排污")


def test_where_a_trade_has_nothing_fitting_the_answer_is_general() -> None:
    answers = {phrases.sentence("ecology", "agree", str(seed), "赔偿损失") for seed in range(30)}
    assert answers == {
        "诉求合理，事实清楚，予以支持，已明确落实时限。",
        "经核实情况属实，该项诉求予以采纳并已着手办理。",
    }


@pytest.mark.parametrize("trade", phrases.trades())
@pytest.mark.parametrize(
    "kind", ["taken", "working", "facts", "remedy", "advice", "agree", "explain", "decline", "basis"]
)
def test_every_trade_can_say_everything(trade: str, kind: str) -> None:
    assert phrases.sentence(trade, kind, "seed", "随便什么事")


@pytest.mark.parametrize("code", ["R01", "R02", "R03", "R04", "R05"])
def test_every_return_code_has_a_reason(code: str) -> None:
    assert phrases.return_reason(code, "seed")


def test_fractions_lie_between_nought_and_one_and_spread() -> None:
    fractions = [phrases.fraction(str(seed)) for seed in range(1000)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert 0.45 < sum(fractions) / 1000 < 0.55
