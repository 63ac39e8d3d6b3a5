"""Every service takes every version of every event that it hears: the golden examples, through its own inbox."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lianban.chassis.inbox import Inbox
from lianban.chassis.runtime import database
from lianban.chassis.topology import HEARS
from lianban.contracts.catalogue import known_events
from lianban.contracts.envelope import Envelope
from tests.databases import FreshDatabase

EXAMPLES = [Envelope.decode(path.read_bytes()) for path in (Path(__file__).parent / "examples").glob("*.json")]
FIRST = ("intake.matter-registered", "routing.case-suggested", "routing.case-routed", "routing.assignment-sent")
"""How the story of every matter begins; without its beginning the rest would tell a service nothing."""


def place_in_the_story(envelope: Envelope) -> tuple[int, str]:
    name = envelope.type.removeprefix("lianban.").rpartition(".")[0]
    return (FIRST.index(name) if name in FIRST else len(FIRST), envelope.type)


@pytest.mark.parametrize("service", HEARS)
def test_a_service_takes_every_golden_example_of_whom_it_hears(service: str, fresh_database: FreshDatabase) -> None:
    looking = fresh_database(service)
    handlers = importlib.import_module(f"services.{service}.app.hearing").HANDLERS
    inbox = Inbox(database(), service, HEARS[service], handlers)
    heard = sorted((e for e in EXAMPLES if e.source in HEARS[service]), key=place_in_the_story)
    sequences: Counter[str] = Counter()
    for envelope in heard:
        sequences[envelope.source] += 1
        inbox.handle([replace(envelope, sequence=sequences[envelope.source], after={})])

    not_taken = looking.execute("select type, state, error from inbox").fetchall()
    assert not_taken == []
    assert looking.execute("select sum(cardinality(sequences)) as n from handled").fetchone() == {"n": len(heard)}


@pytest.mark.parametrize("service", HEARS)
def test_a_service_has_handlers_only_for_events_that_it_hears(service: str) -> None:
    handlers = importlib.import_module(f"services.{service}.app.hearing").HANDLERS
    assert set(handlers) <= set(known_events().values())
    assert {cls.TYPE.split(".")[1] for cls in handlers} <= set(HEARS[service])
