"""Pages and REST resources of routing."""

from __future__ import annotations

from flask import Flask

from lianban.chassis import web
from services.routing.web import api
from services.routing.web.desk import desk
from services.routing.web.sign_in import sign_in_pages
from services.routing.web.single_sign_on import single_sign_on_pages


def create_app() -> Flask:
    """The Flask application of routing."""
    return web.create_app(
        "routing",
        api=[api.triage, api.cases, api.agencies, api.keys],
        pages=[desk, sign_in_pages, single_sign_on_pages],
    )
