"""Doors: the exchange API, the agency desk, the integration console and the internal endpoint."""

from __future__ import annotations

from flask import Flask

from lianban.chassis import web
from services.agency_gateway.web.callers import recognise
from services.agency_gateway.web.console import console
from services.agency_gateway.web.desk import desk
from services.agency_gateway.web.exchange import exchange
from services.agency_gateway.web.internal import internal_api


def create_app() -> Flask:
    """The gateway's Flask application."""
    return web.create_app(
        "agency_gateway",
        api=[exchange, internal_api],
        pages=[desk, console],
        config={"RECOGNISE_CALLER": recognise},
    )
