"""What comes side by side is done at once, and each gets its own answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import eventlet
import pytest

from lianban.chassis.errors import Retry
from lianban.chassis.gathering import Gathering


class Doing:
    """Answers with the item's double, after a while; keeps what was done together."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.rounds: list[list[int]] = []
        self.seconds = seconds

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.rounds.append(list(items))
        eventlet.sleep(self.seconds)
        return [ValueError(f"{item} is odd") if item % 2 else 2 * item for item in items]


def asked(gathering: Gathering[int, int], items: Sequence[int]) -> list[Any]:
    """What greenlets get that ask at the same time."""

    def ask(item: int) -> Any:
        try:
            return gathering.ask(item)
        except (ValueError, Retry) as error:
            return str(error)

    waiting = [eventlet.spawn(ask, item) for item in items]
    with eventlet.Timeout(5):
        return [each.wait() for each in waiting]


def test_one_alone_is_done_at_once() -> None:
    doing = Doing()
    gathering = Gathering(doing, most=10, longest_wait=0.1)
    assert gathering.ask(4) == 8
    assert doing.rounds == [[4]]


def test_who_comes_meanwhile_is_done_together_each_with_its_own_answer() -> None:
    doing = Doing()
    gathering = Gathering(doing, most=10, longest_wait=0.1)
    assert asked(gathering, [2, 4, 5, 6]) == [4, 8, "5 is odd", 12]
    assert doing.rounds == [[2], [4, 5, 6]]


def test_a_round_is_bounded_and_nobody_is_left_over() -> None:
    doing = Doing()
    gathering = Gathering(doing, most=3, longest_wait=0.0)
    items = [2 * number for number in range(10)]
    assert asked(gathering, items) == [2 * item for item in items]
    assert [len(part) for part in doing.rounds] == [1, 3, 3, 3]


def test_after_a_round_the_next_one_waits_for_company() -> None:
    doing = Doing(seconds=0.05)
    gathering = Gathering(doing, most=10, longest_wait=0.2)
    gathering.ask(0)
    late = eventlet.spawn_after(0.1, gathering.ask, 4)
    assert gathering.ask(2) == 4
    with eventlet.Timeout(5):
        assert late.wait() == 8
    assert doing.rounds == [[0], [2, 4]]


def test_what_the_round_raises_everyone_gets_and_the_next_round_goes_on() -> None:
    rounds = 0

    def out_of_reach_once(items: Sequence[int]) -> list[int | Exception]:
        nonlocal rounds
        rounds += 1
        eventlet.sleep(0.01)
        if rounds == 2:
            raise Retry("out of reach")
        return list(items)

    gathering: Gathering[int, int] = Gathering(out_of_reach_once, most=2, longest_wait=0.0)
    assert asked(gathering, [1, 2, 3, 4]) == [1, "out of reach", "out of reach", 4]


def test_who_is_killed_while_waiting_for_its_turn_is_passed_over() -> None:
    doing = Doing(seconds=0.05)
    gathering = Gathering(doing, most=1, longest_wait=0.0)
    first = eventlet.spawn(gathering.ask, 2)
    eventlet.sleep(0)
    waiting = [eventlet.spawn(gathering.ask, item) for item in (4, 6, 8)]
    eventlet.sleep(0)
    waiting[0].kill()  # before it is its turn
    first.link(lambda _: waiting[1].kill())  # when it is, and it does not know yet
    with eventlet.Timeout(5):
        assert first.wait() == 4
        assert waiting[2].wait() == 16
    assert doing.rounds == [[2], [8]]


def test_who_is_killed_while_waiting_for_company_leaves_nobody_behind() -> None:
    doing = Doing(seconds=0.05)
    gathering = Gathering(doing, most=10, longest_wait=1.0)
    gathering.ask(0)
    leading = eventlet.spawn(gathering.ask, 2)
    eventlet.sleep(0)
    following = eventlet.spawn(gathering.ask, 4)
    eventlet.sleep(0)
    leading.kill()
    with eventlet.Timeout(5):
        with pytest.raises(Retry, match="stopped"):
            following.wait()
        assert gathering.ask(6) == 12
