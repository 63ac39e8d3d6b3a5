"""Every message of marshmallow's has its Chinese, and every finding its place."""

from __future__ import annotations

import inspect

import pytest
from flask import Flask
from marshmallow import fields, validate

from lianban.chassis.web.validation import findings, in_chinese

FILLED = {
    "{obj_type}": ("datetime", "date", "time"),
    "{awareness}": ("aware", "naive"),
    "{min_op}": ("greater than", "greater than or equal to"),
    "{max_op}": ("less than", "less than or equal to"),
    **{"{" + name + "}": ("7",) for name in ("input!r", "input", "min", "max", "equal", "choices", "values", "other")},
    **{"{" + name + "}": ("a, b",) for name in ("choices_text", "values_text")},
}


def messages_of_the_library() -> set[str]:
    templates = set()
    for _, kind in inspect.getmembers(fields, inspect.isclass):
        if issubclass(kind, fields.Field):
            templates |= {str(text) for text in kind.default_error_messages.values()}
    for _, validator in inspect.getmembers(validate, inspect.isclass):
        for name in dir(validator):
            if name.startswith(("message", "default_message")) and isinstance(getattr(validator, name), str):
                templates.add(getattr(validator, name))
    sentences = {text.replace("{{", "{").replace("}}", "}") for text in templates if text.endswith(".")}
    for placeholder, words in FILLED.items():
        sentences = {text.replace(placeholder, word) for text in sentences for word in words}
    return sentences


@pytest.mark.parametrize("message", sorted(messages_of_the_library()))
def test_every_message_of_the_library_has_its_chinese(message: str) -> None:
    said = in_chinese(message)
    assert said != message
    assert "{" not in said


def test_what_a_message_names_stays_in_it() -> None:
    assert in_chinese("Longer than maximum length 60.") == "太长：最多 60 个字（项）。"
    assert in_chinese("Must be one of: appeal, suggestion.") == "只能是下列之一：appeal, suggestion。"
    assert in_chinese("手机号码不正确。") == "手机号码不正确。"


def test_a_finding_points_into_the_body() -> None:
    with Flask("t").test_request_context():
        found = list(findings({"claims": {1: {"te/xt": ["Not a valid string."]}}, "_schema": ["x"]}))
    assert [(one.pointer, one.name, one.message) for one in found] == [
        ("/claims/1/te~1xt", "claims.1.te/xt", "应为文字。"),
        ("", "", "x"),
    ]
