"""What the ledger hashes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from services.oversight.domain.entry import canonical

DATA = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(data=DATA)
def test_an_events_data_are_one_text_in_the_order_of_their_names_whatever_wrote_it(data: dict[str, object]) -> None:
    """Entries of every version verify: this is what Python's own module writes."""
    assert canonical(data) == json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert canonical(dict(reversed(data.items()))) == canonical(data)
