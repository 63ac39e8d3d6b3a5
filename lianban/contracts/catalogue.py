"""The catalogue of all events: importing it registers every producer's module."""

from lianban.contracts import agency_gateway, intake, notification, oversight, routing

__all__ = ["agency_gateway", "intake", "notification", "oversight", "routing"]
