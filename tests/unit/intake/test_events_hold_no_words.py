"""No event of intake holds anything that a petitioner wrote, whatever it was."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import cast
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from lianban.contracts.events import Event, dump
from lianban.contracts.refs import AgencyRef
from services.intake.app.register import _event
from services.intake.domain import petition
from services.intake.store.matters import NewMatter

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
words = st.text("赵钱孙李周吴郑王河水发黑路灯不亮", min_size=4, max_size=30)
mobiles = st.integers(13_000_000_000, 19_999_999_999).map(str)


@given(words, words, words, words, words, mobiles, words, st.sampled_from(["suggestion", "accusation", "appeal"]))
def test_no_event_holds_title_content_claims_name_telephone_or_address(
    title: str, content: str, claim: str, name: str, accused: str, phone: str, address: str, purpose: str
) -> None:
    person = {"name": name, "phone": phone, "address": address, "email": f"{phone}@example.com"}
    read = petition.parse(
        {
            "channel": "web",
            "title": title,
            "content": content,
            "claims": [claim],
            "purpose": purpose,
            "region_code": "990102101000",
            "petitioner": person,
            "representatives": [{"name": name}],
            "accused": [{"name": accused}],
        },
        today=date(2026, 11, 23),
    )
    new = NewMatter(
        id=uuid4(),
        number="2026112300042177",
        channel=read.channel,
        purpose=read.purpose,
        region_code=read.region_code,
        region_name="DONGPING",
        received_at=NOW,
        original_received_on=None,
        words=b"",
        persons=b"",
        contacts=[],
        claims=1,
        accused=[],
        group_size=1,
        anonymous=False,
        language="zh",
        sealed=read.sealed,
        registered_by=None,
        source=None,
        source_id=None,
    )
    event = _event(read, new, (AgencyRef("city-urban", "URBAN"),), imported=False)
    said = json.dumps(dump(cast(Event, event)), ensure_ascii=False)
    for secret in (title, content, claim, name, accused, phone, address):
        assert secret not in said
