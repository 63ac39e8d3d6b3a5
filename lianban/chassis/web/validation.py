"""Says in Chinese what marshmallow found wrong, and flattens it into one message per place of the input."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import request
from marshmallow import EXCLUDE, Schema, ValidationError
from webargs.multidictproxy import MultiDictProxy

from lianban.chassis.web.languages import language

_CHINESE: tuple[tuple[str, str], ...] = (
    (r"Missing data for required field\.", "此项必填。"),
    (r"Field may not be null\.", "此项不能为空值。"),
    (r"Unknown field\.", "没有这一项。"),
    (r"Invalid input type\.", "格式不正确：应为对象。"),
    (r"Invalid type\.", "类型不正确。"),
    (r"Invalid value\.", "内容不正确。"),
    (r"Invalid input\.", "内容不正确。"),
    (r"Not a valid string\.", "应为文字。"),
    (r"Not a valid utf-8 string\.", "应为 UTF-8 编码的文字。"),
    (r"Not a valid integer\.", "应为整数。"),
    (r"Not a valid number\.", "应为数字。"),
    (r"Not a valid float\.", "应为数字。"),
    (r"Not a valid decimal\.", "应为数字。"),
    (r"Special numeric values \(nan or infinity\) are not permitted\.", "应为有限的数字。"),
    (r"Number too large\.", "数字过大。"),
    (r"Not a valid boolean\.", "应为“是”或“否”（true 或 false）。"),
    (r"Not a valid UUID\.", "不是有效的标识（UUID）。"),
    (r"Not a valid list\.", "应为列表。"),
    (r"Not a valid tuple\.", "应为列表。"),
    (r"Not a valid mapping type\.", "应为对象。"),
    (r"Not a valid (?:aware |naive )?datetime\.", "不是有效的时间（应带时区，如 2026-11-23T09:30:00+08:00）。"),
    (r"Not a valid (?:aware |naive )?time\.", "不是有效的时刻。"),
    (r"Not a valid (?:aware |naive )?date\.", "不是有效的日期（如 2026-11-23）。"),
    (r"Not a valid period of time\.", "不是有效的时长。"),
    (r".* cannot be formatted as .*", "格式不正确。"),
    (r"Not a valid URL\.", "不是有效的网址。"),
    (r"Not a valid email address\.", "不是有效的电子邮箱。"),
    (r"Not a valid IP(?:v4|v6)? (?:address|interface)\.", "不是有效的 IP 地址。"),
    (r"Must be one of: (?P<v>.*)\.", "只能是下列之一：{v}。"),
    (r"One or more of the choices you made was not in: (?P<v>.*)\.", "所选内容只能来自：{v}。"),
    (r"One or more of the choices you made was in: (?P<v>.*)\.", "所选内容不能来自：{v}。"),
    (r"Must be equal to (?P<v>.*)\.", "必须等于 {v}。"),
    (r"Shorter than minimum length (?P<v>\d+)\.", "太短：至少 {v} 个字（项）。"),
    (r"Longer than maximum length (?P<v>\d+)\.", "太长：最多 {v} 个字（项）。"),
    (r"Length must be between (?P<a>\d+) and (?P<b>\d+)\.", "长度应在 {a} 到 {b} 之间。"),
    (r"Length must be (?P<v>\d+)\.", "长度应为 {v}。"),
    (r"Must be greater than or equal to (?P<v>.*?)\.", "不能小于 {v}。"),
    (r"Must be greater than (?P<v>.*?)\.", "必须大于 {v}。"),
    (r"Must be less than or equal to (?P<v>.*?)\.", "不能大于 {v}。"),
    (r"Must be less than (?P<v>.*?)\.", "必须小于 {v}。"),
    (
        r"Must be greater than or equal to (?P<a>.*) and less than or equal to (?P<b>.*)\.",
        "应在 {a} 到 {b} 之间。",
    ),
    (r"String does not match expected pattern\.", "格式不正确。"),
    (r"Invalid JSON body\.", "正文不是有效的 JSON。"),
)
_COMPILED = tuple((re.compile(pattern), chinese) for pattern, chinese in _CHINESE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: where (path of keys within the location) and what, in the language of the request."""

    location: str
    path: tuple[str, ...]
    message: str

    @property
    def pointer(self) -> str:
        """RFC 6901 pointer of the place."""
        return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in self.path)

    @property
    def name(self) -> str:
        """The name of the form field: ``claims.0.text``."""
        return ".".join(self.path)


def in_chinese(message: str) -> str:
    """The Chinese for one of marshmallow's own messages; other messages stay as they are."""
    for pattern, chinese in _COMPILED:
        found = pattern.fullmatch(message)
        if found:
            return chinese.format(**found.groupdict())
    return message


def findings(messages: Any, location: str = "json", path: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Every message in marshmallow's nested answer, each with its place."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            deeper = path if key == "_schema" else (*path, str(key))
            yield from findings(inner, location, deeper)
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from findings(inner, location, path)
    else:
        text = str(messages)
        yield Finding(location, path, in_chinese(text) if language() == "zh" else text)


def read_form(schema: Schema) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of the posted form, and what is wrong with it as ``{field name: message}``.

    Empty text fields count as not given. With errors the values are what the person typed, to show it again.
    """
    given = request.form.copy()
    for name in list(given):
        kept = [text for text in given.getlist(name) if text.strip() != ""]
        if kept:
            given.setlist(name, kept)
        else:
            given.poplist(name)
    try:
        loaded: dict[str, Any] = schema.load(MultiDictProxy(given, schema), unknown=EXCLUDE)
    except ValidationError as error:
        wrong: dict[str, str] = {}
        for finding in findings(error.messages, "form"):
            wrong.setdefault(finding.name, finding.message)
        return dict(request.form), wrong
    return loaded, {}
