"""Doing at once what many greenlets ask for side by side, each for one item."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import eventlet
from eventlet.event import Event

from lianban.chassis.errors import Retry
from lianban.chassis.patience import patience

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Asked(Generic[T]):
    """An item with the greenlet that waits for it: ``turn`` says that it is done, or else that it is to do the next
    round."""

    item: T
    turn: Any = field(default_factory=Event)
    answer: Any = None


class Gathering(Generic[T, R]):
    """Does at once what many greenlets ask for, each for one item.

    Who asks while nothing is being done does it for all who have asked until it begins. Who asks meanwhile waits; one
    of them does the next round. After a round the next one waits for company, the longer the more there was to do;
    where nobody asked for a while nothing waits.
    """

    def __init__(self, do: Callable[[Sequence[T]], Sequence[R | Exception]], *, most: int, longest_wait: float) -> None:
        """``do`` answers for each item, in their order, also with how it failed; what it raises is everyone's answer.

        ``most``: items in one round; ``longest_wait``: seconds to wait for company.
        """
        self._do = do
        self._most = most
        self._longest_wait = longest_wait
        self._waiting: list[_Asked[T]] = []
        self._busy = False
        self._took = self._ended = 0.0

    def ask(self, item: T) -> R:
        """The answer for this item; raises how it failed."""
        mine = _Asked(item)
        self._waiting.append(mine)
        if not self._busy or not self._wait_for_turn(mine):
            self._busy = True
            self._round()
        if isinstance(mine.answer, BaseException):
            raise mine.answer
        answer: R = mine.answer
        return answer

    def _round(self) -> None:
        asked: list[_Asked[T]] = []
        answers: Sequence[Any]
        began = clock.monotonic()
        try:
            self._wait_for_company()
            asked, began = self._those_who_asked(), clock.monotonic()
            answers = self._do([one.item for one in asked])
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody is left waiting
            asked = asked or self._those_who_asked()
            others = error if isinstance(error, Exception) else Retry("whoever did it for others too was stopped")
            answers = [error, *[others] * (len(asked) - 1)]
        self._ended = clock.monotonic()
        self._took = self._ended - began
        for one, answer in zip(asked, answers, strict=True):
            one.answer = answer
        for one in asked[1:]:  # the first one is doing this
            one.turn.send(True)
        self._pass_on()

    def _pass_on(self) -> None:
        """Let the next one who waits do the next round."""
        self._busy = bool(self._waiting)
        if self._waiting:
            self._waiting[0].turn.send(False)

    def _wait_for_turn(self, mine: _Asked[T]) -> bool:
        """True when it is done; who is stopped meanwhile asks for nothing any more and does no round."""
        try:
            done: bool = mine.turn.wait()
        except BaseException:
            if mine in self._waiting:
                self._waiting.remove(mine)
                if mine.turn.ready():
                    self._pass_on()
            raise
        return done

    def _wait_for_company(self) -> None:
        until = self._ended + patience(self._took, least=0.0, most=self._longest_wait)
        if until > clock.monotonic():
            eventlet.sleep(until - clock.monotonic())

    def _those_who_asked(self) -> list[_Asked[T]]:
        asked, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        return asked
