"""JMESPath with the few functions that mappings between two vocabularies need.

``code(value, 'list')``            the value that the profile's code list gives for ``value``; unknown: an error
``code_or(value, 'list', other)``  the same, ``other`` where the list does not have it
``local(instant, format)``         an ISO instant as China time in ``strftime`` form
``instant(text, format)``          a China time in ``strptime`` form as ISO instant
``either(a, b)``                   ``a``, or ``b`` where ``a`` is null
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import jmespath
from jmespath import exceptions, functions

CHINA = ZoneInfo("Asia/Shanghai")


class BadExpression(Exception):
    """An expression that cannot be evaluated on these data; ``detail`` holds no value of them."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class UnknownCode(BadExpression):
    """A code that the profile's code list does not have."""

    def __init__(self, list_name: str, value: str) -> None:
        super().__init__(f"code list {list_name!r} has no such code")
        self.list_name = list_name
        self.value = value


class _Functions(functions.Functions):  # type: ignore[misc]  # jmespath is not typed
    """The functions above, with the code lists of one profile."""

    def __init__(self, codes: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.codes = codes

    @functions.signature({"types": []}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_code(self, value: Any, list_name: str) -> Any:
        found = self.codes.get(list_name, {})
        if not isinstance(value, str | int) or str(value) not in found:
            raise UnknownCode(list_name, str(value)[:100])
        return found[str(value)]

    @functions.signature({"types": []}, {"types": ["string"]}, {"types": []})  # type: ignore[untyped-decorator]
    def _func_code_or(self, value: Any, list_name: str, other: Any) -> Any:
        return self.codes.get(list_name, {}).get(str(value), other)

    @functions.signature({"types": []}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_local(self, value: Any, form: str) -> Any:
        if value is None:
            return None
        return datetime.fromisoformat(value).astimezone(CHINA).strftime(form)

    @functions.signature({"types": []}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_instant(self, value: Any, form: str) -> Any:
        if value is None:
            return None
        return datetime.strptime(value, form).replace(tzinfo=CHINA).astimezone(UTC).isoformat()

    @functions.signature({"types": []}, {"types": []})  # type: ignore[untyped-decorator]
    def _func_either(self, value: Any, other: Any) -> Any:
        return other if value is None else value


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)


def check(expression: str) -> str | None:
    """What is wrong with an expression's form; ``None``: nothing."""
    try:
        _compiled(expression)
    except exceptions.JMESPathError as error:
        return str(error).splitlines()[0][:200]
    return None


def evaluate(expression: str, data: Any, codes: Mapping[str, Mapping[str, Any]]) -> Any:
    """The value of an expression over ``data``; raises :class:`BadExpression`."""
    try:
        return _compiled(expression).search(data, jmespath.Options(custom_functions=_Functions(codes)))
    except BadExpression:
        raise
    except (exceptions.JMESPathError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadExpression(f"{expression[:120]}: {type(error).__name__}") from error


def fill(template: Any, data: Any, codes: Mapping[str, Mapping[str, Any]]) -> Any:
    """A template whose text leaves are expressions, evaluated; members that come out null are left out."""
    if isinstance(template, str):
        return evaluate(template, data, codes)
    if isinstance(template, Mapping):
        filled = {key: fill(inner, data, codes) for key, inner in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list | tuple):
        return [fill(inner, data, codes) for inner in template]
    return template
