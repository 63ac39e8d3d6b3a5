"""The door to documents: the PDF for whoever holds a ticket, and for staff."""

from __future__ import annotations

from flask import Flask

from lianban.chassis import web
from services.notification.web.documents import files


def create_app() -> Flask:
    """The Flask application of notification."""
    return web.create_app("notification", pages=[files])
