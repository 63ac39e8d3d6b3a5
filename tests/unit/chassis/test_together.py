"""Where one of many cannot be done, the others are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from lianban.chassis.errors import Retry
from lianban.chassis.together import together


@pytest.mark.parametrize("failing", [[], [3]])
def test_together_where_one_fails_each_is_done_by_itself(failing: list[int]) -> None:
    def add(items: Sequence[int]) -> int:
        if set(items) & set(failing):
            raise ValueError("not this one")
        return sum(items)

    found = together([1, 2, 3], add)
    if not failing:
        assert found == [([1, 2, 3], 6)]
    else:
        assert found[:2] == [([1], 1), ([2], 2)]
        assert isinstance(found[2][1], ValueError)


def test_together_raises_what_is_about_none_of_the_items() -> None:
    do: Callable[[Sequence[int]], int] = lambda _: (_ for _ in ()).throw(Retry("later"))  # noqa: E731
    with pytest.raises(Retry):
        together([1, 2], do)
