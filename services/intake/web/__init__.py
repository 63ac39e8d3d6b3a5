"""Doors of intake: REST resources, the portal's pages and the clerk's desk."""

from __future__ import annotations

from flask import Flask

from lianban.chassis import web
from services.intake.domain.petition import Faulty
from services.intake.web.desk import desk
from services.intake.web.files import files, uploads
from services.intake.web.internal import internal
from services.intake.web.matters import matters
from services.intake.web.portal import portal
from services.intake.web.reading import on_faulty


def create_app() -> Flask:
    """The Flask application of intake."""
    app = web.create_app("intake", api=[matters, uploads, files, internal], pages=[portal, desk])
    app.register_error_handler(Faulty, on_faulty)
    return app
