"""What the profile says: functions by their samples, statements by what they took between two looks."""

from __future__ import annotations

from pathlib import Path

from tests.bench.profile import functions, statements


def test_functions_are_told_by_themselves_and_with_what_they_call(tmp_path: Path) -> None:
    path = tmp_path / "intake.folded"
    path.write_text("main (a.py:1);register (b.py:2) 3\nmain (a.py:1) 1\n", "utf-8")

    told = functions(path).splitlines()

    assert told[0].startswith("4 samples")
    alone = told[told.index("by itself") + 1 : told.index("with what it calls") - 1]
    assert alone == [" 75.0% register (b.py:2)", " 25.0% main (a.py:1)"]
    assert told[told.index("with what it calls") + 1] == "100.0% main (a.py:1)"


def test_a_process_without_samples_is_told(tmp_path: Path) -> None:
    assert functions(tmp_path / "none.folded").startswith("no samples")


def test_statements_count_from_the_first_look() -> None:
    told = statements({"select 1": (10, 1.0)}, {"select 1": (12, 1.5), "select 2": (4, 0.1)})

    assert [line.split() for line in told.splitlines()[1:]] == [
        ["0.500", "s", "2", "×", "250.00", "ms", "select", "1"],
        ["0.100", "s", "4", "×", "25.00", "ms", "select", "2"],
    ]
