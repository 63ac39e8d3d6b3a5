"""A table of another system is imported through the public API, once however often, and travels to its end."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from deploy.local.stack import Stack

MAPPING = """
source: tests-of-import
encoding: utf-8
delimiter: ","
anonymous: true
fields:
  source_id: {column: 编号}
  title: {column: 标题}
  content: {column: 正文}
  claims: [{column: 标题}]
  original_received_on: {column: 日期, formats: ["%Y-%m-%d"]}
  channel: {value: letter}
  purpose: {value: appeal}
  region_code: {column: 属地, values: {东平镇: "990102101000", 市: "990100000000", 外地: "110000000000"}}
"""
ROWS = [
    ("1", "厂后河水发黑发臭", "印染厂夜里向河里排放废水，河水发黑发臭。", "2019-03-01", "东平镇"),
    ("2", "路灯不亮", "建设北路的路灯坏了半个月，晚上走路看不清。", "2019-03-02", "市"),
    ("3", "垃圾没有人清运", "小区门口的垃圾桶满了三天没有人清运，气味难闻。", "2019-03-03", "市"),
    ("4", "工地夜间施工扰民", "楼下工地夜里两点还在打桩，全楼人睡不着。", "2019-03-04", "市"),
    ("5", "拖欠工资", "公司拖欠工人三个月工资，多次讨要没有结果。", "2019-03-05", "市"),
    ("6", "医保报销比例不对", "异地住院报销比例和备案的不一样，少报了很多。", "2019-03-06", "市"),
    ("7", "", "没有标题的一行。", "2019-03-07", "市"),
    ("8", "日期不对的一行", "这一行的日期写错了。", "三月八日", "市"),
    ("9", "名册里没有的地方", "这一行的属地不在名册中。", "2019-03-09", "外地"),
    ("1", "编号重复的一行", "这一行的编号和第一行一样。", "2019-03-10", "市"),
]
GOOD = {"1", "2", "3", "4", "5", "6"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the table and its mapping."""
    (tmp_path / "mapping.yaml").write_text(MAPPING, "utf-8")
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("编号", "标题", "正文", "日期", "属地"), *ROWS])
    return tmp_path


def imported(stack: Stack, folder: Path, *more: str) -> list[dict[str, str]]:
    """Run the import; returns its report."""
    report = folder / "report.csv"
    files = (str(folder / "rows.csv"), "--mapping", str(folder / "mapping.yaml"), "--report", str(report))
    outcome = stack.command("import", *files, *more)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    with report.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_an_import_reaches_the_end_and_a_second_run_changes_nothing(stack: Stack, files: Path) -> None:
    first = imported(stack, files, "--wait", "60")
    assert Counter(row["outcome"] for row in first) == {"registered": 6, "invalid": 4}
    assert {row["source_id"] for row in first if row["outcome"] == "registered"} == GOOD
    problems = [row["problems"].partition(":")[0] for row in first if row["outcome"] == "invalid"]
    assert problems == ["title", "original_received_on", "region_code", "source_id"]
    states = Counter(row["state"] for row in first if row["number"])
    assert states["closed"] >= 4, states
    assert states[""] == 0

    again = imported(stack, files, "--wait", "0")
    assert Counter(row["outcome"] for row in again) == {"already there": 6, "invalid": 4}
    assert [row["number"] for row in again] == [row["number"] for row in first]


def test_a_preview_sends_nothing(stack: Stack, files: Path) -> None:
    text = (files / "mapping.yaml").read_text("utf-8").replace("tests-of-import", "tests-of-preview")
    (files / "mapping.yaml").write_text(text, "utf-8")
    arguments = (str(files / "rows.csv"), "--mapping", str(files / "mapping.yaml"))
    shown = stack.command("import", *arguments, "--preview")
    assert shown.returncode == 0, shown.stderr
    assert "would be sent: 6" in shown.stdout
    assert "bad: 4" in shown.stdout

    after = imported(stack, files, "--wait", "0")
    assert Counter(row["outcome"] for row in after) == {"registered": 6, "invalid": 4}

    shown = stack.command("import", *arguments, "--preview")
    assert "would be sent: 0    此前已登记 already there: 6    有问题 bad: 4" in shown.stdout
