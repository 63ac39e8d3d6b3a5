"""Reading the JSON that callers send: each field is checked, and a wrong one is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from deploy.demo.departments.errors import Refused

Code = TypeVar("Code", bound=StrEnum)
LONG = 20_000
_HALVES = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs."""


def _bad(field: str, problem: str) -> Refused:
    return Refused(400, "BAD_FIELD", f"字段 {field}：{problem}")


def text(source: Mapping[str, Any], field: str, *, limit: int = 200, required: bool = True) -> str:
    """A text field without surrounding space; an absent optional one is empty."""
    value = source.get(field)
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise _bad(field, "应为文本")
    value = value.strip()
    if required and not value:
        raise _bad(field, "不能为空")
    if len(value) > limit:
        raise _bad(field, f"不能超过 {limit} 个字符")
    # PostgreSQL takes neither; JSON's \u escapes can spell both.
    if "\x00" in value or _HALVES.search(value):
        raise _bad(field, "含有无法保存的字符")
    return value


def code(source: Mapping[str, Any], field: str, kind: type[Code], default: Code | None = None) -> Code:
    """A field that holds one of the codes of ``kind``."""
    value = text(source, field, required=default is None)
    if not value and default is not None:
        return default
    try:
        return kind(value)
    except ValueError:
        raise _bad(field, "应为 " + "、".join(kind) + " 之一") from None


def flag(source: Mapping[str, Any], field: str, default: bool = False) -> bool:
    """A yes or no."""
    value = source.get(field, default)
    if not isinstance(value, bool):
        raise _bad(field, "应为 true 或 false")
    return value


def number(source: Mapping[str, Any], field: str, default: float, low: float, high: float) -> float:
    """A number from ``low`` to ``high``."""
    value = source.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _bad(field, f"应为 {low:g} 至 {high:g} 之间的数字")
    return float(value)


def mapping(value: object, field: str) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise _bad(field, "应为对象")
    return value


def listing(source: Mapping[str, Any], field: str, limit: int) -> list[Any]:
    """A list; an absent one is empty."""
    value = source.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _bad(field, "应为列表")
    if len(value) > limit:
        raise _bad(field, f"不能超过 {limit} 项")
    return value
