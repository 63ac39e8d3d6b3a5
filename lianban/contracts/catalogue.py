"""The catalogue of all events of this version: importing it registers every producer's module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from lianban.contracts import agency_gateway, intake, notification, oversight, routing
from lianban.contracts.envelope import Envelope
from lianban.contracts.events import REGISTERED, UPCASTERS, Event, read

PRODUCERS = (intake, routing, agency_gateway, oversight, notification)
"""One module of events per producer."""


class UnknownEvent(ValueError):
    """No contract of this version knows the event's type."""


class InvalidEvent(ValueError):
    """The event's data do not fit the schema of its type."""


def known_events() -> Mapping[str, type[Event]]:
    """Every event type of this version with its class."""
    return REGISTERED


def newest(event_type: str) -> type[Event]:
    """The class of the newest version of an event type; raises :class:`UnknownEvent`."""
    while event_type in UPCASTERS:
        event_type = UPCASTERS[event_type][0]
    if event_type not in REGISTERED:
        raise UnknownEvent(f"{event_type} is not in this version's catalogue")
    return REGISTERED[event_type]


def load(event_type: str, data: Mapping[str, Any]) -> Event:
    """The newest version of an event from the data of any live version.

    Raises :class:`UnknownEvent` or :class:`InvalidEvent`.
    """
    plain, wanted = dict(data), newest(event_type)
    while event_type in UPCASTERS:
        event_type, step = UPCASTERS[event_type]
        try:
            plain = step(plain)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidEvent(f"cannot be brought to {event_type}: {error!r}") from error
    try:
        return read(wanted, plain)
    except ma.ValidationError as error:
        raise InvalidEvent(f"{event_type}: {error.messages}") from error
    except RecursionError as error:
        raise InvalidEvent(f"{event_type}: nested too deeply") from error


def load_envelope(envelope: Envelope) -> Event:
    """The event inside an envelope, see :func:`load`."""
    return load(envelope.type, envelope.data)
