"""Mapping files and rows: whatever is wrong is told with its place, and nothing is guessed."""

from __future__ import annotations

import copy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli import mapping
from cli.mapping import BadFile, BadMapping, Row

TODAY = date(2026, 5, 20)
GOOD: dict[str, Any] = {
    "source": "old-board",
    "encoding": "utf-8",
    "delimiter": ",",
    "anonymous": True,
    "fields": {
        "source_id": {"column": "no"},
        "title": {"column": "subject"},
        "content": {"column": "text"},
        "claims": [{"column": "subject"}],
        "original_received_on": {"column": "came", "formats": ["%Y/%m/%d %H:%M", "%Y-%m-%d"]},
        "channel": {"column": "way", "values": {"网": "web", "信": "letter"}},
        "purpose": {"column": "kind", "values": {"建议": "suggestion"}, "default": "appeal"},
        "region_code": {"value": "990100000000"},
    },
    "unused": ["who"],
}
HEADER = "no,who,subject,text,came,way,kind\n"


def changed(**fields: Any) -> dict[str, Any]:
    """The good mapping with other fields; None takes one away."""
    raw = copy.deepcopy(GOOD)
    for name, rule in fields.items():
        raw["fields"][name] = rule
        if rule is None:
            del raw["fields"][name]
    return raw


def rows_of(folder: Path, text: str, raw: dict[str, Any] = GOOD) -> list[Row]:
    path = folder / "rows.csv"
    path.write_bytes(text.encode(raw["encoding"]))
    return list(mapping.rows(path, mapping.parse(raw), today=TODAY))


def test_a_row_becomes_a_petition_exactly_as_the_mapping_says(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, HEADER + "17,甲,路灯不亮,东街的路灯坏了。,2019/4/5 9:30,信,其他\n")
    assert row.problems == ()
    assert row.line == 2
    assert row.body == {
        "source": "old-board",
        "source_id": "17",
        "title": "路灯不亮",
        "content": "东街的路灯坏了。",
        "claims": ["路灯不亮"],
        "original_received_on": "2019-04-05",
        "channel": "letter",
        "purpose": "appeal",
        "region_code": "990100000000",
        "anonymous": True,
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("17,甲,路灯不亮,东街。,2019/4/5 9:30,电,建议", "channel: the mapping has no value for '电' in column way"),
        ("17,甲,路灯不亮,东街。,5.4.2019,网,建议", "original_received_on: '5.4.2019' is not written as"),
        ("17,甲,路灯不亮,东街。,2026-05-21,网,建议", "original_received_on: 日期应在1990-01-01至2026-05-20之间"),
        ("17,甲,,东街。,2019-04-05,网,建议", "title: 请填写标题"),
        ("17,甲,路灯不亮,,2019-04-05,网,建议", "content: 请填写事实和理由"),
        (f"17,甲,{'长' * 201},东街。,2019-04-05,网,建议", "title: 标题不能超过200个字，现有201个字"),
        (",甲,路灯不亮,东街。,2019-04-05,网,建议", "source_id: is empty"),
        ("17,甲,路灯不亮,东街。,2019-04-05,网", "has no column kind"),
        ("17,甲,路灯不亮,东街。,2019-04-05,网,建议,多", "has more columns than the header"),
    ],
)
def test_a_bad_row_is_told_with_its_field_and_holds_up_no_other(tmp_path: Path, line: str, problem: str) -> None:
    good = "18,乙,路灯不亮,西街的路灯坏了。,2019-04-05,网,建议\n"
    bad, after = rows_of(tmp_path, f"{HEADER}{line}\n{good}")
    assert any(told.startswith(problem) for told in bad.problems), bad.problems
    assert after.problems == ()


def test_a_row_names_its_petitioner_where_the_mapping_says_so(tmp_path: Path) -> None:
    raw = changed(**{"petitioner.name": {"column": "who"}, "petitioner.phone": {"value": "16100000001"}})
    raw |= {"anonymous": False, "unused": []}
    named, nameless = rows_of(
        tmp_path,
        HEADER + "1,甲某,路灯不亮,东街。,2019-04-05,网,建议\n2,,路灯不亮,东街。,2019-04-05,网,建议\n",
        raw,
    )
    assert named.body["petitioner"] == {"name": "甲某", "phone": "16100000001"}
    assert "petitioner.name: 请填写姓名" in nameless.problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no,who,subject,text,came,way\n", "has no column kind"),
        ("no,who,subject,text,came,way,kind,extra\n", "does not say what becomes of the columns extra"),
        (HEADER + '1,"甲\n', "is no CSV"),
    ],
)
def test_a_file_with_other_columns_is_not_read_at_all(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(BadFile, match=problem):
        rows_of(tmp_path, text)


def test_a_file_in_another_encoding_is_not_read_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes((HEADER + "1,甲,路灯不亮,东街。,2019-04-05,网,建议\n").encode("gb18030"))
    with pytest.raises(BadFile, match="utf-8"):
        list(mapping.rows(path, mapping.parse(GOOD), today=TODAY))
    (row,) = mapping.rows(path, mapping.parse(GOOD | {"encoding": "gb18030"}), today=TODAY)
    assert row.body["title"] == "路灯不亮"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (GOOD | {"encoding": "martian"}, "encoding: name it"),
        (GOOD | {"delimiter": ""}, "delimiter: name the character"),
        (GOOD | {"anonymous": "yes"}, "anonymous: say true"),
        (GOOD | {"sources": "x"}, "does not know 'sources'"),
        (GOOD | {"unused": ["who", "text"]}, "unused: 'text' is used"),
        (changed(title=None), "fields.title: is missing"),
        (changed(titel={"column": "x"}), "fields: does not know 'titel'"),
        (changed(title={"column": "x", "value": "y"}), "fields.title: should be"),
        (changed(region_code={"value": 990100000000}), "fields.region_code.value: should be a text"),
        (changed(channel={"column": "way", "values": {1: "web"}}), "fields.channel.values: should be a table of texts"),
        (changed(original_received_on={"column": "came"}), "fields.original_received_on.formats: say how dates"),
        (changed(**{"petitioner.name": {"column": "who"}}), "anonymous: true, but petitioner.name"),
        (GOOD | {"anonymous": False}, "fields.petitioner.name: is missing"),
        ("text", "the mapping should be a table"),
    ],
)
def test_a_mapping_with_a_mistake_is_refused_with_its_place(raw: Any, problem: str) -> None:
    with pytest.raises(BadMapping) as refused:
        mapping.parse(raw)
    assert any(told.startswith(problem) for told in refused.value.problems), refused.value.problems


def test_the_mapping_for_message_boards_can_be_used() -> None:
    path = Path(__file__).parents[3] / "deploy" / "demo" / "mappings" / "message-board.yaml"
    assert mapping.read(path).source == "message-board"
