"""What a scenario came to: a line of the printed table and an entry of ``build/chaos.json``.

``python -m tests.chaos.report`` prints what stands there as a table for a document.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILE = ROOT / "build" / "chaos.json"
COLUMNS = (
    ("scenario", "scenario", 52),
    ("accepted", "accepted", 9),
    ("reached", "reached", 8),
    ("lost", "lost", 5),
    ("duplicated", "twice", 6),
    ("out_of_order", "order", 6),
    ("ledger_holes", "ledger", 7),
    ("stuck", "stuck", 6),
    ("seconds_to_recover", "ready after", 12),
    ("seconds_to_drain", "drained after", 14),
    ("requests_repeated", "requests repeated", 18),
    ("asked_again", "sent again", 11),
    ("mails_again", "mails again", 12),
)


READY_WITHIN = 60.0
"""Seconds after the end of a fault within which every service must be ready again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What happened to the matters of one scenario."""

    scenario: str
    accepted: int
    """Matters that were answered with 2xx."""
    reached: int
    """Of these, matters of which every assignment reached its department exactly once."""
    lost: int
    """Matters, messages, events, notices or clocks that are missing."""
    duplicated: int
    """Matters, messages, effects of events or notices that are there more than once."""
    out_of_order: int
    """Events that had their effect before their turn, in any service."""
    ledger_holes: int
    """Events that the ledger lacks or has twice, and chains that do not verify."""
    seconds_to_recover: float
    """From the end of the fault until every service was ready again by itself."""
    seconds_to_drain: float
    """From the last submission until every life-cycle was complete in every service."""
    requests_repeated: int
    """Requests without a 2xx answer, which the client sent again under the same Idempotency-Key."""
    mails_again: int
    """E-mails handed over again under the same message id, because the first hand-over was not known to be one."""
    events: int
    """Events that were said about these matters."""
    stuck: int = 0
    """Rows, messages and processes that still waited when everything had had time to settle."""
    asked_again: int = 0
    """Messages that came to their department again under the same key, because the first outcome was unknown."""

    @property
    def late(self) -> bool:
        """Whether it took longer than the bar until every service was ready again."""
        return self.seconds_to_recover > READY_WITHIN

    @property
    def sound(self) -> bool:
        """Whether everything that must hold does."""
        return not (self.lost or self.duplicated or self.out_of_order or self.ledger_holes or self.stuck)


def keep(report: Report, *, passed: bool) -> None:
    """Write a scenario's report to :data:`FILE`. Whether it ``passed`` stands there too."""
    entry = asdict(report) | {"passed": passed, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    _write(_known() | {report.scenario: entry | {"commit": _commit()}})


def forget(scenario: str) -> None:
    """Take an earlier run's report out: a scenario that dies before it is examined leaves none."""
    _write({name: entry for name, entry in _known().items() if name != scenario})


def _known() -> dict[str, Any]:
    try:
        return dict(json.loads(FILE.read_text("utf-8"))["scenarios"])
    except (OSError, ValueError, KeyError):
        return {}


def _write(scenarios: dict[str, Any]) -> None:
    FILE.parent.mkdir(exist_ok=True)
    whole = _machine() | {"scenarios": scenarios}
    ready = FILE.with_suffix(".new")
    ready.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
    ready.replace(FILE)


def _commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()


def _machine() -> dict[str, str | int | None]:
    return {
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def table(reports: list[Report]) -> list[str]:
    """The reports as lines of text."""
    lines = [
        "".join(title.ljust(width) if n == 0 else title.rjust(width) for n, (_, title, width) in enumerate(COLUMNS))
    ]
    for report in reports:
        cells = []
        for number, (name, _, width) in enumerate(COLUMNS):
            value = getattr(report, name)
            text = f"{value:.1f} s" if isinstance(value, float) else str(value)
            cells.append(text.ljust(width) if number == 0 else text.rjust(width))
        lines.append("".join(cells))
    return lines


def document(known: dict[str, Any]) -> list[str]:
    """The file's content as a table for a document. Raises :class:`ValueError` where it is not of one version."""
    commits = {entry["commit"] for entry in known["scenarios"].values()}
    if len(commits) != 1:
        raise ValueError(f"the scenarios were run on several versions: {', '.join(sorted(commits))}")
    failed = [name for name, entry in known["scenarios"].items() if not entry["passed"]]
    if failed:
        raise ValueError(f"not passed: {', '.join(failed)}")
    shown = [column for column in COLUMNS if column[0] not in ("requests_repeated", "asked_again", "mails_again")]
    lines = [
        "| " + " | ".join(title for _, title, _ in shown) + " |",
        "|---|" + "---:|" * (len(shown) - 1),
    ]
    for entry in known["scenarios"].values():
        values = [entry[name] for name, _, _ in shown]
        cells = [f"{value:.0f} s" if isinstance(value, float) else str(value) for value in values]
        lines.append("| " + " | ".join(cells) + " |")
    days = sorted({entry["at"][:10] for entry in known["scenarios"].values()})
    return [*lines, "", f"Version {commits.pop()}, {' and '.join(days)}."]


if __name__ == "__main__":
    print("\n".join(document(json.loads(FILE.read_text("utf-8")))))
