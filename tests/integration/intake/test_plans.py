"""Lists and searches use their indexes on a filled table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.intake.store import matters, progress
from tests.integration.intake.conftest import Intake
from tests.plans import plans_of

FILL = """
insert into matter (id, number, channel, purpose, region_code, region_name, received_at, words, persons, contacts,
    claims, group_size, anonymous, language, sealed, registered_by)
select gen_random_uuid(), 'n' || n, 'web', 'appeal',
    '9901' || lpad((n % 40)::text, 2, '0') || '000000', 'x',
    timestamptz '2026-01-01' + n * interval '1 minute', repeat('x', 600)::bytea, 'x',
    array[sha256(n::text::bytea), sha256(('e' || n)::bytea)], 1, 1, false, 'zh', false,
    case when n % 3 = 0 then 'staff:' || n % 50 end
from generate_series(1, 20000) as n
"""


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda tx: matters.newest(tx, limit=26, after=None, territory="", by=""), "matter_received_at"),
        (
            lambda tx: matters.newest(
                tx, limit=26, after=(datetime(2026, 1, 9, tzinfo=UTC), uuid4()), territory="", by=""
            ),
            "matter_received_at",
        ),
        (
            lambda tx: matters.newest(tx, limit=26, after=None, territory="990103000", by="staff:3"),
            "matter_registered_by",
        ),
        (lambda tx: matters.with_number(tx, "n77"), "matter_number_once"),
        (lambda tx: matters.with_contact(tx, b"x" * 32, 50), "matter_contacts"),
        (lambda tx: matters.running_with_contacts(tx, [b"x" * 32], ["closed"]), "matter_contacts"),
        (lambda tx: matters.of_source(tx, "a", "b") or [], "matter_once_per_source"),
    ],
)
def test_a_list_is_served_by_its_index(intake: Intake, call: Any, index: str) -> None:
    intake.look.execute(FILL)
    intake.look.execute("analyze matter")
    plan = "\n".join(plans_of(intake.look, "intake", call))
    assert index in plan
    assert "Seq Scan on matter" not in plan


FILL_NOTICES = """
insert into document (document_id, matter_id, kind, number, issuer_code, issuer_name, round, issued_at)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
    ('11111111-0000-4000-8000-' || lpad((n / 3)::text, 12, '0'))::uuid, 'decision', 'd' || n, 'x', 'x', 1, now()
from generate_series(1, 20000) as n;
insert into timeline_entry (event_id, matter_id, at, kind, data)
select gen_random_uuid(), matter_id, issued_at, 'document', '{}' from document;
insert into notice (notice_id, matter_id, kind, document_id, sent_at)
select gen_random_uuid(), d.matter_id, 'decided', d.document_id, now() from document as d, generate_series(1, 2);
analyze document;
analyze notice;
analyze timeline_entry;
"""


@pytest.mark.parametrize(
    "ask",
    [
        lambda tx, matter: tx.execute(*progress.documents(matter)),
        lambda tx, matter: progress.unopened_notices(tx, matter),
        lambda tx, matter: tx.execute(*progress.timeline(matter)),
    ],
    ids=["documents", "unopened_notices", "timeline"],
)
def test_what_the_status_page_asks_does_not_grow_with_the_years(intake: Intake, ask: Any) -> None:
    intake.look.execute(FILL_NOTICES)
    matter = UUID("11111111-0000-4000-8000-000000000007")
    plan = "\n".join(plans_of(intake.look, "intake", lambda tx: ask(tx, matter)))
    assert "Seq Scan" not in plan
